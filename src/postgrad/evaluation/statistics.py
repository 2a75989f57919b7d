"""How sure are we: the interval of a score, the paired comparison of two arms, and the test for forgetting.

Every function is deterministic: the same values and seed give the same figures. The methods and their reasons are in
`design/0003-statistics.md`; the intervals themselves in `intervals`, the p-values in `significance`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postgrad.evaluation.intervals import Floats, Interval, mean_interval, tango, units, wilson
from postgrad.evaluation.significance import beyond_margin, holm, mcnemar, sign_flip
from postgrad.measures import ArmResult, Comparison, Forgetting, ForgettingVerdict, Score

CONFIDENCE = 0.95
RESAMPLES = 4000
FEW_DISCORDANT = 20
"""Below so many pairs that differ, a right-or-wrong difference gets Tango's score interval, not the bootstrap."""

Groups = Sequence[Hashable] | None
Values = Sequence[float] | NDArray[Any]


def score_interval(values: Values, groups: Groups = None, seed: int = 0, *, resamples: int = RESAMPLES) -> Score:
    """The mean of scores in [0, 1] with its 95 % interval.

    Wilson for right-or-wrong values, BCa bootstrap for others, the bootstrap of whole groups where groups are given.

    Args:
        values: One score an example.
        groups: For each example the group that it belongs to (a customer, a document), or None for none.
        seed: Of the bootstrap.
        resamples: Of the bootstrap.

    Raises:
        ValueError: No values, or values outside [0, 1].
    """
    array, groups = _checked(values), _shared(groups)
    if groups is None and _right_or_wrong(array):
        low, high = wilson(int(array.sum()), len(array), _z())
    else:
        sums, counts = units(array, groups)
        low, high = mean_interval(sums, counts, (0.0, 1.0), level=CONFIDENCE, seed=seed, resamples=resamples)
    return Score(float(array.mean()), low, high, len(array))


def compare(
    a: Values,
    b: Values,
    groups: Groups = None,
    *,
    arm: str = "",
    against: str = "",
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Comparison:
    """How much better `a` is than `b`, example by example.

    Interval: BCa bootstrap of the paired differences (of whole groups where given); Tango's score interval for
    right-or-wrong scores of which fewer than 20 pairs differ. P-value: McNemar's exact test for right-or-wrong scores,
    sign flips otherwise, and sign flips of whole groups where groups are given. `p_adjusted` is the p-value itself:
    `compare_arms` corrects families.

    Raises:
        ValueError: Lengths differ, no values, or values outside [0, 1].
    """
    (left, right), groups = _paired(a, b), _shared(groups)
    low, high = _difference_interval(left, right, groups, seed, resamples)
    if groups is None and _right_or_wrong(left) and _right_or_wrong(right):
        p_value = mcnemar(*_discordant(left, right))
    else:
        p_value = sign_flip(units(left - right, groups)[0], seed=seed)
    return Comparison(arm, against, float((left - right).mean()), low, high, p_value, p_value, len(left))


def compare_arms(
    arms: Sequence[ArmResult], groups: Groups = None, *, seed: int = 0, resamples: int = RESAMPLES
) -> tuple[Comparison, ...]:
    """All comparisons that the verdict needs, Holm-corrected within two families.

    The first family answers "is training worth it": each trained arm against each untrained one and against each other
    trained one. The second, untrained arms among themselves, only breaks ties and must not weaken the first. The later
    arm of the sequence is compared against the earlier where both are of a kind.
    """

    def one(x: ArmResult, y: ArmResult) -> Comparison:
        return compare(x.scores, y.scores, groups, arm=x.name, against=y.name, seed=seed, resamples=resamples)

    trained = [a for a in arms if a.requires_training]
    untrained = [a for a in arms if not a.requires_training]
    first = [one(x, y) for x in trained for y in untrained] + [one(y, x) for x, y in combinations(trained, 2)]
    second = [one(y, x) for x, y in combinations(untrained, 2)]
    return (*_corrected(first), *_corrected(second))


def noninferiority(
    base_correct: Values,
    tuned_correct: Values,
    margin: float = 0.02,
    *,
    name: str = "",
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Forgetting:
    """Whether tuning cost general ability, paired by item.

    `kept` if the interval of (tuned minus base) has its lower end above -margin, `lost` if its upper end is below
    -margin, else `cannot_tell`.
    """
    tuned, base = _paired(tuned_correct, base_correct)
    low, high = _difference_interval(tuned, base, None, seed, resamples)
    verdict: ForgettingVerdict = "kept" if low > -margin else "lost" if high < -margin else "cannot_tell"
    difference, p_lost = float((tuned - base).mean()), beyond_margin(tuned, base, margin)
    return Forgetting(
        name, len(base), float(base.mean()), float(tuned.mean()), difference, low, high, verdict, margin, p_lost
    )


def _difference_interval(left: Floats, right: Floats, groups: Groups, seed: int, resamples: int) -> Interval:
    if groups is None and _right_or_wrong(left) and _right_or_wrong(right):
        first_only, second_only = _discordant(left, right)
        if first_only + second_only < FEW_DISCORDANT:
            return tango(first_only, second_only, len(left), _z())
    sums, counts = units(left - right, groups)
    return mean_interval(sums, counts, (-1.0, 1.0), level=CONFIDENCE, seed=seed, resamples=resamples)


def _discordant(left: Floats, right: Floats) -> tuple[int, int]:
    return int(np.count_nonzero(left > right)), int(np.count_nonzero(left < right))


def _corrected(family: Sequence[Comparison]) -> list[Comparison]:
    adjusted = holm([c.p_value for c in family])
    return [replace(c, p_adjusted=p) for c, p in zip(family, adjusted, strict=True)]


def _paired(a: Values, b: Values) -> tuple[Floats, Floats]:
    if len(a) != len(b):
        raise ValueError(f"paired scores must run in parallel: {len(a)} against {len(b)}")
    return _checked(a), _checked(b)


def _shared(groups: Groups) -> Groups:
    """The groups, or None where no two examples share one: then the exact methods apply."""
    members = [g for g in groups or () if g is not None]
    return groups if len(set(members)) < len(members) else None


def _checked(values: Values) -> Floats:
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or len(array) == 0:
        raise ValueError("no scores to compute an interval from")
    if not bool(np.all((array >= 0) & (array <= 1))):  # NaN fails too
        raise ValueError("scores must lie in [0, 1]")
    return array


def _right_or_wrong(array: Floats) -> bool:
    return bool(np.all((array == 0) | (array == 1)))


def _z() -> float:
    from scipy.special import ndtri

    return float(ndtri((1 + CONFIDENCE) / 2))
