"""Whether a version may answer for everybody: policy without I/O.

The first version of a name must be recommended by its verdict; a later one must be better than the one in production on
the same examples. In either case nothing may be lost, every must-pass case passes, and what is served is what was
trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from postgrad.decision.change import judge_change
from postgrad.measures import Comparison


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
            f"Measure it against what else there is: `postgrad run DATA`, or `postgrad evaluate DATA --model {model}`.",
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
