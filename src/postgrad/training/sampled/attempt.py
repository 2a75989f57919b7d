"""A sampled answer as it is trained: tokens of the model's own, and what it is worth. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from postgrad.json_types import JsonObject
from postgrad.models.rendering.render import Rendered


@dataclass(frozen=True, slots=True)
class Attempt(Rendered):
    """A sampled answer after its prompt; the tokens that the model sampled have weight 1, all others 0.

    Attributes:
        number: In the batch.
        advantage: How much better than its group.
        finished: Whether it came to an end.
    """

    number: int = 0
    advantage: float = 0.0
    finished: bool = True


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
