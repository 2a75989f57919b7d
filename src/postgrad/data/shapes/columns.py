"""From rows to records: recognises the shape or chooses the columns, and says in a sentence how it did."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from postgrad.data.shapes.cells import quoted, shorten, to_answer, to_blocks, to_text
from postgrad.data.shapes.content_parts import attach_images
from postgrad.data.shapes.guess import ColumnChoice, guess
from postgrad.data.shapes.read_chats import (
    IMAGE_COLUMNS,
    SYSTEM_COLUMNS,
    TOOL_COLUMNS,
    is_turns,
    system_text,
    with_system,
)
from postgrad.data.shapes.reading import OwnColumns, Reading, recognise, refuse_one_column
from postgrad.data.shapes.registry import Shape
from postgrad.data.sources.rows import Row, Rows, RowValues
from postgrad.errors import DataError
from postgrad.records import Conversation, Message, Record, Source, Task, Text

_META_NAMED = 6


@dataclass(frozen=True, slots=True)
class Mapped:
    """Records with the account of how they came about.

    Attributes:
        records: In the order of the rows.
        shape: `input-output columns`, `OpenAI chat`, `Alpaca` …
        explanation: One or two sentences: which columns are input and output, why, and what is kept as metadata.
        notes: What the reader and the mapping noticed.
        table: Of a table of requests and answers: its columns.
    """

    records: list[Record]
    shape: str
    explanation: str
    notes: tuple[str, ...] = ()
    table: OwnColumns | None = None


def to_records(
    rows: Rows | Sequence[Rows],
    *,
    input_column: str | Sequence[str] | None = None,
    output_column: str | Sequence[str] | None = None,
    system_prompt: str | None = None,
) -> Mapped:
    """Maps rows to records.

    Args:
        rows: The rows of one file, or of several files with the same columns, which are judged together.
        input_column: The input's column; several (a sequence, or joined by commas) become `name: value` blocks.
        output_column: The output's column; several become one JSON object.
        system_prompt: Put in front of every prompt that has no system message.

    Raises:
        DataError: The columns are ambiguous or unknown, or rows do not keep to the file's shape.
    """
    files = [rows] if isinstance(rows, Rows) else list(rows)
    notes = dict.fromkeys(note if len(files) == 1 else f"{f.file}: {note}" for f in files for note in f.notes)
    try:
        reading = choose_reading(
            files, input_column=input_column, output_column=output_column, system_prompt=system_prompt
        )
    except DataError as error:
        if not notes:
            raise
        raise DataError("\n".join([error.message, *(f"Noticed: {note}." for note in notes)]), error.mend) from error
    records = reading.records(files)
    return Mapped(records, reading.name, reading.explanation, (*notes, *reading.notes()), reading.table)


def choose_reading(
    rows: Rows | Sequence[Rows],
    *,
    input_column: str | Sequence[str] | None = None,
    output_column: str | Sequence[str] | None = None,
    system_prompt: str | None = None,
) -> Reading:
    """How these rows, and all that follow them in the same file, are read. The arguments are those of `to_records`.

    Raises:
        DataError: The columns are ambiguous or unknown, or the rows are of several shapes.
    """
    files = [rows] if isinstance(rows, Rows) else list(rows)
    columns = tuple(dict.fromkeys(c for f in files for c in f.columns))
    everything = [row for f in files for row in f]
    name = files[0].file if len(files) == 1 else f"{files[0].file} and {len(files) - 1} more"
    if input_column is None and output_column is None:
        shape = recognise(everything, columns, name)
        if shape is not None:
            own = None if system_prompt else _own(shape, columns, [values for _, values in everything])
            return _known(shape, columns, system_prompt, next((f.how for f in files if f.how), ""), own)
        refuse_one_column(columns, name)
    inputs = _named(input_column, columns, everything, name, "--input")
    outputs = _named(output_column, columns, everything, name, "--output")
    choice = guess(everything, columns, name, inputs=inputs, outputs=outputs)
    systems = tuple(c for c in columns if c in SYSTEM_COLUMNS and c not in (*choice.inputs, *choice.outputs))
    used = frozenset((*choice.inputs, *choice.outputs, *systems))

    def read(source: Source, values: RowValues) -> list[Record]:
        return [_prompted(_pair(choice, used, source, values), system_prompt)]

    own = None
    if len(systems) <= 1 and not choice.images and not system_prompt:
        own = OwnColumns(columns, choice.inputs, choice.outputs, systems[0] if systems else None)
    return Reading("input-output columns", choice.why + _kept(columns, used), None, read, used, table=own)


def _own(shape: Shape, columns: Sequence[str], rows: Sequence[RowValues]) -> OwnColumns | None:
    """The columns of rows that are a request and an answer in texts; None of others."""
    systems = [c for c in columns if c in SYSTEM_COLUMNS]
    if shape.pair is None or len(systems) > 1 or {*columns} & {*IMAGE_COLUMNS, *TOOL_COLUMNS}:
        return None
    request, answer = shape.pair
    if any(is_turns(values.get(column)) for values in rows for column in shape.pair):
        return None
    return OwnColumns(tuple(columns), (request,), (answer,), systems[0] if systems else None)


def _known(
    shape: Shape, columns: Sequence[str], system_prompt: str | None, how: str, own: OwnColumns | None
) -> Reading:
    used = frozenset(shape.uses)

    def read(source: Source, values: RowValues) -> list[Record]:
        meta = {key: value for key, value in values.items() if key not in used}
        found = shape.read(values, {"source": source, "meta": meta})
        return [_prompted(record, system_prompt) for record in found] if system_prompt else found

    kept = "" if shape.kind in (Record, Task) else _kept(columns, used)
    told = (how or f"Read as {shape.name}: {shape.explanation}") + kept
    return Reading(shape.name, told, shape, read, used, table=own)


def _pair(choice: ColumnChoice, used: frozenset[str], source: Source, values: RowValues) -> Record:
    texts = [column for column in choice.inputs if column not in choice.images]
    asked = (Message("user", to_blocks(values, texts) if texts else ""),)
    if pictures := [values[column] for column in choice.images if values.get(column)]:
        asked = attach_images(asked, pictures)
    messages = (*asked, Message("assistant", to_answer(values, choice.outputs)))
    meta = {key: value for key, value in values.items() if key not in used}
    system = to_text(system_text(values, tuple(used)))
    return Conversation(messages=with_system(messages, system), source=source, meta=meta)


def _prompted(record: Record, system_prompt: str | None) -> Record:
    """The record with an instruction in front, where it has none."""
    if not system_prompt or isinstance(record, Text):
        return record
    name = "messages" if isinstance(record, Conversation) else "prompt"
    messages: tuple[Message, ...] = getattr(record, name)
    changes: dict[str, Any] = {name: with_system(messages, system_prompt)}
    return replace(record, **changes)


def _named(
    option: str | Sequence[str] | None, columns: Sequence[str], rows: Sequence[Row], file: str, flag: str
) -> tuple[str, ...]:
    """The columns that an option names; every unknown one is refused together with what there is."""
    if option is None:
        return ()
    if isinstance(option, str):
        option = (option,) if option in columns else option.split(",")
    wanted = tuple(part.strip() for part in option if part.strip())
    by_lower = {c.lower(): c for c in columns}
    found = tuple(dict.fromkeys(c if c in columns else by_lower.get(c.lower(), c) for c in wanted))
    unknown = [c for c in found if c not in columns]
    if not unknown and found:
        return found
    near = difflib.get_close_matches(unknown[0].lower() if unknown else "", list(by_lower), n=1, cutoff=0.6)
    first = rows[0][1] if rows else {}
    listed = "\n".join(f"  {c}: {shorten(first.get(c, ''))!r}" for c in columns)
    missing = ", ".join(map(repr, unknown)) or "an empty name"
    best = quoted(by_lower[near[0]] if near else columns[0])
    raise DataError(
        f"{file} has no column {missing} ({flag}). Its columns, with the first value of each:\n{listed}",
        f"Did you mean {flag} {best}?" if near else f"Name one of them: {flag} {best}",
    )


def _kept(columns: Sequence[str], used: Collection[str]) -> str:
    rest = [c for c in columns if c not in used]
    if not rest:
        return ""
    more = f" and {len(rest) - _META_NAMED} more" if len(rest) > _META_NAMED else ""
    return f" Kept as metadata: {', '.join(rest[:_META_NAMED])}{more}."
