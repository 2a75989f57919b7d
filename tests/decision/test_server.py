"""A machine rented by the month: cheaper answers save nothing there, fewer wrong ones do."""

from __future__ import annotations

import pytest

from postgrad.decision.money import Costs
from postgrad.decision.server import busy_hours, rented_sensitivity, rented_sentence, rents

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


def test_the_sentence_says_nothing_false_of_arms_elsewhere() -> None:
    told = rented_sentence({"a": 10.0, "b": 30.0}, 0.1, 100_000, elsewhere=True)
    assert "whichever of the models on it answers" in told and "whichever arm" not in told
    assert "against them the rent is a monthly cost" in told


def test_arms_without_a_language_model_need_no_machine() -> None:
    assert busy_hours({"nearest": 0.01, "fine_tuned": 0.01}, 0.1, 100_000).keys() == {"fine_tuned"}


def test_cheaper_answers_save_nothing_on_a_rented_machine() -> None:
    hours = busy_hours(PER_1000, 0.1, 100_000)
    (row,) = rented_sensitivity(COSTS, hours, 0.1, "fine_tuned", "rag")
    assert row.days is None
    dear = Costs(1.0, 0.0, COSTS.per_answer, 0.01, {"fine_tuned": 0.1, "rag": 0.3}, 100_000)
    (row,) = rented_sensitivity(dear, hours, 0.1, "fine_tuned", "rag")
    assert row.days == pytest.approx(500 / 100_000 * 30.4)


def test_against_a_remote_arm_the_rent_is_a_monthly_sum() -> None:
    """An H100 all month, 1,825 USD, against 10,000 answers at 0.03 USD: never. A machine for 73 USD: soon."""
    per_1000 = {"fine_tuned": 0.2, "remote:big": 30.0}
    costs = Costs(5.0, 0.0, {k: v / 1000 for k, v in per_1000.items()}, monthly_queries=10_000)
    hours = busy_hours(per_1000, 2.5, 10_000)
    assert rents(hours, 2.5) == {"fine_tuned": 1825.0}
    (row,) = rented_sensitivity(costs, hours, 2.5, "fine_tuned", "remote:big")
    assert row.days is None
    (row,) = rented_sensitivity(costs, busy_hours(per_1000, 0.1, 10_000), 0.1, "fine_tuned", "remote:big")
    assert row.days == pytest.approx(5 / (300 - 73) * 30.4)


def test_an_arm_that_fills_two_machines_pays_two() -> None:
    costs = Costs(73.0, 0.0, COSTS.per_answer, monthly_queries=100_000)
    (row,) = rented_sensitivity(costs, {"fine_tuned": 10, "rag": 800}, 0.1, "fine_tuned", "rag")
    assert row.days == pytest.approx(30.4)
    assert rented_sensitivity(costs, {}, 0.1, "fine_tuned", "rag") == []
