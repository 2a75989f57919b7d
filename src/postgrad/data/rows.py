"""What every reader yields: rows that know their line. The bridge from files to records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Row = tuple[int, dict[str, Any]]
"""(1-based line in the file, column → value)"""

NAMED = 5
"""How many faulty lines a message names."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one file.

    Attributes:
        file: The file's name as the user gave it.
        format: `csv`, `tsv`, `json` or `jsonl`.
        rows: (line number, values) of each row.
        columns: All column names in order of first appearance.
        notes: What the reader noticed or assumed, one sentence each.
    """

    file: str
    format: str
    rows: tuple[Row, ...]
    columns: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)


def columns_of(rows: Sequence[Row]) -> tuple[str, ...]:
    """All keys, in order of first appearance."""
    return tuple(dict.fromkeys(key for _, values in rows for key in values))


def name_lines(lines: Sequence[int]) -> str:
    """`line 7`, `lines 7, 9, 12` or `lines 1, 2, 3, 4, 5 and 31 more`."""
    if len(lines) == 1:
        return f"line {lines[0]}"
    shown = ", ".join(map(str, lines[:NAMED]))
    more = len(lines) - NAMED
    return f"lines {shown} and {more} more" if more > 0 else f"lines {shown}"
