"""How the rows of a file are read: chosen once, on its first rows, and then used for all of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from postgrad.answers import parse_json
from postgrad.data.shapes.cells import to_blocks, to_text
from postgrad.data.shapes.registry import KINDS, Shape, shape_of
from postgrad.data.shapes.row_errors import Faults, Inexpressible, LeftOut, TurnError
from postgrad.data.sources.rows import Row, Rows, RowValues, name_lines
from postgrad.errors import DataError
from postgrad.json_types import JsonObject
from postgrad.records import Conversation, Record, Source

TABLES = frozenset(["csv", "tsv", "xlsx", "ods"])
"""Formats in which stray blanks around a cell's text are nobody's intention."""
_MEND_MIXED = "Give each kind a file of its own: their columns mean different things."


@dataclass(frozen=True, slots=True)
class OwnColumns:
    """The columns of a table of requests and answers, so that a mended record becomes a row again.

    Attributes:
        columns: All, in the order of the file.
        requests: Those that make the request.
        answers: Those that make the answer.
        system: The column of the instruction; None without one.
    """

    columns: tuple[str, ...]
    requests: tuple[str, ...]
    answers: tuple[str, ...]
    system: str | None = None

    def row(self, record: Conversation) -> JsonObject:
        """A record of this table as its row.

        Raises:
            Inexpressible: its request or answer does not come apart into the columns.
        """
        said = {m.role: m.content for m in record.messages}
        own = {**self._request(said["user"]), **self._answer(record.answer_text)}
        if self.system is not None:
            own[self.system] = said.get("system", "")
        return {column: own.get(column, record.meta.get(column)) for column in self.columns}

    def _request(self, text: str) -> JsonObject:
        if len(self.requests) == 1:
            return {self.requests[0]: text}
        names = "|".join(re.escape(column) for column in self.requests)
        parts = re.split(rf"(?:\A|\n\n)({names}): ", text)
        found = dict.fromkeys(self.requests, "") | dict(zip(parts[1::2], parts[2::2], strict=True))
        if parts[0] or to_blocks(found, self.requests) != text:
            raise Inexpressible(f"its request does not come apart into {', '.join(self.requests)}")
        return {**found}

    def _answer(self, text: str) -> JsonObject:
        if len(self.answers) == 1:
            return {self.answers[0]: text}
        parsed = parse_json(text)
        if not isinstance(parsed, dict) or set(parsed) != set(self.answers):
            raise Inexpressible(f"its answer is no object of {', '.join(self.answers)}")
        return dict(parsed)


@dataclass(slots=True)
class Reading:
    """A way to read rows, and what it left out so far.

    Attributes:
        name: The shape's name: `OpenAI chat`, `input-output columns` …
        explanation: One or two sentences: what is input and output, why, and what is kept besides.
        shape: The known shape; None where columns were chosen.
        read: One row → its records.
        uses: The columns that are read; in tables their texts lose stray blanks.
        table: Of a table of requests and answers: its columns.
        left_out: Reason → the places (file, line) of rows that gave no record.
    """

    name: str
    explanation: str
    shape: Shape | None
    read: Callable[[Source, RowValues], list[Record]]
    uses: frozenset[str]
    left_out: dict[str, list[Source]] = field(default_factory=dict)
    table: OwnColumns | None = None
    kind: type[Record] | None = None
    first: Source = field(default_factory=Source)

    def records(self, rows: Rows | Sequence[Rows]) -> list[Record]:
        """The records of rows, of one file or several.

        Raises:
            DataError: Rows cannot be read, or are of another kind than the rows before; the first five are named.
        """
        files = [rows] if isinstance(rows, Rows) else list(rows)
        records: list[Record] = []
        faults = Faults()
        for one in files:
            tidy = one.format in TABLES
            for line, values in one:
                source = Source(one.file, line, one.sheet_rows.get(line, 0))
                try:
                    self._same_shape(values)
                    found = self.read(source, _tidied(values, self.uses) if tidy else values)
                    self._same_kind(found, source)
                except LeftOut as reason:
                    self.left_out.setdefault(str(reason), []).append(source)
                except TurnError as error:
                    faults.add(f"{one.file}, line {line}: {error}")
                else:
                    records += found
        if faults.count:
            raise faults.error(
                f"{faults.count} of {sum(map(len, files))} rows cannot be read:", "Fix or remove these lines."
            )
        return records

    def notes(self) -> list[str]:
        """What was left out, a sentence a reason."""
        return [
            f"{len(places)} {'row was' if len(places) == 1 else 'rows were'} left out: {reason} "
            f"({name_lines([place.line for place in places])})"
            for reason, places in self.left_out.items()
        ]

    def _same_shape(self, values: RowValues) -> None:
        if self.shape is None:
            if not self.uses & values.keys():
                other = shape_of(values)
                which = f"; it looks like {other.name}" if other else ""
                raise TurnError(f"the row has none of the expected columns ({', '.join(sorted(self.uses))}){which}")
            return
        other = shape_of(values)
        if other is not None and other.name not in (self.shape.name, self.shape.absorbs):
            raise TurnError(f"the row is {other.name}, the rows before it are {self.shape.name}")

    def _same_kind(self, found: Sequence[Record], source: Source) -> None:
        for record in found:
            if self.kind is None:
                self.kind, self.first = type(record), source
            elif type(record) is not self.kind:
                raise TurnError(f"the row holds {KINDS[type(record)]}, but {self.first} holds {KINDS[self.kind]}")


def recognise(rows: Sequence[Row], columns: Sequence[str], file: str) -> Shape | None:
    """The known shape of most rows; None where columns must be chosen.

    Raises:
        DataError: Rows are of several shapes (one line of each is named), or of a shape that cannot be used.
    """
    counts: Counter[str] = Counter()
    first: dict[str, tuple[int, Shape]] = {}
    for line, values in rows:
        shape = shape_of(values)
        name = shape.name if shape else ""
        counts[name] += 1
        if shape is not None:
            first.setdefault(name, (line, shape))
    if not first:
        return None
    main = first[max(first, key=lambda name: counts[name])][1]
    others = [name for name in first if name not in (main.name, main.absorbs)]
    if others:
        shown = "; ".join(f"line {first[name][0]} is {name} ({counts[name]} rows)" for name in (main.name, *others))
        raise DataError(f"{file} mixes several shapes: {shown}.", _MEND_MIXED)
    if counts[""] > counts[main.name] + counts[main.absorbs]:
        return None
    if main.kind is None:
        raise DataError(
            f"{file} holds {main.name}. {main.explanation}",
            "Give whole answers: prompt with completion, or with chosen and rejected.",
        )
    return main


def refuse_one_column(columns: Sequence[str], file: str) -> None:
    """Refuses rows with a single column that no shape knows.

    Raises:
        DataError: There is one column.
    """
    if len(columns) == 1:
        raise DataError(
            f"{file} has one column ({columns[0]!r}); training requires an input and its right answer.",
            "Give a file with two columns, or chat messages that end with the assistant's answer; raw text for "
            "--objective pretrain goes in a column 'text'.",
        )


def _tidied(values: RowValues, uses: frozenset[str]) -> JsonObject:
    return {key: to_text(value) if key in uses and isinstance(value, str) else value for key, value in values.items()}
