"""Files of rows, written row by row: JSON Lines (also packed), JSON, CSV, Parquet, Excel. A file is there whole or not
at all."""

from __future__ import annotations

import codecs
import contextlib
import csv
import gzip
import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from postgrad.data.shapes.cells import to_json
from postgrad.data.shapes.row_errors import Inexpressible
from postgrad.errors import UsageError
from postgrad.json_types import JsonMapping, JsonObject
from postgrad.storage import file_atomic

Write = Callable[[JsonMapping], None]
_PARQUET_ROWS = 10_000


def ending_of(out: Path) -> str:
    """The ending that decides the container; `-` (standard output) is JSON Lines.

    Raises:
        UsageError: No container has this ending.
    """
    if str(out) == "-":
        return ".jsonl"
    found = next((ending for ending in ENDINGS if out.name.lower().endswith(ending)), None)
    if found is None:
        raise UsageError(
            f"{str(out)!r} has an ending that does not name its format.", f"Choose one of: {', '.join(ENDINGS)}."
        )
    return found


@contextlib.contextmanager
def writing(out: Path, marked: bool = False) -> Iterator[Write]:
    """Gives a function that writes one row; the file takes its place when the block ends well, and vanishes otherwise.

    Args:
        out: The file; `-` is standard output.
        marked: Begin a CSV file with the mark by which spreadsheets know UTF-8.

    Raises:
        StorageError: The disk is full or may not be written to.
        Inexpressible: (from the function) a table cannot hold the row.
    """
    form = _FORMS[ending_of(out)]
    if str(out) == "-":
        sys.stdout.flush()
        with form(sys.stdout.buffer) as write:
            yield write
        sys.stdout.buffer.flush()
        return
    with file_atomic(out, mode=None) as stream:
        if marked and form is _csv:
            stream.write(codecs.BOM_UTF8)
        with form(stream) as write:
            yield write


def _line(row: JsonMapping) -> bytes:
    return json.dumps(row, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace")


@contextlib.contextmanager
def _json_lines(stream: BinaryIO) -> Iterator[Write]:
    def write(row: JsonMapping) -> None:
        stream.write(_line(row) + b"\n")

    yield write


@contextlib.contextmanager
def _packed(stream: BinaryIO) -> Iterator[Write]:
    with gzip.GzipFile(fileobj=stream, mode="wb", mtime=0) as packed, _json_lines(packed) as write:  # type: ignore[arg-type]
        yield write


@contextlib.contextmanager
def _json(stream: BinaryIO) -> Iterator[Write]:
    between = b"[\n"

    def write(row: JsonMapping) -> None:
        nonlocal between
        stream.write(between + _line(row))
        between = b",\n"

    yield write
    stream.write(b"\n]\n" if between == b",\n" else b"[]\n")


@contextlib.contextmanager
def _csv(stream: BinaryIO) -> Iterator[Write]:
    """The first row decides the columns; every text stands in quotes, so that blanks in it are kept."""
    text = io.TextIOWrapper(stream, encoding="utf-8", errors="backslashreplace", newline="", write_through=True)
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    columns: list[str] = []

    def write(row: JsonMapping) -> None:
        cells = flat(row)
        if not columns:
            if len(cells) == 1:
                raise Inexpressible("it is only one text, and a table of one column looks like plain text")
            columns.extend(cells)
            writer.writerow(columns)
        _refuse_new(cells, columns)
        writer.writerow([cells.get(column, "") for column in columns])

    try:
        yield write
    finally:
        text.detach()  # whatever happens: a wrapper that is tidied up would close the stream beneath it


@contextlib.contextmanager
def _parquet(stream: BinaryIO) -> Iterator[Write]:
    """The first row decides the columns; all of them are texts but those of true and false."""
    import pyarrow
    import pyarrow.parquet

    rows: list[JsonObject] = []
    columns: dict[str, Any] = {}
    writer: Any = None

    def flush() -> None:
        nonlocal writer
        table = pyarrow.Table.from_pylist(rows, schema=pyarrow.schema(list(columns.items())))
        writer = writer or pyarrow.parquet.ParquetWriter(stream, table.schema)
        writer.write_table(table)
        rows.clear()

    def write(row: JsonMapping) -> None:
        cells: JsonObject = {key: row[key] if isinstance(row[key], bool) else text for key, text in flat(row).items()}
        if not columns:
            columns.update({k: pyarrow.bool_() if isinstance(v, bool) else pyarrow.string() for k, v in cells.items()})
        _refuse_new(cells, list(columns))
        rows.append(cells)
        if len(rows) >= _PARQUET_ROWS:
            flush()

    yield write
    if rows:
        flush()
    if writer is not None:
        writer.close()


@contextlib.contextmanager
def _workbook(stream: BinaryIO) -> Iterator[Write]:
    """One sheet; the first row decides the columns."""
    from postgrad.data.writing.workbook import sheet_of, workbook  # here: other containers need no library

    with workbook(stream) as book:
        add = sheet_of(book, "data")
        columns: list[str] = []

        def write(row: JsonMapping) -> None:
            cells = flat(row)
            if not columns:
                columns.extend(cells)
                add(columns)
            _refuse_new(cells, columns)
            add([row[c] if isinstance(row.get(c), int | float) else cells.get(c, "") for c in columns])

        yield write


def flat(row: JsonMapping) -> dict[str, str]:
    """The cells of a row: texts as they are, numbers, lists and the like as JSON.

    Raises:
        Inexpressible: The row holds messages, which no cell should.
    """
    nested = next((k for k, v in row.items() if isinstance(v, list | dict) and k in _NESTED), None)
    if nested is not None:
        raise Inexpressible(f"its {nested!r} is a list of messages or the like, which no cell of a table holds")
    return {
        key: value if isinstance(value, str) else "" if value is None else to_json(value) for key, value in row.items()
    }


_NESTED = frozenset(
    ["messages", "conversations", "prompt", "completion", "chosen", "rejected", "input", "tools", "history", "meta"]
)


def _refuse_new(cells: JsonMapping, columns: list[str]) -> None:
    new = [key for key in cells if key not in columns]
    if new:
        raise Inexpressible(f"it has {new[0]!r}, which the first record has not; the columns of a table are fixed")


_FORMS: dict[str, Callable[[Any], contextlib.AbstractContextManager[Write]]] = {
    ".jsonl.gz": _packed,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json,
    ".csv": _csv,
    ".parquet": _parquet,
    ".xlsx": _workbook,
}
"""Ending → the container. A new one is a function and a line here."""
ENDINGS = tuple(_FORMS)
TABLES = frozenset(ending for ending, form in _FORMS.items() if form in (_csv, _parquet, _workbook))
"""Endings of containers whose rows are cells of text."""
