"""By simulation: an interval of 95 % holds the truth about 95 times in 100, on the kinds of scores that arms produce.

Seeded, so that these are facts and not chances. Too short fails (below 92 %); needlessly long fails too (above 98.5 %),
except where nearly all scores are equal and the interval is wide on purpose.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from postgrad.evaluation.statistics import compare, score_interval

Draw = Callable[[np.random.Generator, int], np.ndarray]
REPEATS = 400


def right(share: float) -> Draw:
    return lambda g, n: (g.random(n) < share).astype(float)


SCORES: dict[str, tuple[Draw, float, float]] = {
    "right or wrong": (right(0.8), 0.8, 0.985),
    "graded": (lambda g, n: g.beta(5, 2, n), 5 / 7, 0.985),
    "mostly zero": (lambda g, n: (g.random(n) < 0.2) * g.random(n), 0.1, 0.99),
    "nearly all zero": (lambda g, n: (g.random(n) < 0.04) * g.random(n), 0.02, 1.0),
}


def covered(low: np.ndarray, high: np.ndarray, truth: float) -> float:
    return float(np.mean((low <= truth) & (truth <= high)))


@pytest.mark.parametrize("n", [30, 100])
@pytest.mark.parametrize("kind", SCORES)
def test_scores(kind: str, n: int) -> None:
    draw, truth, most = SCORES[kind]
    generator = np.random.default_rng(1)
    found = [score_interval(draw(generator, n), resamples=2000) for _ in range(REPEATS)]
    share = covered(np.array([s.low for s in found]), np.array([s.high for s in found]), truth)
    assert 0.92 <= share <= most, share


@pytest.mark.parametrize("n", [30, 100])
@pytest.mark.parametrize(("first", "second", "most"), [(0.3, 0.1, 0.985), (0.1, 0.05, 0.985), (0.02, 0.0, 1.0)])
def test_right_or_wrong_differences(first: float, second: float, most: float, n: int) -> None:
    """`first` and `second`: the shares of pairs where only the one, only the other arm is right.

    The interval depends on two counts alone, so each pair of counts is computed once and many draws are cheap.
    """
    generator = np.random.default_rng(2)
    drawn = Counter((int(b), int(c)) for b, c, _ in generator.multinomial(n, [first, second, 1 - first - second], 4000))
    held = 0
    for (b, c), times in drawn.items():
        rest = n - b - c
        found = compare([1] * b + [0] * c + [1] * rest, [0] * b + [1] * c + [1] * rest, resamples=2000)
        held += times * (found.low <= first - second <= found.high)
    assert 0.935 <= held / 4000 <= most, held / 4000


@pytest.mark.parametrize(("count", "most"), [(6, 1.0), (12, 0.985), (30, 0.985)])
def test_groups(count: int, most: float) -> None:
    """Of six groups two often have the same mean, and then the interval is wide on purpose."""
    generator = np.random.default_rng(3)
    found = []
    for _ in range(REPEATS):
        groups = np.repeat(np.arange(count), generator.integers(1, 10, count))
        values = generator.random(len(groups)) < generator.beta(3, 3, count)[groups]
        found.append(score_interval(values.astype(float), groups.tolist(), resamples=2000))
    share = covered(np.array([s.low for s in found]), np.array([s.high for s in found]), 0.5)
    assert 0.92 <= share <= most, share
