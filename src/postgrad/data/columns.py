"""From rows to records: recognises the shape or chooses the columns, and says in a sentence how it did."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from postgrad.data.cells import shorten, to_answer, to_blocks
from postgrad.data.chat import TurnError
from postgrad.data.guess import Choice, guess
from postgrad.data.rows import NAMED, Row, Rows
from postgrad.data.shapes import SYSTEM_COLUMNS, read_shape, recognise, refuse_unusable, with_system
from postgrad.errors import DataError
from postgrad.records import Conversation, Message, Record, Source

_META_NAMED = 6


@dataclass(frozen=True, slots=True)
class Mapped:
    """Records with the account of how they came about.

    Attributes:
        records: In the order of the rows.
        shape: `input-output columns`, `OpenAI chat`, `Alpaca` …
        explanation: One or two sentences: which columns are input and output, why, and what is kept as metadata.
        notes: What the reader and the mapping noticed.
    """

    records: list[Record]
    shape: str
    explanation: str
    notes: tuple[str, ...] = ()


def to_records(
    rows: Rows | Sequence[Rows],
    *,
    input_column: str | Sequence[str] | None = None,
    output_column: str | Sequence[str] | None = None,
    system_prompt: str | None = None,
) -> Mapped:
    """Maps rows to conversations.

    Args:
        rows: The rows of one file, or of several files with the same columns, which are judged together.
        input_column: The input's column; several (a sequence, or joined by commas) become `name: value` blocks.
        output_column: The output's column; several become one JSON object.
        system_prompt: Put in front of every conversation that has no system message.

    Raises:
        DataError: The columns are ambiguous or unknown, or rows do not keep to the file's shape.
    """
    files = [rows] if isinstance(rows, Rows) else list(rows)
    columns = tuple(dict.fromkeys(c for f in files for c in f.columns))
    everything = [row for f in files for row in f]
    name = files[0].file if len(files) == 1 else f"{files[0].file} and {len(files) - 1} more"
    notes = tuple(dict.fromkeys(note if len(files) == 1 else f"{f.file}: {note}" for f in files for note in f.notes))
    if input_column is None and output_column is None:
        refuse_unusable(everything, columns, name)
        shape = recognise(everything, columns)
        if shape is not None:
            records = _read_all(files, lambda source, values: read_shape(shape, source, values))
            explanation = shape.explanation + _kept(columns, shape.uses)
            return Mapped(_with_prompt(records, system_prompt), shape.name, explanation, notes)
    inputs = _named(input_column, columns, everything, name, "--input")
    outputs = _named(output_column, columns, everything, name, "--output")
    choice = guess(everything, columns, name, inputs=inputs, outputs=outputs)
    systems = tuple(c for c in columns if c in SYSTEM_COLUMNS and c not in (*choice.inputs, *choice.outputs))
    used = (*choice.inputs, *choice.outputs, *systems)
    records = _read_all(files, lambda source, values: [_pair(choice, used, source, values)])
    explanation = choice.why + _kept(columns, used)
    return Mapped(_with_prompt(records, system_prompt), "input-output columns", explanation, notes)


def _pair(choice: Choice, used: Sequence[str], source: Source, values: Mapping[str, Any]) -> Record:
    messages = (
        Message("user", to_blocks(values, choice.inputs)),
        Message("assistant", to_answer(values, choice.outputs)),
    )
    meta = {key: value for key, value in values.items() if key not in used}
    return Conversation(messages=with_system(messages, values, used), source=source, meta=meta)


def _read_all(files: Sequence[Rows], read: Callable[[Source, Mapping[str, Any]], list[Record]]) -> list[Record]:
    """All records; rows that cannot be read are collected into one message."""
    records: list[Record] = []
    faults: list[str] = []
    count = 0
    for rows in files:
        for line, values in rows:
            try:
                records += read(Source(rows.file, line), values)
            except TurnError as error:
                count += 1
                if len(faults) < NAMED:
                    faults.append(f"{rows.file}, line {line}: {error}")
    if faults:
        more = f"\nand {count - len(faults)} more" if count > len(faults) else ""
        raise DataError(
            f"{count} of {sum(map(len, files))} conversations cannot be read:\n" + "\n".join(faults) + more,
            "Mend or remove these lines.",
        )
    return records


def _with_prompt(records: list[Record], system_prompt: str | None) -> list[Record]:
    if not system_prompt:
        return records
    system = Message("system", system_prompt)
    return [
        replace(r, messages=(system, *r.messages))
        if isinstance(r, Conversation) and not any(m.role == "system" for m in r.messages)
        else r
        for r in records
    ]


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
    raise DataError(
        f"{file} has no column {missing} ({flag}). Its columns, with the first value of each:\n{listed}",
        f"Did you mean {flag} {by_lower[near[0]]}?" if near else f"Name one of them: {flag} {columns[0]}",
    )


def _kept(columns: Sequence[str], used: Sequence[str]) -> str:
    rest = [c for c in columns if c not in used]
    if not rest:
        return ""
    more = f" and {len(rest) - _META_NAMED} more" if len(rest) > _META_NAMED else ""
    return f" Kept as metadata: {', '.join(rest[:_META_NAMED])}{more}."
