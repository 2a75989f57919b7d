"""Objectives: what training minimises, one file each. The loop knows none of them.

An objective turns records into examples and gives the loss of a microbatch. To add one: a file, a line in `OBJECTIVES`
(and one in `OPTIONS` where it reads settings of the plan), a test. What few of them need (a reference, answers sampled
on the way, a validation of their own) are the methods with a default.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from postgrad.models.rendering.render import Rendered
from postgrad.progress import Working
from postgrad.records import Record
from postgrad.training.step_metrics import Tally

if TYPE_CHECKING:
    import torch

    from postgrad.training.forward import Forward
    from postgrad.training.methods import Attached
    from postgrad.training.parallel import World
    from postgrad.training_run import RunFolder


@dataclass(frozen=True, slots=True)
class Prepared:
    """Records made ready for training.

    Attributes:
        examples: What the loop draws batches from.
        dropped: Records left out by the length policy.
        truncated: Examples whose prompt was cut.
    """

    examples: tuple[Rendered, ...]
    dropped: int
    truncated: int


@dataclass(frozen=True)
class Start:
    """What an objective finds before the first step.

    Attributes:
        forward: Of the model with what is trained attached; its weights are still those it starts from.
        attached: Lets the base be asked.
        world: The processes that train together.
        folder: Of the run: what is costly is kept there.
        identity: Of the training; what was kept under another is not taken.
        token_budget: Tokens in a microbatch.
        seed: Of everything random.
        stopped: Whether somebody wants it to stop.
    """

    forward: Forward
    attached: Attached
    world: World
    folder: RunFolder
    identity: dict[str, str]
    token_budget: int
    seed: int
    stopped: Callable[[], bool]


class Objective(Protocol):
    """What the loop asks of an objective.

    Attributes:
        name: As in `OBJECTIVES`.
        tally: What it measures besides the loss.
        repeats: Optimiser steps made with one batch.
        units: Parts that go into microbatches, for each example drawn.
        validates: Whether validation is a measure of its own instead of the mean loss.
    """

    name: str
    tally: Tally = Tally()
    repeats: int = 1
    units: int = 1
    validates: bool = False

    def prepare(self, records: Sequence[Record]) -> Prepared:
        """Examples of the records; raises DataError naming every record that has nothing to learn."""
        ...

    def weight(self, example: Rendered) -> float:
        """What an example counts in the mean over the global batch."""
        ...

    def loss(self, forward: Forward, batch: Sequence[Rendered], step: int | None = None) -> torch.Tensor:
        """Weighted *sum* of the losses of a microbatch, with gradient; float64 scalar. No step: no training noise."""
        ...

    def sequences(self, example: Rendered) -> tuple[Rendered, ...]:
        """What the model is shown of an example."""
        return (example,)

    def room(self, example: Rendered) -> int:
        """Tokens that one of its units takes in a microbatch."""
        return len(example.ids)

    def sampled(self, example: Rendered) -> int:
        """Tokens that are in the cache while answers to prompts like it are sampled."""
        return 0

    def guess(self, vocabulary: int) -> float:
        """A loss above which nothing is being learned: that of guessing evenly."""
        return math.log(vocabulary)

    def begin(self, start: Start, examples: Sequence[Rendered], held: Sequence[Rendered]) -> Working[None]:
        """Computes what is needed of the starting model.

        Raises:
            Interrupted: `start.stopped()` turned true; what is done is kept.
        """
        yield from ()

    def batch(self, drawn: Sequence[Rendered], step: int) -> list[Rendered] | None:
        """What is trained on in a step, made of the examples drawn for it; None when asked to stop."""
        return list(drawn)

    def state(self) -> dict[str, Any]:
        """What must be in a checkpoint for the next step to be the same; JSON-safe."""
        return {}

    def load(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""

    def validate(self, held: Sequence[Rendered]) -> float:
        """The measure of its own, the lower the better; asked only where `validates` is true."""
        return math.inf

    def in_words(self, metrics: dict[str, list[tuple[int, float]]], best_step: int) -> str:
        """What its figures say, for the report; empty where the losses say it.

        Args:
            metrics: (step, value) by name, of all steps; those of validation begin with `eval_`.
        """
        return ""


def _sft(**options: Any) -> Objective:
    from postgrad.training.objectives.sft import Sft

    return Sft(**options)


def _pretrain(**options: Any) -> Objective:
    from postgrad.training.objectives.pretrain import Pretrain

    return Pretrain(**options)


def _dpo(**options: Any) -> Objective:
    from postgrad.training.objectives.dpo import Dpo

    return Dpo(**options)


def _orpo(**options: Any) -> Objective:
    from postgrad.training.objectives.orpo import Orpo

    return Orpo(**options)


def _simpo(**options: Any) -> Objective:
    from postgrad.training.objectives.simpo import Simpo

    return Simpo(**options)


def _grpo(**options: Any) -> Objective:
    from postgrad.training.objectives.grpo import Grpo

    return Grpo(**options)


OBJECTIVES: dict[str, Callable[..., Objective]] = {
    "sft": _sft,
    "pretrain": _pretrain,
    "dpo": _dpo,
    "orpo": _orpo,
    "simpo": _simpo,
    "grpo": _grpo,
}
OPTIONS: dict[str, tuple[str, ...]] = {
    "dpo": ("loss", "beta", "label_smoothing"),
    "orpo": ("beta",),
    "simpo": ("beta", "margin"),
    "grpo": ("loss", "beta", "samples", "answer_tokens", "temperature", "ratio_clip", "repeats", "eval_samples"),
}
"""The plan's settings that an objective reads, besides those that all read."""
