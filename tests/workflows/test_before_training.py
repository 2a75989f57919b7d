"""The verdict before training: it stops where nothing can be gained, and hardly ever where something could."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from postgrad.costs import MachinePrice
from postgrad.decision.before_training import ERROR, Earnings, Prospects, stop_before_training
from postgrad.decision.power import smallest_resolvable_difference
from postgrad.evaluation.statistics.scores import compare_arms, lower_limit, score_interval
from postgrad.measures import ArmResult, Verdict
from postgrad.models.language_model import LanguageModel
from postgrad.recipe import DecisionSection, Recipe
from postgrad.steps.context import Clock, RunContext
from postgrad.steps.fitting import before_training as before

NAMES = ("base", "prompted", "few_shot", "rag")


def arm(name: str, scores: np.ndarray, groups: list[int] | None = None) -> ArmResult:
    score = score_interval(scores, groups)
    return ArmResult(
        name, tuple(scores.tolist()), ("",) * len(scores), {}, 0, 0, 0, None, score, name.startswith("fine_tuned")
    )


def judged(
    arms: list[ArmResult], worth: float = 0.02, earnings: Earnings | None = None, groups: list[int] | None = None
) -> Verdict | None:
    """As the chapter asks."""
    n = len(arms[0].scores)
    perfect = arm("fine_tuned", np.ones(n), groups)
    best = max(arms, key=lambda a: a.score.value)
    low = lower_limit(best.scores, groups, ERROR / len(arms))
    return stop_before_training(
        Prospects(
            arms,
            compare_arms(arms, groups),
            perfect,
            compare_arms([*arms, perfect], groups),
            low,
            smallest_resolvable_difference(n),
            5 * n,
            worth,
            5000,
            earnings,
        )
    )


def hits(right: int, n: int) -> np.ndarray:
    return np.array([1.0] * right + [0.0] * (n - right))


def test_forty_examples_and_prompting_reaches_97_per_cent() -> None:
    found = judged([arm("base", hits(12, 40)), arm("prompted", hits(39, 40))])
    assert found and found.recommendation == "prompted"
    assert (
        "39 of 40" in found.sentence
        and "200 examples" in found.sentence
        and "not even a perfect model" in found.sentence
    )
    assert any("--train-anyway" in r and "decision.stop_early=false" in r for r in found.reasons)
    assert any("5,000 test examples" in r for r in found.reasons)


def test_no_room_is_left() -> None:
    found = judged([arm("base", hits(200, 1000)), arm("prompted", hits(999, 1000))])
    assert found and "less than the 2 points" in found.sentence


def test_a_constant_arm_that_is_always_right_leaves_nothing() -> None:
    found = judged([arm("base", hits(30, 30)), arm("prompted", hits(30, 30))])
    assert found and found.recommendation == "base" and any("Nothing is left to gain" in r for r in found.reasons)


@pytest.mark.parametrize("n", [1, 2, 6])
def test_fewer_than_seven_cannot_tell(n: int) -> None:
    found = judged([arm("base", hits(0, n)), arm("prompted", hits(n, n))])
    assert found and found.recommendation == "cannot_tell" and f"{n} to test on" in found.sentence


@pytest.mark.parametrize(("right", "n"), [(0, 7), (4, 10), (20, 40), (30, 40), (85, 100), (950, 1000)])
def test_it_goes_on_where_something_could_be_gained(right: int, n: int) -> None:
    assert judged([arm("base", hits(0, n)), arm("prompted", hits(right, n))]) is None


def test_money_stops_only_where_the_saving_cannot_pay() -> None:
    arms = [arm("base", hits(10, 100)), arm("prompted", hits(40, 100))]
    assert judged(arms, earnings=Earnings(10, 100, 24)) is None
    assert judged(arms, earnings=Earnings(3, 100, 24)) is None, "the estimate may be twice too high"
    found = judged(arms, earnings=Earnings(1, 100, 24))
    assert found and "100.00 USD" in found.sentence and "24 months" in found.sentence
    assert found.recommendation == "prompted"
    planned = judged(arms, earnings=Earnings(1, 100, 24, iterations=4))
    assert planned and "100.00 USD for 4 planned trainings" in planned.sentence


def test_money_counts_all_planned_trainings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(before, "_training_seconds", lambda *_: 3600.0)
    best = replace(arm("prompted", hits(40, 100)), cost_per_1000=1.0)
    context = cast(RunContext, SimpleNamespace(price=MachinePrice(2.0, ""), clock=Clock(0.0)))

    def training(iterations: int) -> float:
        decision = DecisionSection(monthly_queries=10, wrong_answer_cost=0.1, iterations=iterations)
        recipe = cast(Recipe, SimpleNamespace(decision=decision, training=None))
        found = before._earnings(context, recipe, cast(LanguageModel, None), [], best, 0.3)
        assert found and found.iterations == iterations
        return found.training

    assert training(1) == pytest.approx(2.0) and training(5) == pytest.approx(10.0)


@pytest.mark.parametrize("n", [8, 20, 100])
@pytest.mark.parametrize("count", [1, 4])
def test_it_hardly_ever_stops_wrongly(n: int, count: int) -> None:
    """The hardest truth: every arm is as good as it may be while a tuned model would gain the worth and what is
    resolvable."""
    truth = max(0.0, 1 - 0.02 - smallest_resolvable_difference(n))
    wrong = 0
    for seed in range(300):
        generator = np.random.default_rng(seed)
        arms = [arm(name, (generator.random(n) < truth).astype(float)) for name in NAMES[:count]]
        wrong += judged(arms) is not None
    assert wrong / 300 < ERROR


def test_it_hardly_ever_stops_wrongly_with_graded_scores_in_groups() -> None:
    wrong = 0
    for seed in range(60):
        generator = np.random.default_rng(seed)
        groups = np.repeat(np.arange(20), generator.integers(1, 9, 20))
        worse = 0.02 + smallest_resolvable_difference(len(groups))
        level = 1 - worse * generator.uniform(0, 2, 20)[groups]
        arms = [
            arm(name, np.clip(level + 0.05 * generator.normal(size=len(groups)), 0, 1), groups.tolist())
            for name in NAMES
        ]
        wrong += judged(arms, groups=groups.tolist()) is not None
    assert wrong / 60 < ERROR


def test_truths_at_random() -> None:
    wrong = gained = 0
    for seed in range(400):
        generator = np.random.default_rng(seed)
        n, truths = int(generator.integers(20, 200)), generator.beta(3, 2, 2)
        arms = [arm(NAMES[i], (generator.random(n) < t).astype(float)) for i, t in enumerate(truths)]
        could = 1 - truths.max() >= 0.02 + smallest_resolvable_difference(n)
        gained += could
        wrong += could and judged(arms) is not None
    assert gained > 50 and wrong / gained < ERROR
