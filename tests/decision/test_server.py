"""A machine rented by the month: cheaper answers save nothing there, fewer wrong ones do."""

from __future__ import annotations

import pytest

from postgrad.decision.money import Costs
from postgrad.decision.server import busy_hours, rented_sensitivity, rented_sentence

PER_1000 = {"fine_tuned": 0.01, "rag": 0.03, "remote:big": 5.0}
COSTS = Costs(1.0, 0.0, {k: v / 1000 for k, v in PER_1000.items()}, monthly_queries=100_000)


def test_hours_are_price_over_price() -> None:
    hours = busy_hours(PER_1000, 0.1, 100_000)
    assert hours == pytest.approx({"fine_tuned": 10.0, "rag": 30.0})
    assert busy_hours(PER_1000, 0.1, None) == {} == busy_hours(PER_1000, 0.0, 100_000)


def test_the_sentence_has_both_prices() -> None:
    told = rented_sentence({"a": 10.0, "b": 30.0}, 0.1, 100_000)
    assert "10.0 to 30.0 of 730 hours" in told and "73.00 USD" in told and "whichever arm" in told
    assert "needs 2 of them" in rented_sentence({"a": 10.0, "b": 1000.0}, 0.1, 100_000)


def test_cheaper_answers_save_nothing_on_a_rented_machine() -> None:
    hours = busy_hours(PER_1000, 0.1, 100_000)
    (row,) = rented_sensitivity(COSTS, hours, "fine_tuned", "rag")
    assert row.days is None
    dear = Costs(1.0, 0.0, COSTS.per_answer, 0.01, {"fine_tuned": 0.1, "rag": 0.3}, 100_000)
    (row,) = rented_sensitivity(dear, hours, "fine_tuned", "rag")
    assert row.days == pytest.approx(500 / 100_000 * 30.4)


def test_a_full_machine_or_a_remote_arm_is_no_such_case() -> None:
    assert rented_sensitivity(COSTS, {"fine_tuned": 10, "rag": 800}, "fine_tuned", "rag") == []
    assert rented_sensitivity(COSTS, busy_hours(PER_1000, 0.1, 100_000), "fine_tuned", "remote:big") == []
