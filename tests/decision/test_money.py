"""Break-even: what is earned back, when, and on which assumption it hangs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postgrad.decision.money import (
    BY_HAND,
    Costs,
    Labour,
    against_hand,
    break_even,
    forecast,
    priced_arm,
    sensitivity,
    unfit_because,
)
from tests.decision.test_verdict import arm

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
        assert ours >= theirs or ours == pytest.approx(theirs, rel=1e-8)


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


def test_the_corners_of_a_price_range():
    """10,000 queries a month at 0.03 USD, 2,000 to 5,000 once, 50 to 100 a month: 8 to 25 months."""
    rows = forecast(10_000, 0.03, 0.0, (2000, 5000), (50, 100))
    assert [row.months for row in rows] == [pytest.approx(m) for m in (8.0, 10.0, 20.0, 25.0)]
    (never,) = forecast(10_000, 0.03, 0.0, (2000,), (300,))
    assert never.months is None and never.monthly_saving == 0


def test_all_that_is_spent_once_is_invested():
    costs = replace(COSTS, iterations=3, evaluation=5.0, other=100.0)
    assert costs.invested == pytest.approx(3 * 10 + 40 + 5 + 100)


def test_monthly_costs_are_earned_first():
    costs = Costs(0.0, 2000.0, {"fine_tuned": 0.0, "remote": 0.03}, monthly_queries=10_000, monthly={"fine_tuned": 50})
    (row,) = break_even(costs, "fine_tuned", ["remote"])
    assert row.months == pytest.approx(8.0) and row.days == pytest.approx(8 * 30.4) and row.queries == 80_000
    assert row.saving_per_1000 == pytest.approx(30.0) and row.monthly_saving == pytest.approx(250.0)
    both = replace(costs, monthly={"fine_tuned": 50, "remote": 50})
    assert break_even(both, "fine_tuned", ["remote"])[0].monthly_saving == pytest.approx(300.0)
    (unknown,) = break_even(replace(costs, monthly_queries=None), "fine_tuned", ["remote"])
    assert unknown.queries is None, "how many answers a month must pay for the hosting is not known"
    days = {s.assumption: s.days for s in sensitivity(costs, "fine_tuned", "remote")}
    assert days["twice the monthly costs"] == pytest.approx(10 * 30.4)


def test_what_a_right_answer_costs():
    costs = Costs(0, 0, {"a": 0.01, "b": 0.01, "c": 0.01}, 0.5, {"a": 0.5, "b": 1.0}, 1000, monthly={"a": 10})
    assert costs.per_right("a") == pytest.approx((0.01 + 0.01) / 0.5) and costs.per_right("b") is None
    assert costs.paid_monthly("a") == pytest.approx(20) and costs.wrong_monthly("a") == pytest.approx(250)
    assert costs.wrong_monthly("c") is None and replace(costs, monthly_queries=None).paid_monthly("a") is None


def test_labour_is_saved_only_where_no_person_looks():
    costs = Costs(0.0, 900.0, {"fine_tuned": 0.001}, 2.0, monthly_queries=1000, monthly={"fine_tuned": 99})
    labour = Labour(per_answer=1.0, automated=0.6, wrong=0.05)
    (row,) = against_hand(costs, "fine_tuned", labour)
    assert labour.saved_monthly(1000) == pytest.approx(600) and row.against == BY_HAND
    assert row.monthly_saving == pytest.approx(600 - 1 - 99 - 1000 * 0.6 * 0.05 * 2)


def test_arms_that_do_not_do_the_task_are_no_rivals():
    arms = [arm("majority", 60), arm("base", 1, half=0.02), arm("prompted", 30), arm("rag", 45), arm("fine_tuned", 80)]
    found = unfit_because(arms)
    assert found.keys() == {"majority", "base", "prompted"}
    assert "half of the best" in found["prompted"] and "same" in found["majority"]


def test_the_recommended_arm_is_priced():
    arms = [arm("few_shot", 30), arm("fine_tuned", 80), arm("fine_tuned+rag", 79)]

    def name(word, **more):
        found = priced_arm(arms, word, **more)
        return found and found.name

    assert name("fine_tuned+rag") == "fine_tuned+rag" and name("fine_tune") == "fine_tuned"
    assert name("few_shot") == "few_shot" and name("cannot_tell") == "fine_tuned"
    assert name("cannot_tell", needs_documents=True) == "fine_tuned+rag"
    assert priced_arm(arms[:1], "cannot_tell") is None
