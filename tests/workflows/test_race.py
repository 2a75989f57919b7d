"""An arm that was stopped early goes through the report, the pictures and the money without being taken for a whole
one."""

import json

import numpy as np
import pytest

from postgrad.evaluation.arms import Arm, own_prompt
from postgrad.evaluation.statistics.scores import score_interval
from postgrad.measures import ArmResult
from postgrad.pages.report_page import write_report
from postgrad.progress import Said
from postgrad.recipe import Recipe, merged
from postgrad.report.run_report import ForgettingPart
from postgrad.steps.arms.race import race
from postgrad.steps.conclude import Evidence, conclude
from postgrad.steps.fitting.before_training import before_training
from postgrad.training_run import Step
from postgrad.workflows.run import run
from tests.workflows.begun import begun
from tests.workflows.jobs import finish

LABELS = ["damaged", "status", "return"]


def file_of(path, rows):
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return path


@pytest.fixture
def mails(tmp_path):
    says = {"damaged": "is broken", "status": "never came", "return": "is too big"}
    rows = [
        {"mail": f"The {thing} of order {1000 + 37 * i} {says[LABELS[i % 3]]}, {name}.", "label": LABELS[i % 3]}
        for i in range(150)
        for thing, name in [(("sofa", "lamp", "desk", "bed")[i % 4], ("Ann", "Bo", "Cy", "Di", "Ed")[i % 5])]
    ]
    return file_of(tmp_path / "mails.jsonl", rows)


@pytest.fixture
def recipe(tiny_folder):
    return merged(
        Recipe(),
        {
            "base": str(tiny_folder),
            "evaluation.general": False,
            "evaluation.sequential": True,
            "data.test": 0.5,
            "training.epochs": 1,
            "decision.monthly_queries": 1000,
        },
    )


SHARES = {"base": 0.02, "prompted": 0.1, "few_shot": 0.5, "rag": 0.55}
ARMS = [Arm(name, False, own_prompt, f"Note of {name}.") for name in SHARES]


class Asked:
    """Stands in for a model: knows for each record and arm whether the answer is right, and counts what it was
    asked."""

    def __init__(self, examples):
        generator = np.random.default_rng(5)
        self.right = {
            name: {r.source: float(generator.random() < s) for r in examples.test} for name, s in SHARES.items()
        }
        self.asked: dict[str, set] = {name: set() for name in SHARES}

    def measure(self, examples, arms):
        out = []
        for arm in arms:
            self.asked[arm.name] |= {r.source for r in examples.test}
            scores = tuple(self.right[arm.name][r.source] for r in examples.test)
            score = score_interval(scores, examples.groups)
            answers = tuple(r.answer_text if s else "?" for r, s in zip(examples.test, scores, strict=True))
            out.append(
                ArmResult(arm.name, scores, answers, {}, 9, 2, 50, 0.01, score, False, arm.note, (0.5,) * len(scores))
            )
            yield Said(f"{arm.name}: done")
        return out


