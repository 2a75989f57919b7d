"""What this test set resolves, beside what the user cares for: said before training, and again once arms are measured.
No I/O."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from postgrad.decision.power import ASSUMED_DISCORDANCE, examples_needed, smallest_resolvable_difference
from postgrad.decision.wording import about, points
from postgrad.measures import ArmResult

CLEARLY_FEWER = 0.9
"""Up to so many independent units a test example, a reader is told that the examples are not independent."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a test set can tell.

    Attributes:
        test: Test examples.
        resolvable: The smallest difference between two arms that it shows four times in five.
        worth: The smallest gain that the user calls worth having.
        examples_for_worth: Test examples that would show that gain four times in five; None where any gain is worth
            having.
        spread: Standard deviation of the paired differences that both rest on (for right or wrong answers the square
            root of the share of examples on which two arms differ).
        measured: Whether the spread was measured, not assumed.
        units: How many independent units the test examples form, which is what counts; None: each stands alone.
    """

    test: int
    resolvable: float
    worth: float
    examples_for_worth: int | None
    spread: float
    measured: bool
    units: int | None = None

    @property
    def independent(self) -> int:
        """What the figures rest on: independent units."""
        return self.test if self.units is None else self.units

    @property
    def sentence(self) -> str:
        """Both numbers, with what they rest on."""
        fewer = self.independent < self.test
        given = f"{self.test} test examples" + (f" ({self.independent} independent units)" if fewer else "")
        if self.resolvable >= 1.0:
            first = f"With {given} no difference between two arms can be shown."
        else:
            first = (
                f"With {given} a difference of {points(self.resolvable)} points or more between two"
                " arms will be detected with 80 % probability; smaller ones usually not."
            )
        if self.examples_for_worth is None:
            second = ""
        elif self.examples_for_worth <= self.independent:
            second = f" That is enough for the {points(self.worth)} points set as worthwhile (decision.smallest_worth)."
        else:
            second = (
                f" To see {points(self.worth)} points, the smallest worthwhile gain"
                f" (decision.smallest_worth), takes about {about(self.examples_for_worth)}"
                f"{' independent' if fewer else ''} test examples."
            )
        share = f"{100 * self.spread**2:.0f} %"
        if self.measured:
            return (
                f"{first}{second} Measured: the spread of the differences is that of arms that differ on {share} of the"
                " examples."
            )
        return f"{first}{second} Assumed: the arms differ on {share} of the examples."


def assumed_resolution(test: int, worth: float, units: int | None = None) -> Resolution:
    """Before anything is measured.

    Args:
        test: Test examples.
        worth: The smallest gain worth having.
        units: Independent units that they form; None: each stands alone.
    """
    resolvable = smallest_resolvable_difference(test if units is None else units)
    spread = math.sqrt(ASSUMED_DISCORDANCE)
    return Resolution(test, resolvable, worth, _needed(worth, spread), spread, measured=False, units=units)


def measured_resolution(arms: Sequence[ArmResult], worth: float, units: int | None = None) -> Resolution | None:
    """By the differences between the best arm and each other one; None where no two arms differ.

    Args:
        arms: Measured on the same, whole test part.
        worth: The smallest gain worth having.
        units: Independent units that the test part forms; None: each example stands alone.
    """
    if len(arms) < 2:
        return None
    best = max(arms, key=lambda a: a.score.value)
    squares = [_variance(best.scores, arm.scores) for arm in arms if arm is not best]
    spread = math.sqrt(sum(squares) / len(squares))
    if spread == 0:
        return None
    test = len(best.scores)
    independent = test if units is None else units
    right_or_wrong = all(s in (0.0, 1.0) for arm in arms for s in arm.scores)
    resolvable = (
        smallest_resolvable_difference(independent, discordance=min(1.0, spread**2))
        if right_or_wrong
        else smallest_resolvable_difference(independent, sd=spread)
    )
    return Resolution(test, resolvable, worth, _needed(worth, spread), spread, measured=True, units=units)


def units_sentence(test: int, units: int, largest: int) -> str:
    """What is said of test examples that form clearly fewer independent units; empty where they do not.

    Args:
        test: Test examples.
        units: Independent units that they form.
        largest: Test examples in the largest unit.
    """
    if units > CLEARLY_FEWER * test:
        return ""
    formed = "one independent unit" if units == 1 else f"{units} independent units"
    return (
        f"The {test} test examples form {formed}: near-duplicates, turns of one conversation, or examples of"
        f" one group, count once in intervals and p-values. The largest unit has {largest} examples."
    )


def _needed(worth: float, spread: float) -> int | None:
    """Arms cannot differ by more than the share of examples on which they differ."""
    return examples_needed(worth, max(spread, math.sqrt(worth))) if worth > 0 else None


def _variance(first: Sequence[float], second: Sequence[float]) -> float:
    """Mean squared difference: for right or wrong answers the share of examples on which the arms differ."""
    return sum((a - b) ** 2 for a, b in zip(first, second, strict=True)) / len(first)
