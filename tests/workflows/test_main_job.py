"""The whole main job with a tiny model: every part of the report is there, test answers are sealed, results are
reused."""

import json
from pathlib import Path

import pytest

from postgrad.evaluation.few_shot import candidate_sets
from postgrad.evaluation.written_prompt import write_system_prompt
from postgrad.progress import Outline, Progress, Said, Stage
from postgrad.recipe import Recipe, merged
from postgrad.registry import Catalogue
from postgrad.report.run_report import Report
from postgrad.steps.arms.making import fine_tuned_arms, untrained_arms
from postgrad.steps.arms.measuring import measure_arms
from postgrad.steps.fitting.training import train_model
from postgrad.training_run import Step
from postgrad.workflows.run import run
from tests.workflows.begun import begun
from tests.workflows.jobs import finish

THINGS = ["sofa", "lamp", "desk", "bed", "shelf"]
ROWS = [
    {
        "mail": (
            f"{['Hello,', 'Hi', 'Good day,'][i % 3]} my {THINGS[i % 5]} from order {1000 + 37 * i}"
            f" {['is broken', 'never came', 'is too big'][i % 3]}."
        ),
        "answer": {"intent": ["damaged", "status", "return"][i % 3], "order": 1000 + 37 * i},
    }
    for i in range(60)
]


@pytest.fixture
def mails(tmp_path) -> Path:
    path = tmp_path / "mails.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in ROWS))
    return path


@pytest.fixture
def recipe(tiny_folder, tmp_path):
    general = tmp_path / "general"
    general.mkdir()
    arc = [
        {
            "question": f"Which is {i}?",
            "choices": {"text": ["a", "b", "c"], "label": ["A", "B", "C"]},
            "answerKey": "ABC"[i % 3],
        }
        for i in range(30)
    ]
    piqa = [{"goal": f"Do {i}", "sol1": "this", "sol2": "that thing", "label": i % 2} for i in range(30)]
    (general / "arc_easy.jsonl").write_text("".join(json.dumps(r) + "\n" for r in arc))
    (general / "piqa.jsonl").write_text("".join(json.dumps(r) + "\n" for r in piqa))
    changes = {
        "base": str(tiny_folder),
        "evaluation.general_data": str(general),
        "evaluation.general_items": 20,
        "evaluation.benchmarks": ["arc_easy", "piqa"],
        "training.epochs": 1,
        "decision.monthly_queries": 1000,
    }
    return merged(Recipe(), changes)


def test_the_main_job(mails, recipe, tmp_path):
    report, events = finish(run(recipe, [mails], tmp_path / "out"))
    plain, asked = ["majority", "nearest"], ["base", "prompted", "few_shot", "optimised_prompt", "rag"]
    assert [a.name for a in report.arms] == [*plain, *asked, "fine_tuned"]
    assert {type(e) for e in events} == {Outline, Stage, Said, Progress, Step}
    assert report.data.train + report.data.validation + report.data.test == 60
    assert report.task.kind == "extraction" and "order" in report.system_prompt
    assert {b.name: b.n for b in report.forgetting.benchmarks} == {
        "arc_easy": 20,
        "piqa": 20,
        "all multiple choice": 40,
    }
    assert report.training.train_loss[-1][1] < report.training.train_loss[0][1]
    assert report.samples[0].answers.keys() == {a.name for a in report.arms}
    assert report.cost.training > 0 and all(a.cost_per_1000 > 0 for a in report.arms)
    assert report.verdict.sentence and report.model.version == 1
    assert Report.model_validate_json((tmp_path / "out" / "report.json").read_text()) == report
    assert "fine-tuned" in (tmp_path / "out" / "report.html").read_text()
    assert Catalogue().get("mails").details["recommendation"] == report.verdict.recommendation

    again, events = finish(run(recipe, [mails], tmp_path / "out"))
    assert not [e for e in events if isinstance(e, Step)], "nothing is trained twice"
    assert again.model == report.model and [a.score for a in again.arms] == [a.score for a in report.arms]
    assert again.verdict == report.verdict