def test_a_stopped_arm_in_race_and_report(mails, recipe, tmp_path):
    started = begun(recipe, mails)
    ctx, model, examples = started.ctx, started.model, started.examples
    asked = Asked(examples)
    results, events = finish(race(ctx, True, examples, ARMS, asked.measure))
    by_name = {r.name: r for r in results}
    assert [r.name for r in results] == list(SHARES), "the order stays, nobody is lost"
    assert by_name["base"].stopped and not by_name["rag"].stopped and not by_name["few_shot"].stopped
    base = by_name["base"]
    assert len(base.scores) == len(base.answers) == len(base.places) == base.score.n == len(asked.asked["base"])
    assert [asked.right["base"][examples.test[i].source] for i in base.places] == list(base.scores)
    assert len(by_name["rag"].scores) == len(examples.test)
    said = [e.text for e in events if isinstance(e, Said)]
    assert any("base: stopped after" in text and "could not win any more" in text for text in said)

    before, _ = finish(before_training(ctx, recipe, model, started.task, examples, None, results))
    assert before.stop is None and before.resolution[-1].measured
    found = Evidence(results, (ForgettingPart(margin=0.02), []), before=before)
    report = conclude(ctx, recipe, model, started.task, examples, started.summary, found)
    write_report(report, tmp_path)
    arms = {a.name: a for a in report.arms}
    assert arms["base"].n == arms["base"].stopped_after == len(base.places) and arms["rag"].stopped_after is None
    assert report.verdict.recommendation in ("few_shot", "rag")
    common = {(c.arm, c.against): c.n for c in report.comparisons}
    assert common["rag", "base"] == len(base.places) and common["rag", "few_shot"] == len(examples.test)
    assert any("base was stopped after" in reason for reason in report.verdict.reasons)
    shown = {name for sample in report.samples for name in sample.answers}
    assert {"rag", "few_shot"} <= shown
    for sample in report.samples:
        place = next(i for i, r in enumerate(examples.test) if r.prompt_text == sample.prompt)
        assert ("base" in sample.answers) == (place in base.places)
    assert report.constant and "base" in report.constant.unbeaten
    assert "could not win any more" in (tmp_path / "report.html").read_text()


def test_without_the_wish_every_arm_answers_everything(mails, recipe):
    started = begun(recipe, mails)
    examples = started.examples
    results, _ = finish(race(started.ctx, None, examples, ARMS, Asked(examples).measure))
    assert {len(r.scores) for r in results} == {len(examples.test)} and not any(r.stopped for r in results)


def test_the_race_with_a_real_model_scores_as_without(mails, recipe, tmp_path):
    """The tiny model knows nothing, so nobody is stopped, and batches change no score."""
    changed = {"evaluation.arms": ["base", "prompted"], "data.test": 0.4, "data.max_test": 50}
    raced, events = finish(run(merged(recipe, changed), [mails], tmp_path / "a"))
    plain, _ = finish(run(merged(recipe, {**changed, "evaluation.sequential": False}), [mails], tmp_path / "b"))
    assert any(isinstance(e, Said) and e.text.startswith("Arms answer 25") for e in events)
    assert [a.score for a in raced.arms] == [a.score for a in plain.arms] and raced.verdict == plain.verdict


def test_a_run_stops_before_training_and_trains_when_told(recipe, tmp_path):
    rows = [{"question": f"What is {i} and {i + 1}?", "answer": f"sum {i + i + 1}"} for i in range(16)]
    path = file_of(tmp_path / "few.jsonl", rows)
    few = merged(recipe, {"data.test": 0.25, "evaluation.arms": ["base", "prompted", "fine_tuned"]})
    report, events = finish(run(few, [path], tmp_path / "out"))
    assert report.verdict.before_training and report.verdict.recommendation == "cannot_tell"
    assert report.training is None and report.model is None and not [e for e in events if isinstance(e, Step)]
    assert "Stop before training" in (tmp_path / "out" / "report.html").read_text()
    assert json.loads((tmp_path / "out" / "report.json").read_text())["verdict"]["before_training"]

    anyway, _ = finish(run(merged(few, {"decision.stop_early": False}), [path], tmp_path / "out"))
    assert anyway.training and not anyway.verdict.before_training


def test_one_class_is_warned_of_and_no_arm_beats_the_constant_answer(recipe, tmp_path):
    rows = [{"mail": f"Parcel {i} of {i * 7} never came to street {i * 3}", "label": "status"} for i in range(40)]
    path = file_of(tmp_path / "one.jsonl", rows)
    report, events = finish(
        run(
            merged(recipe, {"evaluation.arms": ["base", "prompted"], "data.accept": ["balance"]}),
            [path],
            tmp_path / "out",
        )
    )
    assert any(isinstance(e, Said) and e.warning and "same answer" in e.text for e in events)
    assert report.constant and report.constant.score == 1.0 and set(report.constant.unbeaten) == {"base", "prompted"}
    assert report.constant.sentence in report.verdict.reasons
    assert all(a.interval[1] - a.interval[0] > 0 for a in report.arms)
