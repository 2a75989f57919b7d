"""A sampled answer as it is trained: tokens of the model's own, and what it is worth.

Shapes: N tokens of one answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from postgrad.json_types import JsonObject
from postgrad.models.rendering.render import Rendered

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Attempt(Rendered):
    """A sampled answer after its prompt; the tokens that the model sampled have weight 1, all others 0.

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


def as_json(attempt: Attempt) -> JsonObject:
    """For a checkpoint; weights as lengths of runs, not sampled and sampled by turns."""
    runs = [len(list(same)) for _, same in groupby(attempt.weights)]
    return {
        "ids": list(attempt.ids),
        "runs": runs if not attempt.weights or not attempt.weights[0] else [0, *runs],
        "origin": attempt.origin,
        "number": attempt.number,
        "advantage": attempt.advantage,
        "finished": attempt.finished,
    }


def of_json(raw: JsonObject) -> Attempt:
    """The inverse of `as_json`."""
    weights = [float(place % 2) for place, run in enumerate(raw["runs"]) for _ in range(run)]
    return Attempt(
        tuple(raw["ids"]),
        tuple(weights),
        origin=raw["origin"],
        number=raw["number"],
        advantage=raw["advantage"],
        finished=raw["finished"],
    )
