"""The shapes of training files that are known by their keys and values; what none of them knows is left to `guess`.

A new shape is a file with its `Shape` and one line here, unless it belongs to one of the families (`known_chats`,
`known_pairs`, `known_tasks`; their reading functions stand in `read_chats`, `read_pairs`, `read_tasks`). The first one
that fits a row is the row's shape, so what says more stands before what says less.
"""

from __future__ import annotations

import functools

from postgrad.data.shapes.known_chats import CHATS
from postgrad.data.shapes.known_pairs import PAIRS
from postgrad.data.shapes.known_tasks import OWN, TASKS
from postgrad.data.shapes.read_chats import RowValues
from postgrad.data.shapes.shape import KINDS, Shape

SHAPES: tuple[Shape, ...] = (
    *OWN,
    *PAIRS,
    *CHATS,
    *TASKS,
)


def shape_of(values: RowValues) -> Shape | None:
    """The first known shape that fits a row; None where columns must be chosen."""
    for shape in _candidates(tuple(values)):
        if shape.fits(values):
            return shape
    return None


@functools.lru_cache(maxsize=4096)
def _candidates(keys: tuple[str, ...]) -> tuple[Shape, ...]:
    return tuple(shape for shape in SHAPES if set(shape.needs) <= set(keys))


__all__ = ["KINDS", "SHAPES", "Shape", "shape_of"]
