"""Intervals for a mean that stay honest where the textbook ones fail: few examples, few errors, clustered examples.

The mean of values v over independent units (an example, or a group of examples that belong together) is sum(s) / sum(c)
with s the unit's sum and c its size. A plain mean is the case c = 1.
Legend: G units, R resamples, n examples.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Interval = tuple[float, float]

FEW_UNITS = 10
"""Below so many units the bootstrap has too few values to draw from: Student's t on units instead."""
FEW_DEPARTURES = 5
"""Below so many units that differ from the commonest value, resampling cannot show what a rare value would do."""
_DRAWS_AT_ONCE = 2_000_000


def units(values: Floats, groups: Sequence[Hashable] | None) -> tuple[Floats, Floats]:
    """Sums_G and counts_G of the independent units; without groups each value is its own. A group None stands alone."""
    if groups is None:
        return values, np.ones(len(values), dtype=np.float64)
    if len(groups) != len(values):
        raise ValueError(f"{len(groups)} groups for {len(values)} values")
    number: dict[Hashable, int] = {}
    codes = np.array(
        [number.setdefault(("alone", i) if g is None else ("group", g), len(number)) for i, g in enumerate(groups)]
    )
    return np.bincount(codes, weights=values).astype(np.float64), np.bincount(codes).astype(np.float64)


def wilson(hits: int, n: int, z: float) -> Interval:
    """Wilson's score interval (1927) for a share; never empty, never outside [0, 1]."""
    share = hits / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (0.0 if hits == 0 else middle - half, 1.0 if hits == n else middle + half)


def tango(first_only: int, second_only: int, n: int, z: float) -> Interval:
    """Tango's score interval (1998) for the difference of two paired shares, first minus second.

    Args:
        first_only: Pairs where only the first is right.
        second_only: Pairs where only the second is.
        n: All pairs.
        z: Normal quantile of the confidence.
    """

    def statistic(delta: float) -> float:
        return tango_statistic(first_only, second_only, n, delta)

    estimate, edge = (first_only - second_only) / n, 1 - 1e-9
    low = _falling_root(lambda d: statistic(d) - z, -edge, estimate) if first_only - second_only > -n else -1.0
    high = _falling_root(lambda d: statistic(d) + z, estimate, edge) if first_only - second_only < n else 1.0
    return low, high


def tango_statistic(first_only: int, second_only: int, n: int, delta: float) -> float:
    """Tango's score statistic, about standard normal where the true difference is `delta`."""
    q = tango_nuisance(first_only, second_only, n, delta)
    variance = n * (2 * q + delta * (1 - delta))
    return (first_only - second_only - n * delta) / math.sqrt(max(variance, 1e-300))


def tango_nuisance(first_only: int, second_only: int, n: int, delta: float) -> float:
    """The likeliest probability of "only the second is right", given that the difference is `delta`."""
    linear = -first_only - second_only + (2 * n - first_only + second_only) * delta
    constant = -second_only * delta * (1 - delta)
    return (math.sqrt(max(linear * linear - 8 * n * constant, 0.0)) - linear) / (4 * n)


def _falling_root(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function crosses 0 between `low` and `high`, by halving."""
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) > 0 else (low, middle)
    return (low + high) / 2


def mean_interval(
    sums: Floats, counts: Floats, bounds: Interval, *, level: float, seed: int, resamples: int
) -> Interval:
    """Interval for sum(sums) / sum(counts) whose values lie within `bounds`.

    BCa bootstrap over units, widened to Student's quantile (Hesterberg, 2015: the plain one is too short by
    sqrt((G-1)/G) and by normal instead of t). Two exceptions, see `FEW_UNITS` and `FEW_DEPARTURES`.
    """
    commonest, departures = _commonest(sums / counts)
    if departures < FEW_DEPARTURES:
        return _departure_interval(commonest, departures, len(sums), bounds, level)
    if len(sums) < FEW_UNITS:
        low, high = _t_interval(sums, counts, level)
    else:
        low, high = bca(sums, counts, level=student_level(level, len(sums)), seed=seed, resamples=resamples)
    return max(low, bounds[0]), min(high, bounds[1])


def student_level(level: float, count: int) -> float:
    """The confidence at which a bootstrap of `count` units is as long as Student's t at `level`."""
    from scipy.stats import norm, t

    return float(1 - 2 * norm.cdf(math.sqrt(count / (count - 1)) * t.ppf((1 - level) / 2, count - 1)))


def bca(sums: Floats, counts: Floats, *, level: float, seed: int, resamples: int) -> Interval:
    """Efron's bias-corrected and accelerated bootstrap (1987) for sum(sums) / sum(counts), resampling units."""
    from scipy.special import ndtr, ndtri

    observed = sums.sum() / counts.sum()
    drawn_R = resampled_means(sums, counts, seed=seed, resamples=resamples)
    below = (np.count_nonzero(drawn_R < observed) + np.count_nonzero(drawn_R <= observed)) / (2 * resamples)
    bias = float(ndtri(min(max(below, 0.5 / resamples), 1 - 0.5 / resamples)))
    left_out_G = (sums.sum() - sums) / (counts.sum() - counts)
    pull_G = left_out_G.mean() - left_out_G
    spread = float((pull_G**2).sum())
    acceleration = float((pull_G**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0
    ends = []
    for tail in ((1 - level) / 2, (1 + level) / 2):
        shifted = bias + float(ndtri(tail))
        room = 1 - acceleration * shifted
        # Where the correction has no solution the far end of the resamples is the honest answer.
        ends.append(float(ndtr(bias + shifted / room)) if room > 0 else round(tail))
    low, high = np.quantile(drawn_R, ends)
    return float(low), float(high)


def resampled_means(sums: Floats, counts: Floats, *, seed: int, resamples: int) -> Floats:
    """means_R of units drawn with replacement, in pieces that keep memory bounded."""
    generator = np.random.default_rng(seed)
    size = len(sums)
    step = max(1, _DRAWS_AT_ONCE // size)
    means = np.empty(resamples)
    for start in range(0, resamples, step):
        picks = generator.integers(0, size, (min(step, resamples - start), size), dtype=np.int64)
        means[start : start + len(picks)] = sums[picks].sum(axis=1) / counts[picks].sum(axis=1)
    return means


def _commonest(means: Floats) -> tuple[float, int]:
    """The commonest of the units' means, and how many units differ from it."""
    value, times = Counter(np.round(means, 12).tolist()).most_common(1)[0]
    return float(value), len(means) - times


def _departure_interval(commonest: float, departures: int, count: int, bounds: Interval, level: float) -> Interval:
    """What the mean can be if as many units depart from the commonest value as is compatible with `departures`.

    Clopper and Pearson's upper limit on the share of departing units, each as far off as the scale allows: after 30
    equal values the share may still be 12 %. Wide on purpose.
    """
    from scipy.stats import beta

    share = float(beta.ppf((1 + level) / 2, departures + 1, count - departures)) if departures < count else 1.0
    low, high = bounds
    return commonest + share * (low - commonest), commonest + share * (high - commonest)


def _t_interval(sums: Floats, counts: Floats, level: float) -> Interval:
    """Student's t on the linearised ratio of a few units."""
    from scipy.stats import t

    count, mean = len(sums), sums.sum() / counts.sum()
    residuals = sums - mean * counts
    error = math.sqrt(count / (count - 1) * float((residuals**2).sum())) / counts.sum()
    half = float(t.ppf((1 + level) / 2, count - 1)) * error
    return float(mean - half), float(mean + half)
