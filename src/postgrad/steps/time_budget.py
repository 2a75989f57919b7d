"""The time of a run: its limit where none is given, and what the measurements after training are left beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from postgrad.decision.learning_curve import SHARES
from postgrad.progress import Said, Working
from postgrad.steps.context import USUAL_MINUTES, Clock
from postgrad.steps.examples import DataSummary

USUAL_TOKENS = 25_000
"""Of examples that a run of the usual length has: 500 short ones."""
LARGEST_TEST, SMALLEST_CAP, TEST_SHARE = 1000, 150, 0.2
"""Test examples at most; test examples that there is always time for; the share of its examples that a run of the usual
length tests on."""
CURVE_SHARE = 0.2
"""Of the whole run's time, a learning curve that nobody asked for may take so much more."""
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


def room_for_test(minutes: float | None, tokens: float) -> int:
    """How many test examples a run has the time to measure.

    Without a limit the run is planned by its tokens, so that any usual share can be measured. With one as many as would
    be tested on if the run were planned for so long, on the slow machine that the plan is made for: two cores.

    Args:
        minutes: The limit; None without one.
        tokens: Of an example, on average.
    """
    if minutes is None:
        return LARGEST_TEST
    planned = TEST_SHARE * minutes / USUAL_MINUTES * USUAL_TOKENS / max(1.0, tokens)
    return min(LARGEST_TEST, max(SMALLEST_CAP, round(planned)))


def room_for_disturbances(clock: Clock, perturb: bool | None) -> float:
    """Seconds of a limited run that are kept for asking again with disturbed requests."""
    return 0.6 * DISTURBANCE_SHARE * 60 * clock.minutes if clock.minutes and perturb is not False else 0.0


def curve_share(curve: Sequence[float] | None) -> float:
    """What the learning curve costs as a share of the training: both have to fit into the limit. Asked for by name it
    is made in any case; unasked, time for its smallest part is kept, a fifth of what training and curve take."""
    return min(SHARES) if curve is None else sum(curve)


def seconds_for_curve(clock: Clock, training: float) -> float | None:
    """Seconds that a learning curve may take that nobody asked for; None for any number.

    Within a limit that the user set: what is left of it. Else also a fifth of the time that the run has taken.

    Args:
        training: Seconds of the training, which may have been done by an earlier command.
    """
    left = clock.seconds_left()
    if left is None or clock.limited:
        return left
    return max(left, CURVE_SHARE * max(clock.seconds, training))