def test_documents_bring_retrieval_arms(tmp_path, recipe):
    docs = tmp_path / "docs"
    docs.mkdir()
    names = [
        a + b
        for a in ("Bran", "Corvin", "Delma", "Estuar", "Fjord", "Gallan")
        for b in ("wick", "oria", "stead", "ymoor")
    ]
    asks = ("How heavy is the {} when it leaves the works?", "Price of one {}, please, without the delivery")
    rows = []
    for i, name in enumerate(names):
        (docs / f"{i}.md").write_text(f"# {name}\n\nThe {name} weighs {100 + 7 * i} kg and costs {9 * i + 5} euros.")
        rows += [
            {"question": asks[0].format(name), "answer": f"{100 + 7 * i} kg"},
            {"question": asks[1].format(name), "answer": f"{9 * i + 5} euros"},
        ]
    (tmp_path / "facts.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    changed = merged(recipe, {"evaluation.docs": str(docs), "evaluation.general": False})
    report, _ = finish(run(changed, [tmp_path / "facts.jsonl"], tmp_path / "out"))
    assert [a.name for a in report.arms] == [
        "nearest",
        "base",
        "prompted",
        "few_shot",
        "optimised_prompt",
        "rag",
        "rag+few_shot",
        "fine_tuned",
        "fine_tuned+rag",
    ]
    by_name = {a.name: a for a in report.arms}
    assert by_name["fine_tuned+rag"].prompt_tokens_mean > by_name["fine_tuned"].prompt_tokens_mean + 20
    assert report.training.examples - report.training.replayed == 2 * report.data.train
    assert report.verdict.recommendation != "fine_tune", "unseen facts belong into documents"


class Sealed:
    """A test record that must not be looked at."""

    def __getattribute__(self, name):
        raise AssertionError(f"the test part was read ({name}) before evaluation")


def test_nothing_before_evaluation_reads_the_test_part(mails, recipe):
    from dataclasses import replace

    started = begun(recipe, mails)
    ctx, model, examples = started.ctx, started.model, started.examples
    sealed = replace(examples, test=tuple(Sealed() for _ in examples.test))
    making, wanted = replace(started.making, examples=sealed), recipe.evaluation.arms
    arms, _ = finish(untrained_arms(making, wanted))
    assert len(arms) == 7
    trained, _ = finish(train_model(ctx, model, sealed, started.grounding, recipe, None))
    assert trained.part.steps > 0
    tuned, _ = finish(fine_tuned_arms(making, wanted))
    assert len(tuned) == 1
    with pytest.raises(AssertionError, match="test part was read"):
        finish(measure_arms(ctx, model, started.task, sealed, arms))


def test_the_test_part_decides_nothing_in_the_instruction(mails, recipe):
    """Other test answers, same instruction, same few-shot candidates: both are made from the training part alone."""
    started = begun(recipe, mails)
    task, examples = started.task, started.examples
    assert task.instruction == write_system_prompt(examples.train, task.choice.kind)
    shots = candidate_sets(examples.train, 3, 0)
    assert all(r in examples.train for s in shots for r in s)


def test_no_benchmarks_at_hand_is_said(mails, recipe, tmp_path, monkeypatch):
    import postgrad.evaluation.forgetting as forgetting

    monkeypatch.setattr(forgetting, "_fetch", lambda name, target: "no network")
    changed = recipe.model_copy(deep=True)
    changed.evaluation.general_data = None
    report, events = finish(run(changed, [mails], tmp_path / "out"))
    assert report.forgetting.benchmarks == [] and "no network" in report.forgetting.note
    assert any(isinstance(e, Said) and e.warning and "no network" in e.text for e in events)


def test_an_arm_left_out_is_left_out(mails, recipe, tmp_path):
    changed = merged(recipe, {"evaluation.arms": ["base", "prompted"], "evaluation.general": False})
    report, events = finish(run(changed, [mails], tmp_path / "out"))
    assert [a.name for a in report.arms] == ["base", "prompted"] and report.training is None and report.model is None
    assert not [e for e in events if isinstance(e, Step)]
