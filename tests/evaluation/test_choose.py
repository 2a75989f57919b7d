"""The metric follows from the answers, and the reason is said."""

from __future__ import annotations

import pytest

from postgrad.errors import UsageError
from postgrad.evaluation.metrics.choose import choose_metric
from postgrad.records import Text, pair


def records(answers: list[str]) -> list:
    return [pair(f"question {i}", answer) for i, answer in enumerate(answers)]


PROSE = "The chair was sent on Monday and should reach you by the end of the week, number"


@pytest.mark.parametrize(
    ("answers", "primary", "secondary", "kind"),
    [
        (
            [f'{{"intent": "x", "n": {i}}}' for i in range(30)],
            "json_match",
            ["json_fields", "json_valid"],
            "extraction",
        ),
        (["refund", "delivery", "Refund"] * 20, "label", [], "classification"),
        (["yes", "no", "yes", "yes"], "label", [], "classification"),
        ([f"model {i} of oak" for i in range(30)], "token_f1", ["exact_match"], "extraction"),
        ([str(i * 7) for i in range(30)], "numeric", ["exact_match"], "extraction"),
        ([f"{PROSE} {i}" for i in range(30)], "chrf", ["token_f1", "rouge_l"], "generation"),
        ([PROSE] * 30, "chrf", ["token_f1", "rouge_l"], "generation"),
    ],
)
def test_the_choice(answers: list[str], primary: str, secondary: list[str], kind: str) -> None:
    choice = choose_metric(records(answers))
    assert (choice.primary.name, [m.name for m in choice.secondary], choice.kind) == (primary, secondary, kind)
    assert choice.why.endswith(".")


def test_one_odd_answer_does_not_turn_objects_into_prose() -> None:
    answers = [f'{{"n": {i}}}' for i in range(40)] + ['{"n": 4']
    assert choose_metric(records(answers)).primary.name == "json_match"


def test_the_users_metric_leads_and_the_others_inform() -> None:
    choice = choose_metric(records([f"model {i} of oak" for i in range(30)]), "chrf")
    assert choice.primary.name == "chrf"
    assert [m.name for m in choice.secondary] == ["token_f1", "exact_match"]
    assert choice.kind == "extraction"


@pytest.mark.parametrize("metric", ["json_match", "numeric"])
def test_an_impossible_metric_is_refused_with_the_reason(metric: str) -> None:
    with pytest.raises(UsageError, match=f"{metric}.*30"):
        choose_metric(records(["refund", "delivery", "other"] * 10), metric)


def test_records_without_answers_are_refused() -> None:
    with pytest.raises(UsageError, match="None of the 1 records has a reference answer"):
        choose_metric([Text(text="once upon a time")])


def test_measure_gives_scores_and_every_figure() -> None:
    choice = choose_metric(records(["refund", "delivery"] * 10))
    scores, figures = choice.measure(["refund", "nonsense"], ["refund", "delivery"])
    assert scores == (1.0, 0.0)
    assert figures == {"label": 0.5, "macro_f1": 0.5, "unknown_answers": 0.5}
    assert choice.measure([], []) == ((), {})
