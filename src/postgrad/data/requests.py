"""Requests seen in production: read as the training data is read, with or without answers."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from postgrad.data.formats.delimited import NoTableError
from postgrad.data.load import LoadedRecords, load
from postgrad.data.shapes.cells import to_answer, to_blocks
from postgrad.data.shapes.reading import OwnColumns
from postgrad.data.sources.in_memory import InMemory
from postgrad.data.sources.open_source import read_all
from postgrad.data.sources.rows import Rows
from postgrad.records import Conversation, Message, Record, Source


def load_requests(paths: Sequence[Path | str | InMemory], like: OwnColumns | None = None) -> LoadedRecords:
    """Reads requests. A table is read by the columns of the training data, or is one column of requests.

    Args:
        paths: The files, in order.
        like: The columns of the training data; where a table has its column of requests, this one is read, and the
            column of answers where it is there too. Other columns are no answers.

    Raises:
        DataError: A file cannot be read, or where its requests stand cannot be told.
    """
    records: list[Record] = []
    told: list[str] = []
    notes: list[str] = []
    for path in paths:
        rows = _table(path)
        asked = () if rows is None else _request_columns(rows, like)
        if rows is None or not asked:
            loaded = load([path], minimum=1)
            records += loaded.records
            told.append(loaded.explanation)
            notes += loaded.notes
            continue
        answers = like.answers if like is not None and asked == like.requests else ()
        answers = answers if set(answers) <= set(rows.columns) else ()
        records += _requests(rows, asked, answers)
        notes += rows.notes
        told.append(
            f"Requests are read from {_named(asked)}"
            + (f", answers from {_named(answers)}, as in the training data." if answers else "; it has no answers.")
        )
    return LoadedRecords(tuple(records), "requests", " ".join(dict.fromkeys(told)), tuple(dict.fromkeys(notes)))


def _table(path: Path | str | InMemory) -> Rows | None:
    """The one table of a source; None where it is something else."""
    if isinstance(path, InMemory):
        found = path.rows
    else:
        try:
            found = read_all(path)
        except NoTableError as one_column:
            return _one_column(one_column.text, str(path))
    return found[0] if len(found) == 1 else None


def _one_column(text: str, file: str) -> Rows:
    """A column of requests: of a CSV file below its name, otherwise a request a line."""
    if not file.lower().endswith((".csv", ".tsv")):
        lines = [(n, {"request": line}) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
        return Rows(file, "text", tuple(lines), ("request",))
    reader = csv.reader(io.StringIO(text))
    name = next(reader)[0].strip()
    found = [(reader.line_num, {name: ",".join(cells)}) for cells in reader if any(map(str.strip, cells))]
    return Rows(file, "csv", tuple(found), (name,))


def _request_columns(rows: Rows, like: OwnColumns | None) -> tuple[str, ...]:
    if like is not None and set(like.requests) <= set(rows.columns):
        return like.requests
    return rows.columns if len(rows.columns) == 1 else ()


def _named(columns: Sequence[str]) -> str:
    return " and ".join(map(repr, columns))


def _requests(rows: Rows, asked: Sequence[str], answers: Sequence[str]) -> list[Record]:
    return [
        Conversation(
            messages=(Message("user", text), Message("assistant", to_answer(values, answers) if answers else "")),
            source=Source(rows.file, line, rows.sheet_rows.get(line, 0)),
        )
        for line, values in rows
        if (text := to_blocks(values, asked))
    ]
