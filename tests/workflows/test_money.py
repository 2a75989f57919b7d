"""The money of a run's report: whose it is, against whom it is earned back, and what a month costs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from postgrad.costs import MachinePrice
from postgrad.errors import UsageError
from postgrad.measures import Verdict
from postgrad.recipe import DecisionSection, make_recipe
from postgrad.report.money_parts import CostPart
from postgrad.report.run_report import AutomationPart
from postgrad.steps.reporting.money import budget_of, cost_part
from tests.decision.test_verdict import arm

PRICE = MachinePrice(0.1, "Machine time at 0.1 USD an hour, as given.")
ARMS = [
    arm("majority", 50, cost=0.0),
    arm("base", 1, half=0.02, cost=0.01),
    arm("prompted", 20, cost=0.01),
    arm("few_shot", 60, cost=0.04),
    arm("remote:big", 70, cost=30.0),
    arm("fine_tuned", 80, cost=0.01),
    arm("fine_tuned+rag", 90, cost=0.06),
]


def money(recommendation: str, arms=ARMS, automated: AutomationPart | None = None, **settings: object) -> CostPart:
    wishes = DecisionSection.model_validate({"monthly_queries": 10_000, **settings})
    return cost_part(wishes, PRICE, arms, Verdict(recommendation, ""), 3600.0, automated)


def test_the_recommended_arm_is_the_one_priced():
    with_retrieval, without = money("fine_tuned+rag"), money("fine_tune")
    assert with_retrieval.priced == "fine_tuned+rag" and without.priced == "fine_tuned"
    rows = {row.against: row for row in with_retrieval.break_even}
    assert rows["few_shot"].queries is None, "few-shot prompting answers more cheaply than it"
    assert {row.against: row.queries for row in without.break_even}["few_shot"] > 0


def test_only_arms_that_do_the_task_are_rivals():
    report = money("fine_tune")
    assert [row.against for row in report.break_even] == ["remote:big", "few_shot"]
    said = next(line for line in report.assumptions if line.startswith("No break-even against"))
    assert "majority" in said and "base" in said and "prompted, which scores less than half" in said
    assert {row.arm for row in report.by_arm if row.unfit} == {"majority", "base", "prompted"}


def test_nothing_is_earned_back_with_a_model_that_does_nothing():
    arms = [arm("base", 0, 60, half=0.03, cost=0.02), arm("fine_tuned", 1, 60, half=0.03, cost=0.01)]
    report = money("cannot_tell", arms)
    assert report.break_even == [] and report.break_even_days is None
    assert any("Nothing is earned back with the tuned model" in line for line in report.assumptions)


def test_where_no_training_is_recommended_none_is_earned_back():
    report = money("few_shot", data_hours=2, hourly_rate=50)
    assert report.priced == "few_shot" and report.break_even == [] and report.training == pytest.approx(0.1)
    assert report.once["training"] == 0 and report.once["data_work"] == 100
    assert any("No training is recommended" in line for line in report.assumptions)
    undecided = money("cannot_tell")
    assert undecided.priced == "fine_tuned+rag" and any("Nothing is recommended" in a for a in undecided.assumptions)


def test_hosting_is_paid_by_the_month_and_a_remote_model_needs_none():
    report = money("fine_tune", hosting_monthly=60, maintenance_monthly=25, monitoring_monthly=15, one_off=1840)
    rows = {row.arm: row for row in report.by_arm}
    assert rows["fine_tuned"].monthly == pytest.approx(100) and rows["fine_tuned"].per_answer == 0
    assert rows["few_shot"].monthly == pytest.approx(75) and rows["remote:big"].monthly == pytest.approx(315)
    assert rows["majority"].monthly == pytest.approx(15), "it needs no machine for a language model"
    assert rows["fine_tuned"].per_right == pytest.approx(0.01 / 0.8)
    assert report.monthly == {"answers": 0, "hosting": 60, "maintenance": 25, "monitoring": 15}
    remote = report.break_even[0]
    assert remote.monthly_saving == pytest.approx(215) and remote.months == pytest.approx(
        sum(report.once.values()) / 215
    )
    assert report.break_even[1].months is None, "few-shot prompting is hosted alike, and needs no retraining"
    assert not any("Rented by the month" in line for line in report.assumptions)


def test_without_a_price_of_hosting_the_rent_is_said_truly():
    report = money("fine_tune", price_per_hour=2.5)
    said = next(line for line in report.assumptions if "Rented by the month" in line)
    assert "whichever arm answers" not in said and "Remote models" in said
    days = dict(report.sensitivity)
    assert days["machine rented by the month, idle or not"] == pytest.approx(
        sum(report.once.values()) / (300 - 73) * 30.4
    )


def test_trainings_and_evaluation_are_spent_once():
    report = money("fine_tune", iterations=3, one_off=50)
    answers = sum(a.cost_per_1000 / 1000 * 100 for a in ARMS)
    assert report.once == {
        "data_work": 0,
        "training": pytest.approx(0.3),
        "evaluation": pytest.approx(answers),
        "other": 50,
    }
    assert report.break_even[0].months == pytest.approx(sum(report.once.values()) / report.break_even[0].monthly_saving)


def rate(name: str, threshold: float | None) -> AutomationPart:
    return AutomationPart(
        arm=name,
        target_accuracy=0.95,
        failure=0.1,
        threshold=threshold,
        coverage=0.6,
        coverage_interval=(0.5, 0.7),
        accuracy=0.95,
        calibration=100,
        needed=46,
        sentence="",
    )


def test_labour_is_saved_as_far_as_it_is_certified():
    given = {"minutes_saved_per_answer": 3, "labour_rate": 20}
    report = money("fine_tune", automated=rate("fine_tuned", 0.9), **given)
    assert report.labour_saved_monthly == pytest.approx(10_000 * 0.6 * 1.0)
    assert report.break_even[-1].against == "answered by hand"
    assert report.break_even[-1].monthly_saving == pytest.approx(6000 - 0.1)
    assert report.break_even_days == report.break_even[0].days, "the headline stays that against the best other arm"
    for unknown in (None, rate("fine_tuned", None), rate("fine_tuned+rag", 0.9)):
        report = money("fine_tune", automated=unknown, **given)
        assert report.labour_saved_monthly is None and any("No labour is counted" in a for a in report.assumptions)


def test_a_budget_has_the_monthly_costs_in_it():
    wishes = DecisionSection(monthly_queries=10_000, monthly_budget=100, hosting_monthly=90, maintenance_monthly=20)
    budget = budget_of(wishes, ARMS)
    assert budget.too_dear("fine_tuned") and not budget.too_dear("few_shot") and budget.too_dear("remote:big")
    assert budget_of(wishes, [replace(ARMS[3], cost_per_1000=None)]).costs == {}


def test_half_of_what_labour_costs_is_refused():
    with pytest.raises(UsageError, match="go together"):
        make_recipe({"decision": {"labour_rate": 20}})


def test_what_a_service_would_take_for_the_same_training_and_answers_is_said():
    def said(recommendation, tokens):
        part = cost_part(DecisionSection(), PRICE, ARMS, Verdict(recommendation, ""), 3600.0, trained_tokens=tokens)
        return next((line for line in part.assumptions if "Services train" in line), None)

    line = said("fine_tune", 2_000_000)
    assert line and "6 USD at OpenAI gpt-4o-mini" in line and "1 USD at Fireworks" in line and "2026-04-06" in line
    tuned = next(a for a in ARMS if a.name == "fine_tuned")
    asked = (0.3 * tuned.prompt_tokens_mean + 1.2 * tuned.completion_tokens_mean) / 1000
    assert f"1,000 such answers then cost {asked:.2g} USD" in line
    assert said("few_shot", 2_000_000) is None and said("fine_tune", 0) is None
