"""How far a story of several stages is, and when it will be over."""

from __future__ import annotations

import time
from collections.abc import Callable

from postgrad.progress import Event, Outline, Progress, Stage
from postgrad.training_run import Step

_BY_PACE_FROM = 0.15
"""From this share on the time that was taken says more than the plan."""


class Course:
    """Follows the events of a story that told its outline; says nothing of one that told none.

    Args:
        now: The clock, in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now, self._began = now, now()
        self._outline: Outline | None = None
        self._stage = ""
        self._part = 0.0

    def see(self, event: Event) -> None:
        """Takes notice of an event."""
        if isinstance(event, Outline):
            if self._outline is None or self._stage not in event.shares:
                self._began, self._stage, self._part = self._now(), "", 0.0
            self._outline = event
        elif isinstance(event, Stage) and self._outline is not None and event.name in self._outline.shares:
            if self._place(event.name) < self._place(self._stage):
                self._began = self._now()  # the same story of something else
            self._stage, self._part = event.name, 0.0
        elif isinstance(event, Progress) and event.total:
            self._part = max(self._part, 0.9 * event.done / event.total)  # a stage may have several bars
        elif isinstance(event, Step) and event.total:
            self._part = max(self._part, event.step / event.total)

    def line(self) -> str:
        """`stage 4 of 9, about 6 min left`; empty before the first stage, or without an outline."""
        if self._outline is None or not self._stage:
            return ""
        said = f"stage {self._place(self._stage) + 1} of {len(self._outline.shares)}"
        left = self._left()
        return said if left is None else f"{said}, {_about(left)} left"

    def _place(self, stage: str) -> int:
        assert self._outline is not None
        return list(self._outline.shares).index(stage) if stage in self._outline.shares else -1

    def _left(self) -> float | None:
        """Seconds until the end, by the plan, and later by the pace; None where neither is known."""
        assert self._outline is not None
        shares = list(self._outline.shares.values())
        at = self._place(self._stage)
        done = (sum(shares[:at]) + shares[at] * min(1.0, self._part)) / sum(shares)
        passed = self._now() - self._began
        planned = None if self._outline.minutes is None else self._outline.minutes * 60
        if done >= _BY_PACE_FROM:
            paced = passed / done * (1 - done)
            return paced if planned is None else done * paced + (1 - done) * max(0.0, planned - passed)
        return None if planned is None else max(0.0, planned - passed)


def _about(seconds: float) -> str:
    if seconds < 45:
        return "less than a minute"
    return f"about {max(1, round(seconds / 60))} min"
