"""What a change is worth, and whether it may pass a gate: B against A on the same examples; and whether a version may
answer for everybody. Policy without I/O.

The gate is a test of non-inferiority (DESIGN section 6, as for forgetting): B passes if a loss of the margin or more is
excluded. A B that is worse on no example at all passes however few the examples are.

The first version of a name must be recommended by its verdict; a later one must be better than the one in production on
the same examples. In either case nothing may be lost, every must-pass case passes, and what is served is what was
trained.
"""

from __future__ import annotations

from collections.abc import Sequence
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


@dataclass(frozen=True)
class Condition:
    """One thing that a promotion asks for.

    Attributes:
        name: `measured`, `better`, `recommended`, `nothing_lost`, `must_pass` or `parity`.
        held: Whether it is so.
        sentence: For a person.
        mend: What to do where it is not.
    """

    name: str
    held: bool
    sentence: str
    mend: str = ""


def recommended(model: str, advised: str | None, trained: bool) -> Condition:
    """Of the first version of a name: its verdict recommends it.

    Args:
        model: As `name@version`.
        advised: What its verdict recommends; None where it has no verdict.
        trained: Whether that is the trained model.
    """
    if advised is None:
        return Condition(
            "measured",
            False,
            f"{model} was never measured.",
            f"Measure it: `postgrad run DATA` against everything else, or `postgrad models promote {model} --data FILE`"
            " against its base.",
        )
    if trained:
        return Condition("recommended", True, f"Its verdict recommends {model}.")
    return Condition(
        "recommended",
        False,
        f"The verdict of {model} was {advised!r}: it does not recommend the trained model.",
        "See its report.",
    )


def better(found: Comparison | None, model: str, production: str) -> Condition:
    """Of a later version: it is better than the one in production.

    Args:
        found: Both on the same examples; None where they were not measured on the same ones.
        model: As `name@version`.
        production: As `name@version`.
    """
    if found is None:
        return Condition(
            "better",
            False,
            f"{model} and {production} (production) were not measured on the same examples by the same metric.",
            f"Measure both: `postgrad models promote {model} --data FILE`.",
        )
    change = judge_change(found, 1)
    if change.verdict == "better":
        return Condition("better", True, change.sentence)
    return Condition("better", False, change.sentence, f"Keep {production}, or train with more examples.")


def nothing_lost(lost: Sequence[str]) -> Condition:
    """No general ability was lost.

    Args:
        lost: Benchmarks that were.
    """
    if not lost:
        return Condition("nothing_lost", True, "Nothing general was lost, as far as it was measured.")
    return Condition(
        "nothing_lost",
        False,
        f"It lost {', '.join(lost)}.",
        "Train with more replay of general examples (training.replay, training.base_replay) or fewer epochs.",
    )


def cases_passed(failed: Sequence[str]) -> Condition:
    """Every must-pass case passes.

    Args:
        failed: Those that do not, by where they stand.
    """
    if not failed:
        return Condition("must_pass", True, "It fails none of the must-pass cases that it was given.")
    more = f" and {len(failed) - 3} more" if len(failed) > 3 else ""
    return Condition("must_pass", False, f"It fails must-pass cases: {', '.join(failed[:3])}{more}.", "See its report.")
