"""What every reader yields: rows that know their line. The bridge from files to records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from postgrad.errors import DataError
from postgrad.json_types import JsonMapping, JsonObject

RowValues: TypeAlias = JsonMapping
"""Column → value of one row, read only."""
Row = tuple[int, JsonObject]
"""(1-based line in the file, column → value)"""

NAMED = 5
"""How many faulty lines a message names."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one file.

    Attributes:
        file: The file's name as the user gave it; a password in it is masked.
        format: `csv`, `tsv`, `json`, `jsonl`, `xlsx`, `xls`, `ods`, `parquet`, `arrow`, `sql`, `mbox`, `eml`, `irc`,
            `whatsapp`, `slack`, or `folder`.
        rows: (line or row number, values) of each row.
        columns: All column names in order of first appearance.
        notes: What the reader noticed or assumed, one sentence each.
        how: How rows came about that stand for several rows of the file; empty where each is one of the file.
        sheet_rows: Line → row as a spreadsheet counts, for the lines of which it is another number.
    """

    file: str
    format: str
    rows: tuple[Row, ...]
    columns: tuple[str, ...]
    notes: tuple[str, ...] = ()
    how: str = ""
    sheet_rows: Mapping[int, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)


def columns_of(rows: Sequence[Row]) -> tuple[str, ...]:
    """All keys, in order of first appearance."""
    return tuple(dict.fromkeys(key for _, values in rows for key in values))


def name_columns(names: Sequence[str], where: str) -> tuple[tuple[str, ...], list[str]]:
    """(column names, notes): empty ones are numbered.

    Raises:
        DataError: A name stands there twice.
    """
    columns, notes = list(names), []
    for position, name in enumerate(columns):
        if not name:
            columns[position] = f"column_{position + 1}"
            notes.append(f"column {position + 1} has no name and is called column_{position + 1}")
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        others = f" (also repeated: {', '.join(map(repr, twice[1:]))})" if twice[1:] else ""
        raise DataError(
            f"{where}: the column name {twice[0]!r} appears {columns.count(twice[0])} times{others}.",
            "Give every column its own name.",
        )
    return tuple(columns), notes


class Some:
    """Line numbers of which the first few are kept and all are counted; `str` gives `line 7`, or
    `lines 1, 2, 3, 4, 5 and 31 more`."""

    def __init__(self) -> None:
        self.first: list[int] = []
        self.count = 0

    def add(self, line: int) -> None:
        """Counts a line."""
        self.count += 1
        if len(self.first) < NAMED:
            self.first.append(line)

    def __str__(self) -> str:
        if self.count == 1:
            return f"line {self.first[0]}"
        more = self.count - len(self.first)
        return f"lines {', '.join(map(str, self.first))}" + (f" and {more} more" if more else "")


def name_lines(lines: Sequence[int]) -> str:
    """`line 7`, `lines 7, 9, 12` or `lines 1, 2, 3, 4, 5 and 31 more`."""
    some = Some()
    for line in lines:
        some.add(line)
    return str(some)


def were(count: int, noun: str) -> str:
    """`1 line was`, `12 lines were`."""
    return f"{count:,} {noun} was" if count == 1 else f"{count:,} {noun}s were"
