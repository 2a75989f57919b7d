"""How sure are we: the interval of a score, the paired comparison of two arms, and the test for forgetting.

Every function is deterministic: the same values and seed give the same figures. The methods and their reasons are in
`design/0003-statistics.md`; the intervals themselves in `intervals`, the p-values in `significance`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TypeAlias

import numpy as np

from postgrad.evaluation.statistics.further_looks import strictness
from postgrad.evaluation.statistics.intervals import (
    Floats,
    Interval,
    difference_interval,
    difference_p,
    share_interval,
    tango,
    units,
)
from postgrad.evaluation.statistics.significance import beyond_margin, holm, mcnemar, sign_flip
from postgrad.measures import ArmResult, Comparison, Forgetting, ForgettingVerdict, Score, wilson

CONFIDENCE = 0.95

Groups: TypeAlias = Sequence[Hashable] | None
ScoreValues: TypeAlias = Sequence[float] | Floats


def score_interval(values: ScoreValues, groups: Groups = None, confidence: float = CONFIDENCE) -> Score:
    """The mean of scores in [0, 1] with its interval, of 95 % unless told otherwise.

    Wilson for right-or-wrong values; the same with the effective number of examples for graded or grouped ones.

    Args:
        values: One score an example.
        groups: For each example the group that it belongs to (a customer, a document), or None for none.
        confidence: Two-sided.

    Raises:
        ValueError: No values, or values outside [0, 1].
    """
    array, groups = _checked(values), _shared(groups)
    if groups is None and _right_or_wrong(array):
        low, high = wilson(int(array.sum()), len(array), _z(confidence))
    else:
        low, high = share_interval(units(array, groups), confidence)
    return Score(float(array.mean()), low, high, len(array))


def lower_limit(values: ScoreValues, groups: Groups, error: float) -> float:
    """What the true mean of scores in [0, 1] lies above, except with probability `error`.

    Clopper and Pearson's exact limit for right-or-wrong values, where Wilson's would be too high on a dozen of them;
    else the lower end of `score_interval`.
    """
    array, groups = _checked(values), _shared(groups)
    if groups is not None or not _right_or_wrong(array):
        return score_interval(values, groups, 1 - 2 * error).low
    from scipy.special import betaincinv

    hits = int(array.sum())
    return float(betaincinv(hits, len(array) - hits + 1, error)) if hits else 0.0


def compare(
    a: ScoreValues,
    b: ScoreValues,
    groups: Groups = None,
    *,
    arm: str = "",
    against: str = "",
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> Comparison:
    """How much better `a` is than `b`, example by example.

    Interval: Tango's score interval for right-or-wrong scores; for graded or grouped ones Student's t on the
    differences, corrected for skewness or for groups. P-value: McNemar's exact test for right-or-wrong scores, sign
    flips otherwise, and sign flips of whole groups where groups are given (`seed` is theirs), which are never believed
    above the interval: the p-value of the interval is the least that is said. `p_adjusted` is the p-value itself:
    `compare_arms` corrects families.

    Raises:
        ValueError: Lengths differ, no values, or values outside [0, 1].
    """
    (left, right), groups = _paired(a, b), _shared(groups)
    low, high = _difference_interval(left, right, groups, confidence)
    if groups is None and _right_or_wrong(left) and _right_or_wrong(right):
        p_value = mcnemar(*_discordant(left, right))
    else:
        found = units(left - right, groups)
        p_value = max(sign_flip(found.sums, seed=seed), difference_p(found, _unseen(left, right)))
    difference = float((left - right).mean())
    return Comparison(arm, against, difference, low, high, p_value, p_value, len(left), confidence=confidence)


def compare_arms(
    arms: Sequence[ArmResult], groups: Groups = None, *, seed: int = 0, look: int = 1
) -> tuple[Comparison, ...]:
    """All comparisons that the verdict needs, Holm-corrected within families, and for earlier looks at the test part.

    The first family answers "is training worth it": each trained arm against each untrained one and against each other
    trained one. The second, untrained arms among themselves, only breaks ties and must not weaken the first. The later
    arm of the sequence is compared against the earlier where both are of a kind. Arms that were stopped early are
    compared on the examples in common, for information, as a third.

    Args:
        arms: Measured on the same examples.
        groups: As in `compare`.
        seed: As in `compare`.
        look: Of how many different recipes judged on these examples this one is (`further_looks`): the intervals are
            taken at a stricter level and the p-values multiplied, so that the first look is as it always was.
    """
    confidence = level(look)

    def one(x: ArmResult, y: ArmResult) -> Comparison:
        left, right, common = _in_common(x, y)
        members = groups if groups is None or common is None else [groups[i] for i in common]
        return compare(left, right, members, arm=x.name, against=y.name, seed=seed, confidence=confidence)

    trained = [a for a in arms if a.requires_training]
    untrained = [a for a in arms if not a.requires_training and not a.stopped]
    stopped = [a for a in arms if a.stopped]
    first = [one(x, y) for x in trained for y in untrained] + [one(y, x) for x, y in combinations(trained, 2)]
    second = [one(y, x) for x, y in combinations(untrained, 2)]
    third = [one(x, y) for x in (*trained, *untrained) for y in stopped]
    return (*corrected(first, look), *corrected(second, look), *corrected(third, look))


def level(look: int) -> float:
    """The confidence at which the intervals of differences are taken at this look."""
    return 1 - (1 - CONFIDENCE) / strictness(look)


def corrected(family: Sequence[Comparison], look: int = 1) -> list[Comparison]:
    """The comparisons with Holm's correction over all of them, and Bonferroni's over the looks."""
    adjusted = holm([c.p_value for c in family]) if family else ()
    times = strictness(look)
    return [
        replace(c, p_adjusted=min(1.0, times * p), family=times * len(family))
        for c, p in zip(family, adjusted, strict=True)
    ]


def _in_common(x: ArmResult, y: ArmResult) -> tuple[ScoreValues, ScoreValues, list[int] | None]:
    """The scores of both on the examples that both answered, and their places; None for all."""
    if not x.stopped and not y.stopped:
        return x.scores, y.scores, None
    left, right = (dict(zip(a.places or range(len(a.scores)), a.scores, strict=True)) for a in (x, y))
    places = sorted(left.keys() & right.keys())
    return [left[i] for i in places], [right[i] for i in places], places


def noninferiority(
    base_correct: ScoreValues,
    tuned_correct: ScoreValues,
    margin: float = 0.02,
    *,
    name: str = "",
) -> Forgetting:
    """Whether tuning cost general ability, paired by item.

    `kept` if the interval of (tuned minus base) has its lower end above -margin, `lost` if its upper end is below
    -margin, else `cannot_tell`.
    """
    tuned, base = _paired(tuned_correct, base_correct)
    low, high = _difference_interval(tuned, base, None, CONFIDENCE)
    verdict: ForgettingVerdict = "kept" if low > -margin else "lost" if high < -margin else "cannot_tell"
    difference, p_lost = float((tuned - base).mean()), beyond_margin(tuned, base, margin)
    return Forgetting(
        name, len(base), float(base.mean()), float(tuned.mean()), difference, low, high, verdict, margin, p_lost
    )


def _difference_interval(left: Floats, right: Floats, groups: Groups, confidence: float) -> Interval:
    if groups is None and _right_or_wrong(left) and _right_or_wrong(right):
        return tango(*_discordant(left, right), len(left), _z(confidence))
    return difference_interval(units(left - right, groups), confidence, _unseen(left, right))


def _unseen(left: Floats, right: Floats) -> Interval:
    """What a difference may be that no example shows: the one answers wholly wrong where the other does as usual."""
    return -float(right.mean()), float(left.mean())


def _discordant(left: Floats, right: Floats) -> tuple[int, int]:
    return int(np.count_nonzero(left > right)), int(np.count_nonzero(left < right))


def _paired(a: ScoreValues, b: ScoreValues) -> tuple[Floats, Floats]:
    if len(a) != len(b):
        raise ValueError(f"paired scores must run in parallel: {len(a)} against {len(b)}")
    return _checked(a), _checked(b)


def _shared(groups: Groups) -> Groups:
    """The groups, or None where no two examples share one: then the exact methods apply."""
    members = [g for g in groups or () if g is not None]
    return groups if len(set(members)) < len(members) else None


def _checked(values: ScoreValues) -> Floats:
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or len(array) == 0:
        raise ValueError("no scores to compute an interval from")
    if not bool(np.all((array >= 0) & (array <= 1))):  # NaN fails too
        raise ValueError("scores must lie in [0, 1]")
    return array


def _right_or_wrong(array: Floats) -> bool:
    return bool(np.all((array == 0) | (array == 1)))


def _z(confidence: float) -> float:
    from scipy.special import ndtri

    return float(ndtri((1 + confidence) / 2))
