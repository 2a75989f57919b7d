"""`run` on pairs, ratings and graded tasks: the objective, arms and measure that fit, and a verdict."""

from __future__ import annotations

import json
import random
import re

import pytest

from postgrad.data.load import load
from postgrad.errors import UsageError
from postgrad.evaluation.metrics.support.by_record import choose_for
from postgrad.evaluation.metrics.support.metric import MetricResources
from postgrad.progress import Said
from postgrad.recipe import Recipe, merged
from postgrad.records import Conversation, pair
from postgrad.registry import Catalogue
from postgrad.report.run_report import Report
from postgrad.workflows.evaluate import EvaluateRequest, evaluate
from postgrad.workflows.run import run
from tests.models.test_remote import Server, answered
from tests.workflows.jobs import finish, small

LEARNS = {
    "training.learning_rate": 0.01,
    "training.max_steps": 40,
    "data.accept": ["too_little"],
    "data.task": "Answer kindly.",
    "evaluation.arms": ["nearest", "base", "prompted", "good_answers", "fine_tuned"],
    "decision.stop_early": False,
}
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def rows(count=120):
    """Requests that none is nearly another, with a kind and a rude answer."""
    dice = random.Random(4)
    for _ in range(count):
        words = ["".join(dice.choices(LETTERS, k=7)) for _ in range(6)]
        yield f"What is {' '.join(words)}?", f"Thank you: {words[0]}.", f"Go away {words[1]}!", words


def written(path, records):
    path.write_text("".join(json.dumps(r) + "\n" for r in records), "utf-8")
    return path


@pytest.fixture
def pairs(tmp_path):
    return written(tmp_path / "pairs.jsonl", ({"prompt": q, "chosen": c, "rejected": r} for q, c, r, _ in rows()))


def kind_one(request, body):
    """A judge that likes thanks."""
    text = body["messages"][-1]["content"]
    first, second = re.findall(r"<answer_[AB]>\n(.*?)\n</answer", text, re.DOTALL)
    return answered("[[A]]" if ("Thank" in first, first) > ("Thank" in second, second) else "[[B]]")


def said(events):
    return " ".join(e.text for e in events if isinstance(e, Said))


def test_pairs_are_learned_by_dpo_and_judged_by_held_out_pairs(tiny_folder, tmp_path, pairs):
    server = Server()

    server.plan = [kind_one] * 2000
    votes = written(
        tmp_path / "votes.jsonl",
        [{"prompt": f"q{n}", "arm_a": "base", "arm_b": "fine_tuned", "winner": "b" if n else "a"} for n in range(9)],
    )
    recipe = small(
        tiny_folder,
        **{**LEARNS, "evaluation.judge": f"{server.url}#judge", "evaluation.votes": str(votes)},
    )
    try:
        report, events = finish(run(recipe, [pairs], tmp_path / "out"))
    finally:
        server.stop()
    arms = {a.name: a for a in report.arms}
    assert set(arms) == {"base", "prompted", "good_answers", "fine_tuned"}, "no likelihoods, no nearest"
    assert arms["base"].score == 0.5 and arms["fine_tuned"].score > 0.9
    assert report.training is not None and report.training.objective == "dpo"
    assert report.recipe["training"]["objective"] == "dpo" and report.task.kind == "preference"
    assert report.verdict.recommendation in ("fine_tune", "good_answers") and report.model is not None
    registered = Catalogue().get(f"{report.model.name}@{report.model.version}")
    delivered = arms["good_answers" if report.verdict.recommendation == "good_answers" else "fine_tuned"]
    assert registered.details["score"] == delivered.score
    assert "trained with the objective dpo" in said(events)
    found = report.preferences
    assert found is not None and found.agreement == 1.0 and found.agreement_pairs == report.data.test
    rates = {(r.arm, r.by): r for r in found.win_rates}
    assert {arm for arm, by in rates if by == "judge"} == {"prompted", "good_answers", "fine_tuned"}
    assert rates["fine_tuned", "people"].wins == 8 and rates["fine_tuned", "people"].n == 9
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Whose answers are better" in page and "at equal length" in page
    assert Report.model_validate_json((tmp_path / "out" / "report.json").read_text()).preferences == found


