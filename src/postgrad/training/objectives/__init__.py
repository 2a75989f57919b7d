"""Objectives: what training minimises, one file each. The loop knows none of them.

An objective turns records into examples and gives the loss of a microbatch. To add one: a file, a line here, a test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from postgrad.models.render import Rendered
from postgrad.records import Record

if TYPE_CHECKING:
    import torch

    from postgrad.training.forward import Forward


@dataclass(frozen=True, slots=True)
class Prepared:
    """Records made ready for training.

    Attributes:
        examples: What the loop batches.
        dropped: Records left out by the length policy.
        truncated: Examples whose prompt was cut.
    """

    examples: tuple[Rendered, ...]
    dropped: int
    truncated: int


class Objective(Protocol):
    """What the loop asks of an objective."""

    name: str

    def prepare(self, records: Sequence[Record]) -> Prepared:
        """Examples of the records; raises DataError naming every record that has nothing to learn."""
        ...

    def weight(self, example: Rendered) -> float:
        """What an example counts in the mean over the global batch."""
        ...

    def loss(self, forward: Forward, batch: Sequence[Rendered], step: int | None = None) -> torch.Tensor:
        """Weighted *sum* of the losses of a microbatch, with gradient; float64 scalar. No step: no training noise."""
        ...


def _sft(**options: Any) -> Objective:
    from postgrad.training.objectives.sft import Sft

    return Sft(**options)


def _pretrain(**options: Any) -> Objective:
    from postgrad.training.objectives.pretrain import Pretrain

    return Pretrain(**options)


OBJECTIVES: dict[str, Callable[..., Objective]] = {"sft": _sft, "pretrain": _pretrain}
