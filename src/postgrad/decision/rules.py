"""The rules that every verdict shares: which way a comparison runs, when a difference is clear, how many examples would
settle it. Policy without I/O.

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
from postgrad.measures import Comparison

Comparisons = Mapping[tuple[str, str], Comparison]
"""Comparisons by (arm, against)."""
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
    return c.low > 0 and c.p_adjusted < ALPHA


def clearly_worse(c: Comparison) -> bool:
    """The same the other way round."""
    return c.high < 0 and c.p_adjusted < ALPHA


def beats(c: Comparison, worth: float) -> bool:
    """Whether the arm is clearly better, by more than the smallest difference worth having."""
    return c.difference > worth and clear(c)


def examples_to_settle(c: Comparison, worth: float) -> int:
    """About how many test examples would show whether the arm beats the other one: the difference seen, or the smallest
    worth having where less was seen; where a difference is clear already, on which side of that it lies."""
    least = max(worth, _LEAST_WORTH)
    if clear(c):
        return _examples(c, max(abs(c.difference - worth), least / 2))
    return _examples(c, max(c.difference, least))


def examples_to_exclude(c: Comparison, margin: float) -> int:
    """About how many would exclude a loss of the margin if the difference seen is the true one, or show a true loss."""
    return _examples(c, max(abs(c.difference + margin), _LEAST_DISTANCE))


def examples_to_show(difference: float, sd: float, family: int) -> int:
    """Test examples that show a true difference in a family of so many comparisons; `sd` is that of the paired
    differences."""
    return examples_needed(difference, sd, alpha=ALPHA / max(1, family))


def _examples(c: Comparison, difference: float) -> int:
    """More than there are: with these it was not shown."""
    sd = (c.high - c.low) / (2 * NormalDist().inv_cdf(1 - ALPHA / 2)) * math.sqrt(c.n)
    return max(c.n + 1, examples_to_show(difference, sd, c.family))
