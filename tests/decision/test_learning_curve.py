"""The forecast covers what the curve then does, and says when it cannot know."""

from __future__ import annotations

import numpy as np
import pytest

from postgrad.decision.learning_curve import curve_sentence, fit

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


def test_farther_away_is_less_sure():
    scores = measured(np.random.default_rng(0), 300, 0.05, 4.0, 0.4)
    near, far = fit(scores, [800, 3200]).forecasts
    assert far.high - far.low > 0.8 * (near.high - near.low) and far.score >= near.score


def test_the_sentence_follows_the_evidence():
    generator = np.random.default_rng(1)
    flat = fit(measured(generator, 2000, 0.2, 0.0, 0.5), [800])
    assert "hardly help" in curve_sentence(flat, 0.02)
    steep = fit(measured(generator, 2000, 0.0, 8.0, 0.5), [800])
    assert "worth collecting" in curve_sentence(steep, 0.02)
    few = fit(measured(generator, 20, 0.1, 3.0, 0.4), [800])
    assert "cannot be told" in curve_sentence(few, 0.02)


def test_one_size_is_no_curve():
    with pytest.raises(ValueError, match="two sizes"):
        fit({100: [1.0, 0.0]}, [200])
