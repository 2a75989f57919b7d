"""The forecast covers what the curve then does, and says when it cannot know."""

from __future__ import annotations

import numpy as np
import pytest

from postgrad.decision.learning_curve import FEWEST_STEPS, affordable, curve_sentence, fit, steps_for
from postgrad.decision.wording import about

SIZES = (100, 200, 400)


def measured(generator, tests, floor, b, c, sizes=SIZES):
    """Right or wrong answers of the same test examples, each with its own difficulty, at every size."""
    difficulty = generator.random(tests)
    return {n: (difficulty > floor + b * n**-c).astype(float).tolist() for n in sizes}


@pytest.mark.parametrize(("floor", "b", "c"), [(0.0, 3.0, 0.4), (0.1, 5.0, 0.5), (0.3, 0.5, 0.1), (0.2, 0.0, 0.5)])
@pytest.mark.parametrize("tests", [100, 400])
def test_the_interval_covers_the_truth(floor, b, c, tests):
    generator = np.random.default_rng(tests)
    covered = 0
    for seed in range(60):
        found = fit(measured(generator, tests, floor, b, c), [800], seed)
        truth = 1 - (floor + b * 800**-c)
        covered += found.forecasts[0].low - 1e-9 <= truth <= found.forecasts[0].high + 1e-9
    assert covered >= 0.9 * 60


@pytest.mark.parametrize(("brought", "b", "c"), [(600, 40.0, 0.7), (400, 20.0, 0.6), (300, 30.0, 0.7)])
def test_what_a_model_brings_is_not_taken_for_a_flat_curve(brought, b, c):
    """Errors of b·(n0 + n)^-c fall the faster in logarithms the more examples there are: the plain law promises too
    little, and its interval held in 75 to 85 % of these."""
    generator, held = np.random.default_rng(2), 0
    truth = 1 - b * (brought + 1600) ** -c
    for seed in range(60):
        drawn = {n: generator.random(400) > b * (brought + n) ** -c for n in SIZES}
        found = fit({n: right.astype(float).tolist() for n, right in drawn.items()}, [1600], seed).forecasts[0]
        held += found.low <= truth <= found.high
    assert held >= 0.9 * 60


def test_farther_away_is_less_sure():
    scores = measured(np.random.default_rng(0), 300, 0.05, 4.0, 0.4)
    near, far = fit(scores, [800, 3200]).forecasts
    assert far.high - far.low > 0.8 * (near.high - near.low) and far.score >= near.score


def test_examples_of_one_group_count_once():
    """40 requests, each five times: the forecast is as unsure as with 40 examples, not as sure as with 200."""
    scores = measured(np.random.default_rng(3), 40, 0.05, 4.0, 0.4)
    fivefold = {n: list(np.repeat(row, 5)) for n, row in scores.items()}
    groups = np.repeat(np.arange(40), 5).tolist()

    def width(found):
        return found.forecasts[0].high - found.forecasts[0].low

    alone, together = width(fit(fivefold, [800])), width(fit(fivefold, [800], groups=groups))
    assert together == pytest.approx(width(fit(scores, [800])))
    assert together > 1.1 * alone
    apart = [None if g < 20 else f"customer {g}" for g in range(200)]
    assert fit(fivefold, [800], groups=apart) == fit(fivefold, [800])


def test_the_sentence_follows_the_evidence():
    generator = np.random.default_rng(1)
    flat = fit(measured(generator, 2000, 0.2, 0.0, 0.5, (25, 50, 100, 200, 400, 800)), [1600])
    assert "hardly help" in curve_sentence(flat, 0.02)
    three = fit(measured(generator, 2000, 0.2, 0.0, 0.5), [800])
    assert "cannot be said" in curve_sentence(three, 0.02), "three trainings do not show how much a seed moves"
    steep = fit(measured(generator, 2000, 0.0, 8.0, 0.5), [800])
    assert "worth collecting" in curve_sentence(steep, 0.02)
    few = fit(measured(generator, 20, 0.1, 1.0, 0.2), [800])
    assert "cannot be said" in curve_sentence(few, 0.02)


