"""What an objective at work is: what the loop asks of it, what it is made of, and what it finds before the first step.

Imports no torch, as no file with a `SPEC` does at its top: recipes, `estimate` and the help read specs. Torch is
imported where it computes.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from postgrad.json_types import JsonObject
from postgrad.models.rendering.render import Rendered, Renderer, TooLong
from postgrad.progress import Working
from postgrad.records import Record
from postgrad.training.batching import global_batch
from postgrad.training.distillation.teacher import Teacher
from postgrad.training.rewards import Reward
from postgrad.training.sampled.environment import NOTHING, Beside
from postgrad.training.step_metrics import Tally

if TYPE_CHECKING:
    import torch

    from postgrad.training.forward import Forward
    from postgrad.training.methods import Attached, Head
    from postgrad.training.parallel import World
    from postgrad.training_run import RunFolder


@dataclass(frozen=True)
class Setup:
    """What every objective is made with, besides its own options.

    Attributes:
        renderer: Decides ids and loss weights.
        max_length: Longest example in tokens; the model's context when None.
        too_long: What happens to longer ones.
        reward: Grades answers; there where the spec's `needs` names it.
        teacher: Is learned from; likewise.
        beside: What there is besides a reward, or instead of it.
        measures_kl: Whether the divergence from the starting model is wanted of each step, needed or not.
    """

    renderer: Renderer
    max_length: int | None = None
    too_long: TooLong = "error"
    reward: Reward | None = None
    teacher: Teacher | None = None
    beside: Beside = NOTHING
    measures_kl: bool = False


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


class Objective(ABC):
    """What the loop asks of an objective; each has its own state.

    Attributes:
        tally: What it measures besides the loss.
        repeats: Optimiser steps made with one batch.
        units: Parts that go into microbatches, for each example drawn.
        validates: Whether validation is a measure of its own instead of the mean loss.
        head: Whether it trains a scalar head on the hidden states, and whether that belongs to the result.

    Args:
        figures: Names of what it measures.
    """

    def __init__(self, figures: Sequence[str] = ()) -> None:
        self.tally = Tally(figures)
        self.repeats, self.units, self.validates = 1, 1, False
        self.head: Head = ""

    @abstractmethod
    def prepare(self, records: Sequence[Record]) -> Prepared:
        """Examples of the records; raises DataError naming every record that has nothing to learn."""

    def general(self, record: Record) -> Sequence[Rendered]:
        """Examples of a general record, which is mixed in against forgetting."""
        return self.prepare([record]).examples

    @abstractmethod
    def weight(self, example: Rendered) -> float:
        """What an example counts in the mean over the global batch."""

    @abstractmethod
    def loss(self, forward: Forward, batch: Sequence[Rendered], step: int | None = None) -> torch.Tensor:
        """Weighted *sum* of the losses of a microbatch, with gradient; float64 scalar. No step: no training noise."""

    def sequences(self, example: Rendered) -> tuple[Rendered, ...]:
        """What the model is shown of an example."""
        return (example,)

    def room(self, example: Rendered) -> int:
        """Tokens that one of its units takes in a microbatch."""
        return len(example.ids)

    def sampled(self, example: Rendered) -> int:
        """Tokens that are in the cache while answers to prompts like it are sampled."""
        return 0

    def beside(self, examples: Sequence[Rendered]) -> int:
        """Bytes in memory besides the training itself: another model, and what is kept of it."""
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

    def an_epoch(self, examples: Sequence[Rendered]) -> int:
        """How many of the examples make a pass over the data."""
        return len(examples)

    def draw(self, examples: Sequence[Rendered], batch_size: int, seed: int, number: int) -> list[Rendered]:
        """The examples of the 1-based step `number`: a fresh permutation every epoch."""
        return [examples[i] for i in global_batch(len(examples), batch_size, seed, number)]

    def batch(self, drawn: Sequence[Rendered], step: int) -> list[Rendered] | None:
        """What is trained on in a step, made of the examples drawn for it; None when asked to stop."""
        return list(drawn)

    def measured(self, figures: Mapping[str, float]) -> None:
        """Told after every step what the tally holds of it, over all processes; may change what the next step does."""
        return

    def state(self) -> JsonObject:
        """What must be in a checkpoint for the next step to be the same; JSON-safe."""
        return {}

    def load(self, state: JsonObject) -> None:
        """The inverse of `state`."""
        if state:
            raise NotImplementedError(f"{type(self).__name__} saved a state that it does not restore")

    @property
    def start_value(self) -> float | None:
        """Validation's measure of the starting model, where `begin` has taken it."""
        return None

    @property
    def start_figures(self) -> dict[str, float]:
        """Figures of validation of the starting model, by name with `eval_` before it, where `begin` has taken them."""
        return {}

    def validate(self, held: Sequence[Rendered]) -> float:
        """The measure of its own, the lower the better; asked only where `validates` is true."""
        return math.inf

    def in_words(self, metrics: dict[str, list[tuple[int, float]]], best_step: int) -> str:
        """What its figures say, for the report; empty where the losses say it.

        Args:
            metrics: (step, value) by name, of all steps; those of validation begin with `eval_`.
        """
        return ""
