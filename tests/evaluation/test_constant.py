"""The commonest answer as a rival: found where answers recur, and named with the arms that do not beat it."""

from __future__ import annotations

import json

import pytest

from postgrad.evaluation.metrics.support.choose import choose_metric
from postgrad.evaluation.statistics.baselines import constant_answer, constant_baseline, strangers_score
from postgrad.measures import ArmResult, Score
from postgrad.records import Conversation, Message, Source


def records(answers: list[str]) -> list[Conversation]:
    return [
        Conversation(messages=(Message("user", f"Question {i}"), Message("assistant", a)), source=Source("f", i))
        for i, a in enumerate(answers)
    ]


def arm(name: str, scores: list[float], places: tuple[int, ...] = ()) -> ArmResult:
    return ArmResult(
        name, tuple(scores), ("",) * len(scores), {}, 0, 0, 0, None, Score(0, 0, 1, len(scores)), places=places
    )


def test_the_commonest_label_and_who_beats_it() -> None:
    rows = records(["a", "b", "a"] * 14)
    choice = choose_metric(rows)
    answer = constant_answer(choice, rows)
    assert answer == "a"
    arms = [arm("base", [0.0] * 42), arm("few_shot", [1.0] * 42), arm("rag", [1.0] * 3, (1, 4, 5))]
    found = constant_baseline(choice, answer, rows, arms, None)
    assert found.score.value == pytest.approx(28 / 42)
    assert found.unbeaten == ("base",) and found.unclear == ("rag",)
    assert "base model does not beat it" in found.sentence("labels") and "66.7 %" in found.sentence("labels")


def test_one_class_is_beaten_by_nobody() -> None:
    rows = records(["status"] * 20)
    found = constant_baseline(choose_metric(rows), "status", rows, [arm("base", [1.0] * 20)], None)
    assert found.score.value == 1.0 and found.unbeaten == ("base",)


def test_objects_take_the_commonest_value_of_each_key() -> None:
    rows = records([json.dumps({"kind": "order" if i % 4 else "other", "number": i}) for i in range(40)])
    answer = constant_answer(choose_metric(rows), rows)
    assert (
        answer is not None and json.loads(answer)["kind"] == "order" and set(json.loads(answer)) == {"kind", "number"}
    )


@pytest.mark.parametrize(
    "answers",
    [
        [str(1.5 * i) for i in range(40)],
        [f"A longer text that speaks of number {i} and of the street." for i in range(40)],
    ],
)
def test_answers_that_never_recur_have_no_such_rival(answers: list[str]) -> None:
    rows = records(answers)
    assert constant_answer(choose_metric(rows), rows) is None


def test_what_the_right_answer_to_another_request_scores() -> None:
    texts = records(
        [
            f"The {thing} stands in the {room} by the window."
            for thing in ("chair", "lamp")
            for room in ("hall", "attic", "den")
        ]
    )
    choice = choose_metric(texts, "chrf")
    assert 0.5 < strangers_score(choice, texts) < 0.95
    assert choice.measure([r.answer_text for r in texts], texts).scores == (1.0,) * 6
    same = records(["All the same."] * 6)
    assert strangers_score(choose_metric(same, "chrf"), same) == 0.0, "the same answer is no stranger's"
    labels = records(["yes", "no"] * 10)
    assert strangers_score(choose_metric(labels), labels) == 0.0
