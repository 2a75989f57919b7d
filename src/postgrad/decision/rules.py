"""The rules that every verdict shares: which way a comparison runs, when a difference is clear or excluded, which of
several ways to take, how many examples would settle it. Policy without I/O.

Why the examples are counted at ALPHA divided by the size of the family: a verdict believes a comparison only after
Holm's correction over the family that it was made in (Holm, 1979, Scandinavian Journal of Statistics 6). Holm's
strictest step asks p < ALPHA / family, and which step a comparison will meet depends on the others, which nobody knows
before the examples are there. What is significant at the strictest step is significant at every step, so that this
count holds whatever the other comparisons show; counted at ALPHA itself, the examples asked for would mostly not settle
the question. A comparison that stands alone is a family of one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import NormalDist

from postgrad.decision.power import ALPHA, examples_needed
from postgrad.measures import ArmResult, Comparison

Comparisons = Mapping[tuple[str, str], Comparison]
"""Comparisons by (arm, against)."""
CLEAR = 0.05
"""Level at which one arm is said to be better than another, where nothing dear hangs on it."""
EXCLUDED = 0.05
"""Level at which a loss of a margin is excluded."""
LIKELY = 0.8
"""Confidence, one-sided, with which a gain is excluded that one would not want to miss."""
_LEAST_WORTH = 0.01
"""Smaller differences are worth nothing: no number of examples is said for them."""
_LEAST_DISTANCE = 0.005
"""From a margin; a difference seen right on it would ask for infinitely many examples."""


def by_pair(comparisons: Sequence[Comparison]) -> Comparisons:
    """The comparisons where `between` finds them."""
    return {(c.arm, c.against): c for c in comparisons}


def between(table: Comparisons, arm: str, against: str) -> Comparison:
    """The comparison in that direction.

    Raises:
        ValueError: the two were not compared.
    """
    if found := table.get((arm, against)):
        return found
    back = table.get((against, arm))
    if back is None:
        raise ValueError(f"no comparison of {arm!r} and {against!r}")
    return replace(back, arm=arm, against=against, difference=-back.difference, low=-back.high, high=-back.low)


def clear(c: Comparison) -> bool:
    """Whether the arm is surely better: interval above zero, significant after the correction over its family."""
    return c.low > 0 and c.p_adjusted < CLEAR


def clearly_worse(c: Comparison) -> bool:
    """The same the other way round."""
    return c.high < 0 and c.p_adjusted < CLEAR


def believed(c: Comparison) -> bool:
    """Whether the arm is so surely better that it may be recommended for it: at the stricter level ALPHA."""
    return c.low > 0 and c.p_adjusted < ALPHA


def beats(c: Comparison, worth: float) -> bool:
    """Whether the arm is better beyond doubt, by more than the smallest difference worth having."""
    return c.difference > worth and believed(c)


def excluded(c: Comparison, worth: float) -> bool:
    """Whether it is excluded that the arm is better by what is worth having: its rival is not inferior to it."""
    return c.high < worth


def likely_below(c: Comparison) -> float:
    """What the true difference lies below with 80 % certainty, by the normal distribution from the interval of any
    confidence."""
    return c.difference + (c.high - c.difference) * NormalDist().inv_cdf(LIKELY) / _quantile(c.confidence)


def choose(arms: Sequence[ArmResult], table: Comparisons, worth: float) -> ArmResult:
    """Which of several ways to take: the best score, unless another one that cannot be worse by what is worth having
    has a lower measured price.

    Args:
        arms: Measured on the same examples; each pair of them compared.
        table: The comparisons.
        worth: The smallest difference worth having.
    """
    best = min(arms, key=best_first)
    alike = [a for a in arms if a is not best and excluded(between(table, best.name, a.name), worth)]
    return cheapest(best, alike)


def cheapest(best: ArmResult, alike: Sequence[ArmResult]) -> ArmResult:
    """Of ways that are as good the one whose answers cost least, by the price that was measured. Where the best one's
    price is unknown it stays, for nothing is known to be cheaper."""
    return min(
        [best, *(a for a in alike if is_cheaper(a, best))], key=lambda a: (a.cost_per_1000 or 0.0, best_first(a))
    )


def is_cheaper(arm: ArmResult, other: ArmResult) -> bool:
    """Whether the arm's answers cost less, both prices being known."""
    return arm.cost_per_1000 is not None and other.cost_per_1000 is not None and arm.cost_per_1000 < other.cost_per_1000


def best_first(arm: ArmResult) -> tuple[float, float]:
    """For sorting: the best score; of equal ones the cheaper, unknown prices last."""
    return -arm.score.value, math.inf if arm.cost_per_1000 is None else arm.cost_per_1000


def examples_to_settle(c: Comparison, worth: float) -> int:
    """About how many test examples would show whether the arm beats the other one: the difference seen, or the smallest
    worth having where less was seen; where a difference is clear already, on which side of that it lies."""
    least = max(worth, _LEAST_WORTH)
    if believed(c):
        return _examples(c, max(abs(c.difference - worth), least / 2), ALPHA)
    return _examples(c, max(c.difference, least), ALPHA)


def examples_to_exclude(c: Comparison, margin: float) -> int:
    """About how many would exclude a loss of the margin if the difference seen is the true one, or show a true loss."""
    return _examples(c, max(abs(c.difference + margin), _LEAST_DISTANCE), EXCLUDED)


def examples_to_show(difference: float, sd: float, family: int, level: float = ALPHA) -> int:
    """Test examples that show a true difference in a family of so many comparisons at that level; `sd` is that of the
    paired differences."""
    return examples_needed(difference, sd, alpha=level / max(1, family))


def _examples(c: Comparison, difference: float, level: float) -> int:
    """More than there are: with these it was not shown."""
    sd = (c.high - c.low) / (2 * _quantile(c.confidence)) * math.sqrt(c.n)
    return max(c.n + 1, examples_to_show(difference, sd, c.family, level))


def _quantile(confidence: float) -> float:
    """The normal distribution's, two-sided."""
    return NormalDist().inv_cdf((1 + confidence) / 2)
