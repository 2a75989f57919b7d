"""The time of a run: its limit where none is given, and what the measurements after training are left beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from postgrad.progress import Said, Working
from postgrad.steps.context import USUAL_MINUTES, Clock
from postgrad.steps.examples import DataSummary

USUAL_TOKENS = 25_000
"""Of examples that a run of the usual length has: 500 short ones."""
DISTURBANCE_SHARE = 0.08
"""Of the whole run's work, asking again with disturbed requests may take so much."""


def usual_limit(clock: Clock, summary: DataSummary) -> Working[Clock]:
    """Where no limit is given, the run is planned for 14 minutes for every 25,000 tokens of examples, and 14 at
    least."""
    if clock.limited:
        return clock
    minutes = round(
        USUAL_MINUTES * max(1.0, sum(edge * count for edge, count in summary.token_histogram) / USUAL_TOKENS)
    )
    yield Said(f"Planned to take at most about {minutes} minutes for this many tokens; --max-minutes changes that.")
    return replace(clock, minutes=float(minutes))


def room_for_disturbances(clock: Clock, perturb: bool | None) -> float:
    """Seconds of a limited run that are kept for asking again with disturbed requests."""
    return 0.6 * DISTURBANCE_SHARE * 60 * clock.minutes if clock.minutes and perturb is not False else 0.0


def curve_share(curve: Sequence[float] | None) -> float:
    """What the learning curve costs as a share of the training, where it was asked for by name: it is then made in any
    case, and both have to fit. Unasked it takes what is left in the end."""
    return sum(curve or ())
