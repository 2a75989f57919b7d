"""What a guard says, what it looks at, and the statistics that keep noise from ringing it.

Guards see what a training has recorded, step by step, and nothing else: killed and resumed, it is stopped at the same
step.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Series = Sequence[tuple[int, float]]
"""(step, value), in the order of the steps."""
Figures = Mapping[str, Series]
"""What the objective measures, by name; of validation with `eval_` before the name."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A guard that rang.

    Attributes:
        guard: Its name, as in `GUARDS`.
        step: After which step.
        sentence: What is seen, with its figures, and what to do.
        stops: Whether the training ends for it.
    """

    guard: str
    step: int
    sentence: str
    stops: bool = True


@dataclass(frozen=True)
class Seen:
    """What guards judge by.

    Attributes:
        figures: Of the steps so far.
        start: Those of validation before the first step, by name.
        batch_size: Examples drawn for a step.
        kl_limit: Nats that the model may be away from where it started; None: any number.
    """

    figures: Figures = field(default_factory=dict)
    start: Mapping[str, float] = field(default_factory=dict)
    batch_size: int = 1
    kl_limit: float | None = None

    def of(self, name: str) -> Series:
        """A figure's values; none where it is not measured."""
        return self.figures.get(name, ())


@dataclass(frozen=True, slots=True)
class Level:
    """The mean of some values with its standard error, and the steps that it was taken of."""

    mean: float
    error: float
    first: int
    last: int

    @property
    def steps(self) -> str:
        return f"steps {self.first} to {self.last}"


def level(series: Series) -> Level:
    """The level of values that are not none."""
    values = [value for _, value in series]
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return Level(sum(values) / len(values), spread / math.sqrt(len(values)), series[0][0], series[-1][0])


def ends(series: Series, count: int) -> tuple[Level, Level] | None:
    """The level of the first `count` values and that of the last ones; None while they would overlap."""
    return (level(series[:count]), level(series[-count:])) if len(series) >= 2 * count else None


def apart(before: Level, now: Level) -> float:
    """How far the second is above the first, in standard errors of the difference."""
    error = math.hypot(before.error, now.error)
    if error:
        return (now.mean - before.mean) / error
    return math.copysign(math.inf, now.mean - before.mean) if now.mean != before.mean else 0.0
