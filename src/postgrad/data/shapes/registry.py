"""The shapes of training files that are known by their keys and values; what none of them knows is left to `guess`.

A new shape is a file with its `Shape` and one line here, unless it belongs to one of the families (`known_chats`,
`known_pairs`, `known_tasks`; their reading functions stand in `read_chats`, `read_pairs`, `read_tasks`). The first one
that fits a row is the row's shape, so what says more stands before what says less. Others add theirs without touching
it, as an entry point of an installed package in the group `postgrad.shapes`; those stand before all of the house.
"""

from __future__ import annotations

import functools
from dataclasses import replace

from postgrad.data.shapes.known_chats import CHATS
from postgrad.data.shapes.known_pairs import PAIRS
from postgrad.data.shapes.known_tasks import OWN, TASKS
from postgrad.data.shapes.read_chats import RowValues
from postgrad.data.shapes.row_errors import LeftOut, TurnError
from postgrad.data.shapes.shape import KINDS, Shape
from postgrad.extensions import Extended, of_its_name, with_name

SHAPES: tuple[Shape, ...] = (
    *OWN,
    *PAIRS,
    *CHATS,
    *TASKS,
)


@functools.cache
def shapes() -> tuple[Shape, ...]:
    """Those that are read, the first that fits first: of installed packages, then `SHAPES`.

    Raises:
        UsageError: one of a package's cannot be taken.
    """
    house = {shape.name: shape for shape in SHAPES}
    table = Extended("postgrad.shapes", house, "shape", take=_others)
    return (*(_watched(table[name], table.origin(name)) for name in table if table.origin(name)), *SHAPES)


def _watched(shape: Shape, origin: str) -> Shape:
    """With what the user should know: whose it is, where a row is read and where it fails."""
    what = f"The shape {shape.name!r} of {origin}"
    return replace(
        shape,
        explanation=f"{shape.explanation} The shape is of {origin}.",
        fits=with_name(shape.fits, what),
        read=with_name(shape.read, what, TurnError, LeftOut),
    )


def _others(name: str, given: object) -> Shape:
    return of_its_name(given, Shape, name)


def shape_of(values: RowValues) -> Shape | None:
    """The first known shape that fits a row; None where columns must be chosen."""
    for shape in _candidates(tuple(values)):
        if shape.fits(values):
            return shape
    return None


@functools.lru_cache(maxsize=4096)
def _candidates(keys: tuple[str, ...]) -> tuple[Shape, ...]:
    return tuple(shape for shape in shapes() if set(shape.needs) <= set(keys))


__all__ = ["KINDS", "SHAPES", "Shape", "shape_of", "shapes"]
