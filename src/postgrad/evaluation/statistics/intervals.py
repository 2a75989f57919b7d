"""Intervals for a mean that stay honest where the textbook ones fail: few examples, few errors, clustered examples.

The mean of values v over independent units (an example, or a group of examples that belong together) is sum(s) / sum(c)
with s the unit's sum and c its size. A plain mean is the case c = 1. All are closed formulas: the same scores give the
same interval, without a seed. How they were chosen, and what simulation says of them, is in
`design/0003-statistics.md`. Legend: G units.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from postgrad.evaluation.statistics.unseen import Floats, likelihood_below, lowest, spread_tells_little
from postgrad.measures import wilson

Interval = tuple[float, float]

FEW_DEPARTURES = 5
"""Below so many units that differ from the commonest value, the spread seen says nothing of what a rare value would
do."""


@dataclass(frozen=True, slots=True)
class Units:
    """Sums and sizes of independent units, and the sum of all squared values (which tells spread within units
    apart)."""

    sums: Floats
    sizes: Floats
    squares: float

    @property
    def grouped(self) -> bool:
        return bool(np.any(self.sizes > 1))

    @property
    def mean(self) -> float:
        return float(self.sums.sum() / self.sizes.sum())


def units(values: Floats, groups: Sequence[Hashable] | None) -> Units:
    """The independent units; without groups each value is its own. A group None stands alone."""
    squares = float((values**2).sum())
    if groups is None:
        return Units(values, np.ones(len(values), dtype=np.float64), squares)
    if len(groups) != len(values):
        raise ValueError(f"{len(groups)} groups for {len(values)} values")
    number: dict[Hashable, int] = {}
    codes = np.array(
        [number.setdefault(("alone", i) if g is None else ("group", g), len(number)) for i, g in enumerate(groups)]
    )
    sums = np.bincount(codes, weights=values).astype(np.float64)
    return Units(sums, np.bincount(codes).astype(np.float64), squares)


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


def share_interval(units: Units, level: float) -> Interval:
    """Interval for a mean of values in [0, 1] that are graded or grouped.

    Wilson's interval with the effective number of examples, mean (1 - mean) / standard error², as survey samplers use
    it (Korn and Graubard 1998; Dean and Pagano 2015), and Student's quantile at the effective degrees of freedom. It
    keeps to the scale and leans to its middle, which the skewed scores of a good or a bad arm need. Widened where the
    spread seen tells little (`unseen`).
    """
    commonest, departures = _commonest(units)
    if departures < FEW_DEPARTURES:
        return _departure_interval(commonest, departures, len(units.sums), (0.0, 1.0), level)
    mean = min(max(units.mean, 0.0), 1.0)
    effective = mean * (1 - mean) / standard_error(units) ** 2
    found = wilson(mean * effective, effective, student(level, degrees_of_freedom(units)))
    return _with_unseen(found, units, (0.0, 1.0), level)


def difference_interval(units: Units, level: float, unseen: Interval = (-1.0, 1.0)) -> Interval:
    """Interval for a mean of paired differences in [-1, 1].

    Single examples: Student's t after Hall's transformation (1992), which takes out the skewness. Groups: Student's t
    on the jackknife error over groups at the effective degrees of freedom; skewness cannot be learned from a few
    groups. Widened where the spread seen tells little (`unseen`).

    Args:
        units: Sums of the differences.
        level: Two-sided.
        unseen: What a difference may be that no example shows.
    """
    commonest, departures = _commonest(units)
    if departures < FEW_DEPARTURES:
        return _departure_interval(commonest, departures, len(units.sums), (-1.0, 1.0), level)
    error, quantile = standard_error(units), student(level, degrees_of_freedom(units))
    skewness = 0.0 if units.grouped else _skewness(units.sums)
    low = units.mean - error * _unskewed(quantile, skewness, len(units.sums))
    high = units.mean - error * _unskewed(-quantile, skewness, len(units.sums))
    low, high = _with_unseen((low, high), units, unseen, level)
    return max(low, -1.0), min(high, 1.0)


def difference_p(units: Units, unseen: Interval = (-1.0, 1.0)) -> float:
    """The two-sided p-value that belongs to `difference_interval`: below an error exactly where the interval at that
    error excludes 0."""
    commonest, departures = _commonest(units)
    if departures < FEW_DEPARTURES:
        return _departure_p(commonest, departures, len(units.sums))
    from scipy.special import stdtr

    error, count = standard_error(units), len(units.sums)
    quantile = _skewed(units.mean / error, 0.0 if units.grouped else _skewness(units.sums), count)
    below = float(stdtr(degrees_of_freedom(units), -abs(quantile)))
    if _tells_little(units, unseen):
        below = max(below, _unseen_beyond_zero(units, unseen))
    return min(1.0, 2 * below)


def _with_unseen(found: Interval, units: Units, ends: Interval, level: float) -> Interval:
    """The interval, wider where the spread seen tells little."""
    if not _tells_little(units, ends):
        return found
    low, high, tail = *_ends(units, ends), (1 - level) / 2
    sums, sizes = units.sums, units.sizes
    return min(found[0], lowest(sums, sizes, low, tail)), max(found[1], -lowest(-sums, sizes, -high, tail))


def _unseen_beyond_zero(units: Units, ends: Interval) -> float:
    """How likely the mean lies on the other side of 0, with one more value at that end."""
    (low, high), sign = _ends(units, ends), math.copysign(1, units.mean)
    return likelihood_below(sign * units.sums, units.sizes, low if sign > 0 else -high, 0.0)


def _tells_little(units: Units, ends: Interval) -> bool:
    """Asked of single examples: the degrees of freedom of groups say already that a few of them carry the spread."""
    if units.grouped:
        return False
    low, high = _ends(units, ends)
    farthest = max(units.mean - low, high - units.mean)
    return spread_tells_little(units.sums - units.mean, farthest, standard_error(units))


def _ends(units: Units, ends: Interval) -> Interval:
    means = units.sums / units.sizes
    return min(ends[0], float(means.min())), max(ends[1], float(means.max()))


def standard_error(units: Units) -> float:
    """The jackknife's, leaving out one unit at a time: right for the mean, cautious for groups of unequal sizes
    (CR3)."""
    sums, sizes, count = units.sums, units.sizes, len(units.sums)
    left_out_G = (sums.sum() - sums) / (sizes.sum() - sizes)
    return math.sqrt((count - 1) / count * float(((left_out_G - units.mean) ** 2).sum()))


def degrees_of_freedom(units: Units) -> float:
    """How many independent squares the standard error rests on (Satterthwaite 1946; Bell and McCaffrey 2002).

    With groups of equal size G - 1; less where a few large groups carry the variance, by as much as members of a group
    are alike (the intraclass correlation, estimated by analysis of variance).
    """
    sizes = units.sizes
    if not units.grouped:
        return len(sizes) - 1
    likeness = _intraclass(units)
    variances = sizes**2 * (likeness + (1 - likeness) / sizes)
    return max(1.0, float(variances.sum() ** 2 / (variances**2).sum()) - 1)


def student(level: float, freedom: float) -> float:
    """Student's two-sided quantile."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + level) / 2))