def test_without_a_judge_few_answers_are_generated(tiny_folder, tmp_path, pairs):
    recipe = small(tiny_folder, **{**LEARNS, "data.max_test": 40, "data.test": 0.35, "training.max_steps": 4})
    report, _ = finish(run(recipe, [pairs], tmp_path / "out"))
    lines = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    shown = [line for line in lines if "not generated" not in json.dumps(line)]
    assert len(lines) == report.data.test == 40 and 15 <= len(shown) <= 24
    assert report.automation is None and report.preferences is None
    again, events = finish(run(recipe, [pairs], tmp_path / "out"))
    assert [a.score for a in again.arms] == [a.score for a in report.arms]
    assert "result is reused" in said(events)


def test_ratings_are_learned_by_kto(tiny_folder, tmp_path):
    dice = random.Random(7)
    data = written(
        tmp_path / "ratings.jsonl",
        (
            {"prompt": q, "completion": c if good else r, "label": good}
            for q, c, r, _ in rows()
            for good in [dice.random() < 0.6]
        ),
    )
    report, _ = finish(run(small(tiny_folder, **LEARNS), [data], tmp_path / "out"))
    arms = {a.name: a for a in report.arms}
    assert report.training is not None and report.training.objective == "kto"
    assert arms["base"].score < 0.6 and arms["fine_tuned"].score > 0.9
    assert report.task.metric == "rated_accuracy"


def test_the_good_answers_alone_are_learned_where_the_recipe_says_so(tiny_folder, tmp_path, pairs):
    recipe = small(tiny_folder, **{**LEARNS, "training.objective": "sft", "training.max_steps": 3})
    report, events = finish(run(recipe, [pairs], tmp_path / "out"))
    assert report.training is not None and report.training.objective == "sft"
    assert "good_answers" not in {a.name for a in report.arms} and "the rejected ones only test" in said(events)


def test_tasks_without_right_answers_are_graded(tiny_folder, tmp_path):
    data = written(
        tmp_path / "tasks.jsonl",
        ({"messages": [{"role": "user", "content": q}], "letter": w[0][0]} for q, _, _, w in rows(60)),
    )
    grader = {"type": "string_check", "name": "g", "operation": "ilike", "reference": "{{item.letter}}"}
    recipe = small(
        tiny_folder,
        **{
            **LEARNS,
            "evaluation.arms": ["base", "prompted", "few_shot", "rag", "best_of_n", "fine_tuned"],
            "training.objective": "grpo",
            "training.grader": {**grader, "input": "{{sample.output_text}}"},
            "training.max_steps": 2,
            "training.samples": 4,
            "training.answer_tokens": 8,
        },
    )
    report, _ = finish(run(recipe, [data], tmp_path / "out"))
    assert {a.name for a in report.arms} == {"base", "prompted", "fine_tuned"}
    assert report.task.metric == "g" and report.task.kind == "reinforcement"
    left = {part.name: part.reason for part in report.left_out}
    assert set(left) == {"few_shot", "rag", "best_of_n"}, "letters of the task are not there when the model is in use"
    assert "no right answers" in left["rag"] and "fields of the task" in left["best_of_n"]


def test_beside_right_answers_the_grader_is_shown():
    grader = {"type": "string_check", "name": "g", "operation": "eq"}
    grader |= {"input": "{{sample.output_text}}", "reference": "{{item.reference}}"}
    questions = [pair(f"{n} and {n}?", str(2 * n)) for n in range(30)]
    choice = choose_for(Conversation, questions, None, MetricResources(), grader)
    assert choice.primary.name == "numeric" and [m.name for m in choice.secondary][-1] == "g"
    found = choice.measure(["0", "3"], questions[:2])
    assert found.scores == (1.0, 0.0) and found.figures["g"] == 0.5
    again = choose_for(Conversation, questions, None, MetricResources(), "numeric")
    assert [m.name for m in again.secondary].count("numeric") == 0, "once is enough"


