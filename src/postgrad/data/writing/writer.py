"""What a shape to write is: which records it holds, and how one of them becomes a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from postgrad.json_types import JsonObject
from postgrad.records import Record


@dataclass(frozen=True, slots=True)
class ShapeWriter:
    """A shape to write.

    Attributes:
        kinds: The classes of records that it holds; others are turned into the first of them where that makes sense.
        row: A record of one of them → its row; raises Inexpressible.
        keeps_meta: Whether metadata may stand beside the shape's own keys.
        strict: Whether the program that it is for may refuse other keys: metadata is then written only on demand.
        own: Whether metadata stands in the row already.
        calls_anew: Whether the ids of tool calls and the blanks in their arguments are not kept.
        said: What it is, for `--help` and the documentation.
    """

    kinds: tuple[type[Record], ...]
    row: Callable[..., JsonObject]
    said: str
    keeps_meta: bool = True
    strict: bool = False
    own: bool = False
    calls_anew: bool = False
