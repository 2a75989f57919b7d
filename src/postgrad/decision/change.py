"""What a change is worth, and whether it may pass a gate: B against A on the same examples. Policy without I/O.

The gate is a test of non-inferiority (DESIGN section 6, as for forgetting): B passes if a loss of the margin or more is
excluded. A B that is worse on no example at all passes however few the examples are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from postgrad.decision.rules import clear, clearly_worse, examples_to_exclude, likely_below
from postgrad.decision.wording import about, gain_excluded, interval, points
from postgrad.measures import Comparison

MARGIN = 0.02


@dataclass(frozen=True, slots=True)
class Change:
    """The judgement.

    Attributes:
        verdict: See `CompareReport`.
        passed: Whether the gate lets B through.
        sentence: For a person.
        examples_needed: Where more examples would settle it: about how many in all.
    """

    verdict: Literal["better", "worse", "alike", "no_worse", "cannot_tell"]
    passed: bool
    sentence: str
    examples_needed: int | None = None


def judge_change(c: Comparison, worsened: int, margin: float = MARGIN) -> Change:
    """B (`c.arm`) against A (`c.against`).

    Args:
        c: The paired comparison.
        worsened: Examples on which B scores lower.
        margin: The loss that is tolerated.
    """
    passed = c.low > -margin or worsened == 0
    figures = f"{interval(c.low, c.high)}; {_chance(c.p_value)}; {c.n} common examples"
    by = points(abs(c.difference))
    if clear(c):
        return Change("better", True, f"{c.arm} is better than {c.against} by {by} points ({figures}).")
    if clearly_worse(c):
        sure = c.high < -margin
        tail = f"; more than the {points(margin)} points allowed are lost" if sure else ""
        return Change("worse", passed, f"{c.arm} is worse than {c.against} by {by} points ({figures}){tail}.")
    if c.low > -margin and c.high < margin:
        return Change("alike", True, f"{c.arm} is as good as {c.against}, within {points(margin)} points ({figures}).")
    seen = f"{by} points {'more' if c.difference > 0 else 'less'}" if c.difference else "the same score"
    if passed:
        why = f"a loss of {points(margin)} points is excluded" if c.low > -margin else "it is worse on no example"
        return Change("no_worse", True, f"{c.arm} is no worse than {c.against}: {seen} ({figures}); {why}.")
    count = examples_to_exclude(c, margin)
    sentence = (
        f"Cannot tell {c.arm} from {c.against}: {seen} ({figures}), and a loss of {points(margin)} points is not"
        f" excluded; about {about(count)} common examples would settle it. Keep {c.against} meanwhile:"
        f" {gain_excluded(c.arm, c.high, likely_below(c))}."
    )
    return Change("cannot_tell", False, sentence, count)


def _chance(p: float) -> str:
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.2g}"
