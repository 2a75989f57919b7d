"""The rules that all verdicts share: the same scores ask for the same number of examples, whichever command asks."""

import numpy as np
import pytest

from postgrad.decision.change import judge_change
from postgrad.decision.contest import contest
from postgrad.decision.rules import (
    beats,
    believed,
    between,
    by_pair,
    clear,
    examples_to_exclude,
    examples_to_settle,
    likely_below,
)
from postgrad.decision.verdict import decide
from postgrad.evaluation.statistics.scores import compare, compare_arms, level, score_interval
from postgrad.measures import ArmResult, Comparison


def six_arms(seed: int = 3) -> list[ArmResult]:
    generator = np.random.default_rng(seed)
    shares = {"base": 0.1, "prompted": 0.3, "few_shot": 0.55, "optimised_prompt": 0.5, "rag": 0.5, "fine_tuned": 0.62}
    out = []
    for name, share in shares.items():
        scores = tuple(float(s) for s in generator.random(100) < share)
        out.append(
            ArmResult(name, scores, ("",) * 100, {}, 0, 0, 0, None, score_interval(scores), name == "fine_tuned")
        )
    return out


def test_run_and_evaluate_ask_for_the_same_number_of_examples():
    arms = six_arms()
    comparisons = compare_arms(arms)
    run, evaluate = decide(arms, comparisons), contest(arms, comparisons)
    assert run.recommendation == evaluate.recommendation == "cannot_tell"
    assert run.examples_needed == evaluate.examples_needed


def pair(difference=0.05, half=0.1, p=0.3, family=1, n=100):
    return Comparison("a", "b", difference, difference - half, difference + half, p, p, n, family)


@pytest.mark.parametrize("count", [examples_to_settle, examples_to_exclude])
def test_a_larger_family_needs_more_examples(count):
    alone, of_five = count(pair(), 0.02), count(pair(family=5), 0.02)
    assert 1.35 < of_five / alone < 1.55  # ((2.878 + 0.842) / (2.326 + 0.842)) ** 2; at 5 % ((2.576 …) / (1.96 …)) ** 2


def test_a_gain_is_believed_at_a_stricter_level_than_it_is_called_clear():
    seen = pair(0.1, 0.08, 0.03)
    assert clear(seen) and not believed(seen) and not beats(seen, 0.02)
    surer = pair(0.1, 0.08, 0.015)
    assert believed(surer) and beats(surer, 0.02) and not beats(surer, 0.11)


def test_what_a_gain_is_likely_below_by_simulation():
    """Of many samples with a true gain of 5 points one in five says that it is likely less."""
    generator = np.random.default_rng(1)
    said = 0
    for _ in range(600):
        first, second, _ = generator.multinomial(300, [0.15, 0.1, 0.75])
        scores = [1.0] * first + [0.0] * (300 - first), [0.0] * first + [1.0] * second + [0.0] * (300 - first - second)
        said += likely_below(compare(*scores)) < 0.05
    assert 0.16 < said / 600 < 0.24


def test_a_wider_interval_of_a_later_look_means_no_greater_spread():
    """Of the same scores, judged at the third look, as many examples settle it and as much is likely excluded."""
    a, b = [0.9, 0.5, 0.7, 0.3] * 25, [0.5, 0.6, 0.6, 0.2] * 25
    first, third = compare(a, b), compare(a, b, confidence=level(3))
    assert third.high > first.high and third.confidence == level(3)
    assert likely_below(third) == pytest.approx(likely_below(first), abs=0.002)
    for count in (examples_to_settle, examples_to_exclude):
        assert count(third, 0.2) == pytest.approx(count(first, 0.2), rel=0.05)


def test_families_are_those_of_the_correction():
    arms = six_arms()
    families = {(c.arm, c.against): c.family for c in compare_arms(arms)}
    assert families["fine_tuned", "base"] == 5 and families["prompted", "base"] == 10
    assert compare(arms[0].scores, arms[1].scores).family == 1


def test_a_difference_that_is_clear_but_small_asks_on_which_side_of_the_worth_it_lies():
    clear = pair(0.03, 0.02, 0.001)
    assert beats(clear, 0.02) and not beats(clear, 0.04)
    assert examples_to_settle(clear, 0.04) > examples_to_settle(clear, 0.09)


def test_a_comparison_runs_both_ways():
    table = by_pair([pair()])
    back = between(table, "b", "a")
    assert (back.difference, back.low, back.high) == pytest.approx((-0.05, -0.15, 0.05))
    with pytest.raises(ValueError, match="no comparison of 'a' and 'c'"):
        between(table, "a", "c")


def test_a_change_in_a_family_needs_the_correction_too():
    assert (
        judge_change(pair(-0.01, 0.1), 9).examples_needed < judge_change(pair(-0.01, 0.1, family=4), 9).examples_needed
    )
