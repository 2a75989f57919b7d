"""Break-even: what is earned back, when, and on which assumption it hangs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postgrad.decision.money import Costs, break_even, sensitivity

COSTS = Costs(10.0, 40.0, {"fine_tuned": 0.001, "rag": 0.003, "base": 0.0005}, monthly_queries=30_400)


def test_the_investment_is_earned_back_by_cheaper_answers():
    (rag,) = break_even(COSTS, "fine_tuned", ["rag"])
    assert rag.saving_per_1000 == pytest.approx(2.0)
    assert rag.queries == 25_000 and rag.days == pytest.approx(25.0)


def test_a_cheaper_alternative_is_never_beaten_by_price_alone():
    (base,) = break_even(COSTS, "fine_tuned", ["base"])
    assert base.queries is None and base.days is None
    worth = replace(COSTS, wrong=0.05, errors={"base": 0.6, "fine_tuned": 0.1})
    (with_errors,) = break_even(worth, "fine_tuned", ["base"])
    assert with_errors.days is not None and with_errors.saving_per_1000 == pytest.approx(1000 * (0.05 * 0.5 - 0.0005))


def test_an_arm_without_a_price_is_left_out():
    assert break_even(COSTS, "fine_tuned", ["remote"]) == []


@given(st.floats(0, 1e4), st.floats(0, 1e4), st.floats(1e-6, 1), st.floats(1e-6, 1), st.integers(1, 10**7))
def test_after_the_break_even_the_money_is_back(training, work, ours, theirs, queries):
    costs = Costs(training, work, {"a": ours, "b": theirs}, monthly_queries=queries)
    (row,) = break_even(costs, "a", ["b"])
    if row.queries is not None:
        assert row.queries * (theirs - ours) >= costs.invested - 1e-6 * max(1, costs.invested)
    else:
        assert ours >= theirs


def test_the_table_says_which_assumption_matters():
    rows = {row.assumption: row.days for row in sensitivity(COSTS, "fine_tuned", "rag")}
    assert rows["half the traffic"] == pytest.approx(2 * rows["as assumed"])
    assert rows["twice the work on the data"] > rows["as assumed"] > rows["half the work on the data"]
    assert "half the cost of a wrong answer" not in rows
    assert sensitivity(replace(COSTS, monthly_queries=None), "fine_tuned", "rag") == []


def test_answers_bought_by_the_token_do_not_follow_the_price_of_machine_time():
    dear = Costs(
        10.0, 0.0, {"fine_tuned": 0.001, "remote": 0.003}, monthly_queries=30_400, bought=frozenset({"remote"})
    )
    days = {s.assumption: s.days for s in sensitivity(dear, "fine_tuned", "remote")}
    assert days["as assumed"] == pytest.approx(5.0)
    assert days["twice the price of machine time"] == pytest.approx(20.0)  # 20 USD at 0.001 USD saved an answer