def test_it_is_said_how_many_examples_it_takes():
    """Errors of 8·n^-0.5: 0.4 with 400 examples, 0.35 with about 522."""
    steep = fit(measured(np.random.default_rng(1), 4000, 0.0, 8.0, 0.5), [800])
    assert steep.needed in (566, 673) and f"it takes about {about(steep.needed)} examples (400 now)" in curve_sentence(
        steep, 0.02
    )
    flat = fit(measured(np.random.default_rng(1), 4000, 0.2, 0.0, 0.5), [800])
    assert flat.needed is None and "Up to 6,400 examples do not bring 5 points more" in curve_sentence(flat, 0.02)
    top = fit({n: [1.0] * 97 + [0.0] * 3 for n in SIZES}, [800])
    assert "are enough" in curve_sentence(top, 0.02)


def test_a_curve_that_falls_means_an_unstable_training():
    """95, 97.5, 85 of 40 for 35, 70, 141 examples: no advice to collect more may follow from that."""
    table = {n: [1.0] * right + [0.0] * (40 - right) for n, right in ((35, 38), (70, 39), (141, 34))}
    found = fit(table, [282])
    assert found.fell == (70, 141)
    sentence = curve_sentence(found, 0.02)
    assert "not stable" in sentence and "from 98 with 70 to 85 with 141" in sentence and "collect" not in sentence
    chance = {n: [1.0] * right + [0.0] * (40 - right) for n, right in ((35, 30), (70, 34), (141, 33))}
    assert fit(chance, [282]).fell == ()
    assert not any(fit(measured(np.random.default_rng(seed), 100, 0.1, 3.0, 0.4), [800]).fell for seed in range(40))


@pytest.mark.parametrize(("floor", "b", "c"), [(0.0, 3.0, 0.4), (0.1, 5.0, 0.5), (0.2, 0.0, 0.5)])
@pytest.mark.parametrize("times", [2, 4])
def test_the_interval_covers_what_another_seed_does(floor, b, c, times):
    """Every training is moved by 3 points with its seed, the one that is forecast too."""
    generator, covered = np.random.default_rng(times), 0
    for seed in range(200):
        moved = {n: floor + b * n**-c + generator.normal(0, 0.03) for n in (*SIZES, times * 400)}
        difficulty = generator.random(150)
        scores = {n: (difficulty > moved[n]).astype(float).tolist() for n in SIZES}
        near = fit(scores, [times * 400], seed).forecasts[0]
        covered += near.low - 1e-9 <= min(1.0, 1 - moved[times * 400]) <= near.high + 1e-9
    assert covered >= 0.9 * 200


def test_one_size_is_no_curve():
    with pytest.raises(ValueError, match="two sizes"):
        fit({100: [1.0, 0.0]}, [200])


@pytest.mark.parametrize(("floor", "b", "c"), [(0.0, 3.0, 0.4), (0.1, 5.0, 0.5), (0.2, 0.0, 0.5)])
def test_two_sizes_are_honest_too(floor, b, c):
    """Where the time lasts for one share alone, the interval must be wide enough for it."""
    generator = np.random.default_rng(7)
    covered = 0
    for seed in range(150):
        found = fit(measured(generator, 100, floor, b, c, (100, 400)), [800], seed)
        truth = 1 - (floor + b * 800**-c)
        covered += found.forecasts[0].low - 1e-9 <= truth <= found.forecasts[0].high + 1e-9
    assert covered >= 0.9 * 150


def test_the_smallest_shares_are_afforded_first():
    costs = {0.25: 30.0, 0.5: 55.0}
    assert affordable([0.5, 0.25], costs, None) == [0.25, 0.5]
    assert affordable([0.5, 0.25], costs, 90) == [0.25, 0.5]
    assert affordable([0.5, 0.25], costs, 60) == [0.25]
    assert affordable([0.5, 0.25], costs, 10) == []


def test_steps_follow_the_size_with_a_floor():
    assert steps_for(0.25, 400) == 100 and steps_for(0.5, 400) == 200
    assert steps_for(0.25, 100) == FEWEST_STEPS and steps_for(0.25, 20) == 20
