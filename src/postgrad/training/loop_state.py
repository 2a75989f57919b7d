"""The part of a training's state that is no tensor, and what its curves say in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from postgrad.json_types import JsonObject
from postgrad.measures import still_falling
from postgrad.training.guards import Alarm


@dataclass
class LoopState:
    """The part of the state that is not tensors."""

    step: int = 0
    start_loss: float = math.inf
    """Validation's, before the first step."""
    best_loss: float = math.inf
    best_step: int = 0
    """0: none was better than the start."""
    kept_step: int = 0
    since_best: int = 0
    hopeless: int = 0
    tokens: int = 0
    supervised_tokens: int = 0
    seconds: float = 0.0
    ending: str = ""
    cooling: tuple[int, int, float] | None = None
    """(after which step, up to which, from which rate) it goes on from its best weights."""
    train_loss: list[tuple[int, float]] = field(default_factory=list)
    validation_loss: list[tuple[int, float]] = field(default_factory=list)
    metrics: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    start_metrics: dict[str, float] = field(default_factory=dict)
    """Validation's, before the first step."""
    alarms: list[Alarm] = field(default_factory=list)

    @classmethod
    def restored(cls, raw: JsonObject) -> LoopState:
        """What a checkpoint holds of it."""
        curves: dict[str, Any] = {k: [(s, v) for s, v in raw[k]] for k in ("train_loss", "validation_loss")}
        curves["metrics"] = {k: [(s, v) for s, v in found] for k, found in raw["metrics"].items()}
        curves["alarms"] = [Alarm(**alarm) for alarm in raw["alarms"]]
        return cls(**{**raw, **curves, "cooling": tuple(raw["cooling"]) if raw["cooling"] else None})

    def note(self, step: int, found: Mapping[str, float]) -> None:
        """Puts what was measured at a step behind what was measured before."""
        for name, value in found.items():
            self.metrics.setdefault(name, []).append((step, value))

    @property
    def guarded(self) -> str:
        """How the training ended if it was a guard that ended it; else empty."""
        return next((f"stopped by the guard {alarm.guard}" for alarm in self.alarms if alarm.stops), "")

    @property
    def learned(self) -> bool:
        """Whether a state was better on validation than the start; taken for granted without one."""
        return bool(self.best_step) or not self.validation_loss


def in_words(progress: LoopState) -> str:
    """What the loss curves say, for the report."""
    if not progress.validation_loss:
        return "No validation was measured."
    first, last = progress.validation_loss[0][1], progress.validation_loss[-1][1]
    if not progress.learned:
        return _nothing_learned(progress)
    text = f"Validation loss went from {first:.3f} to {progress.best_loss:.3f} (best at step {progress.best_step})."
    if last > progress.best_loss * 1.02 and progress.best_step < progress.step:
        began, ended = _level(progress, progress.best_step), _level(progress, progress.step)
        falling = f"while the training loss went on falling from {began:.3f} to {ended:.3f}: the model began to overfit"
        why = (
            falling
            if ended < began
            else f"and the training loss went from {began:.3f} to {ended:.3f}: the rate may be too high"
        )
        kept = progress.kept_step or progress.best_step
        text += f" After that it rose to {last:.3f} {why}; the weights of step {kept} were kept."
    elif still_falling(progress.validation_loss):
        text += " It was still falling at the end: more epochs or more data may help."
    return text


def _nothing_learned(progress: LoopState) -> str:
    """Said where no state of the training was better on validation than its start."""
    lowest = min(value for _, value in progress.validation_loss)
    return (
        f"Nothing was learned: validation was {progress.start_loss:.3f} before the first step and never lower"
        f" afterwards ({lowest:.3f} at best), so the model is kept as it was. A lower rate, more data or other data may"
        " help."
    )


def _level(progress: LoopState, step: int) -> float:
    """Mean training loss of the ten steps up to one."""
    near = [v for n, v in progress.train_loss if step - 10 < n <= step]
    return sum(near) / len(near)
