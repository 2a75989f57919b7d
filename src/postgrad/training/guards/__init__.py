"""Guards: what goes wrong in a training that still lowers its loss or raises its reward, seen while it happens.

A guard is a function of the figures that a training has recorded to an alarm, or to None; whether the training ends for
it is a setting. It ends as when validation no longer gets better: with the best weights, not with an error. To add one:
a function in one of these files, a line here, a test that plants the fault and one that healthy trainings do not ring
it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from postgrad.errors import UsageError
from postgrad.training.guards.alarm import Alarm, Seen
from postgrad.training.guards.answers import entropy_collapse, length_drift, repetition
from postgrad.training.guards.likelihoods import chosen_falling, kl_limit
from postgrad.training.guards.rewards import grader_faults, hacking, no_variance

__all__ = ["GUARDS", "Alarm", "Seen", "refuse_unmeasured", "rung"]

GUARDS: dict[str, Callable[[Seen], Alarm | None]] = {
    "length_drift": length_drift,
    "repetition": repetition,
    "entropy_collapse": entropy_collapse,
    "chosen_falling": chosen_falling,
    "hacking": hacking,
    "no_variance": no_variance,
    "grader_faults": grader_faults,
    "kl_limit": kl_limit,
}


def rung(seen: Seen, known: Sequence[Alarm], *, stop: bool) -> list[Alarm]:
    """The alarms that were not raised before; a guard that has only warned may still stop.

    Args:
        seen: What the training has recorded.
        known: Alarms raised earlier in it.
        stop: Whether alarms end the training; else all of them only warn.
    """
    before = {(alarm.guard, alarm.stops) for alarm in known}
    found = [alarm for guard in GUARDS.values() if (alarm := guard(seen)) is not None]
    found = [alarm if stop else replace(alarm, stops=False) for alarm in found]
    return [alarm for alarm in found if not {(alarm.guard, alarm.stops), (alarm.guard, True)} & before]


def refuse_unmeasured(objective: str, figures: Sequence[str], limit: float | None, *, near_base: bool) -> None:
    """Refuses a limit on a divergence that nobody measures.

    Args:
        objective: Its name.
        figures: What it measures.
        limit: As the user set it.
        near_base: Whether the distance from the base is measured on general prompts.

    Raises:
        UsageError: it would be watched by nobody.
    """
    if limit is not None and "kl" not in figures and not near_base:
        raise UsageError(
            f"The objective {objective} does not measure how far the model moves, so training.kl_limit would be watched"
            " by nobody.",
            "Leave kl_limit out.",
        )
