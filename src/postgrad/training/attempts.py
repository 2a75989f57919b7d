"""A sampled answer as it is trained on, and as it stands in a checkpoint.

Shapes: N tokens of one answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from postgrad.json_types import JsonMapping
from postgrad.models.rendering.render import Rendered

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Attempt(Rendered):
    """A sampled answer after its prompt; the answer's tokens have weight 1.

    Attributes:
        number: In the batch.
        advantage: How much better than its group; its reward where answers are not compared.
        finished: Whether it came to an end.
    """

    number: int = 0
    advantage: float = 0.0
    finished: bool = True


@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """Log-probabilities of an answer's tokens, (N,) float64.

    Attributes:
        now: Under the weights as they are, with gradient.
        sampled: Under those that it was sampled from.
        reference: Under the starting model; None where the objective does not refer to it.
        values: What the value head says now before each token, (N,) with gradient; None without one.
    """

    now: torch.Tensor
    sampled: torch.Tensor
    reference: torch.Tensor | None
    values: torch.Tensor | None = None


def as_json(attempts: Sequence[Attempt]) -> list[list[object]]:
    """JSON-safe rows of which `from_json` makes the same attempts."""
    return [[list(a.ids), a.supervised, a.origin, a.number, a.advantage, a.finished] for a in attempts]


def from_json(state: JsonMapping) -> list[Attempt]:
    """The attempts of a checkpoint's state; rows of earlier versions do not say whether an answer came to an end."""
    return [
        Attempt(
            tuple(ids),
            (0.0,) * (len(ids) - n) + (1.0,) * n,
            origin=origin,
            number=number,
            advantage=advantage,
            finished=all(finished),
        )
        for ids, n, origin, number, advantage, *finished in state["attempts"]
    ]