def test_the_best_of_several_answers_is_a_rival_where_the_grader_needs_no_right_answer(tiny_folder, tmp_path):
    code = tmp_path / "mine.py"
    code.write_text(
        "def letters(answer, reference, record):\n    return len(set(answer) & set('aeiou')) / 5\n", "utf-8"
    )
    data = written(
        tmp_path / "tasks.jsonl", ({"messages": [{"role": "user", "content": q}]} for q, _, _, _ in rows(60))
    )
    recipe = small(
        tiny_folder,
        **{
            **LEARNS,
            "evaluation.arms": ["base", "prompted", "best_of_n", "fine_tuned"],
            "evaluation.own_code": True,
            "training.objective": "grpo",
            "training.grader": f"{code}:letters",
            "training.max_steps": 2,
            "training.samples": 4,
            "training.answer_tokens": 8,
        },
    )
    report, _ = finish(run(recipe, [data], tmp_path / "out"))
    arms = {a.name: a for a in report.arms}
    assert arms["best_of_n"].score > arms["prompted"].score + 0.05 and "8 answers" in arms["best_of_n"].note
    assert arms["best_of_n"].cost_per_1000 > 4 * arms["prompted"].cost_per_1000
    again, _ = finish(run(recipe, [data], tmp_path / "out"))
    assert [a.score for a in again.arms] == [a.score for a in report.arms]


def test_an_objective_that_does_not_learn_from_the_data_is_refused(tiny_folder, tmp_path, pairs):
    recipe = small(tiny_folder, **{**LEARNS, "training.objective": "reward"})
    with pytest.raises(UsageError, match="does not learn from"):
        finish(run(recipe, [pairs], tmp_path / "out"))
    assert len(load([pairs]).records) == 120


def test_pairs_judge_models_that_exist(tiny_folder, tmp_path, pairs):
    recipe = small(tiny_folder, **{**LEARNS, "evaluation.arms": ["base", "fine_tuned"]})
    report, _ = finish(run(recipe, [pairs], tmp_path / "out"))
    assert report.model is not None
    name = f"{report.model.name}@{report.model.version}"
    fresh = written(
        tmp_path / "fresh.jsonl", ({"prompt": q, "chosen": c, "rejected": r} for q, c, r, _ in list(rows(160))[120:])
    )
    wishes = merged(Recipe(), {"base": str(tiny_folder), "data.accept": ["too_little"]})
    found, _ = finish(evaluate(EvaluateRequest(wishes, [fresh], [name, str(tiny_folder)]), tmp_path / "again"))
    arms = {a.name: a.score for a in found.arms}
    assert arms[name] > 0.9 and found.task.metric == "reward_accuracy"
    assert found.verdict.recommendation == name or arms[name] > max(s for n, s in arms.items() if n != name)
    server = Server()

    server.plan = [kind_one] * 2000
    try:
        judged = merged(wishes, {"evaluation.judge": f"{server.url}#judge"})
        request = EvaluateRequest(judged, [fresh], [name, str(tiny_folder)])
        found, _ = finish(evaluate(request, tmp_path / "judged"))
    finally:
        server.stop()
    assert found.preferences is not None and found.preferences.agreement == 1.0
    rates = {r.arm: r for r in found.preferences.win_rates}
    assert (
        set(rates) == {name, f"prompted @ {tiny_folder.name}"}
        and rates[name].against.startswith("base @ ")
        and rates[name].n == 40
    )
    alone, _ = finish(evaluate(EvaluateRequest(wishes, [fresh], [name]), tmp_path / "alone"))
    assert [a.score for a in alone.arms] == [arms[name]], (
        "the base's likelihoods are asked for where no base is measured"
    )
