"""What a known shape is: how its rows are told from others, and how they are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from postgrad.data.shapes.read_chats import IMAGE_COLUMNS, SYSTEM_COLUMNS, TOOL_COLUMNS, About, RowValues
from postgrad.records import Conversation, Preference, Rating, Record, Task, Text

BESIDE = (*SYSTEM_COLUMNS, *TOOL_COLUMNS, *IMAGE_COLUMNS)
"""Keys that any conversation may have beside its messages."""

ALPACA = ("instruction", "input", "output", "history", *BESIDE)

KINDS: dict[type[Record], str] = {
    Conversation: "conversations",
    Preference: "preference pairs",
    Rating: "ratings",
    Task: "tasks without an answer to learn",
    Text: "raw text",
}
"""What a set of records is called towards the user."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A known shape.

    Attributes:
        name: What it is called towards the user.
        kind: The class of its records; None where it cannot be read, and `explanation` says why.
        explanation: How it is read, in a sentence.
        needs: The keys that every row has.
        uses: The keys that it reads; all others become metadata (or a task's fields).
        fits: Whether a row that has the keys is of this shape.
        read: One row → its records; may raise TurnError or LeftOut.
        absorbs: A shape whose rows count as this one's where they are the fewer.
        pair: The columns of request and answer, where a row of texts is one of each and nothing else.
    """

    name: str
    kind: type[Record] | None
    explanation: str
    needs: tuple[str, ...]
    uses: tuple[str, ...]
    fits: Callable[[RowValues], bool]
    read: Callable[[RowValues, About], list[Record]]
    absorbs: str = ""
    pair: tuple[str, str] | None = None


def filled(*keys: str) -> Callable[[RowValues], bool]:
    """Fits rows where none of the keys is null."""
    return lambda values: all(values.get(key) is not None for key in keys)