def _intraclass(units: Units) -> float:
    sums, sizes, count, total = units.sums, units.sizes, len(units.sums), float(units.sizes.sum())
    within = max(0.0, units.squares - float((sums**2 / sizes).sum())) / max(1.0, total - count)
    between = float((sizes * (sums / sizes - units.mean) ** 2).sum()) / (count - 1)
    usual = (total - float((sizes**2).sum()) / total) / (count - 1)
    shared = max(0.0, (between - within) / usual)
    return shared / (shared + within) if shared + within > 0 else 1.0


def _skewness(values: Floats) -> float:
    """The sample's, with the usual correction for few values."""
    size, off = len(values), values - values.mean()
    spread = float((off**2).mean())
    plain = float((off**3).mean()) / spread**1.5 if spread > 0 else 0.0
    return plain * math.sqrt(size * (size - 1)) / (size - 2)


def _unskewed(quantile: float, skewness: float, size: int) -> float:
    """Where the studentised mean of skewed values has that quantile: the inverse of Hall's cubic."""
    pull = skewness / math.sqrt(size)
    if abs(pull) < 1e-9:
        return quantile
    return 3 / pull * (math.cbrt(1 + pull * (quantile - pull / 6)) - 1)


def _skewed(statistic: float, skewness: float, size: int) -> float:
    """Hall's cubic, the inverse of `_unskewed`: which quantile a studentised mean has."""
    pull = skewness / math.sqrt(size)
    if abs(pull) < 1e-9:
        return statistic
    return ((1 + pull * statistic / 3) ** 3 - 1) / pull + pull / 6


def _commonest(units: Units) -> tuple[float, int]:
    """The commonest of the units' means, and how many units differ from it."""
    means = units.sums / units.sizes
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


def _departure_p(commonest: float, departures: int, count: int) -> float:
    """At which error `_departure_interval` on the scale from -1 to 1 ends at 0."""
    from scipy.special import betainc

    if departures == count or commonest == 0:
        return 1.0
    share = abs(commonest) / (1 + abs(commonest))
    return min(1.0, 2 * (1 - float(betainc(departures + 1, count - departures, share))))
