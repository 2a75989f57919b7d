"""CSV, TSV, JSON and JSON Lines → rows: as a whole, which lets all be judged together, or chunk by chunk where a file
is long."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator

from postgrad.data.formats.api_logs import ApiLogs
from postgrad.data.formats.chat_logs import chat_form, read_chat
from postgrad.data.formats.delimited import (
    DELIMITERS,
    Fitting,
    choose_reading,
    header_columns,
    open_quote,
    read_lines,
    read_table,
    sniff_delimiter,
    too_long_field,
)
from postgrad.data.formats.json_rows import LineReader, read_json, read_json_lines
from postgrad.data.sources.bytestream import ByteStream
from postgrad.data.sources.chunks import Chunker
from postgrad.data.sources.encodings import decode
from postgrad.data.sources.file_types import binary_kind
from postgrad.data.sources.lines import HEAD, Lines, whole
from postgrad.data.sources.rows import Row, Rows, columns_of
from postgrad.errors import DataError

_KEYS_NAMED = 5


def read_text(stream: ByteStream, named: str = "") -> Rows:
    """Reads a text of examples as a whole.

    Args:
        stream: The file.
        named: What its name claims: `csv`, `tsv`, `json`, `jsonl` or nothing.

    Raises:
        DataError: Empty, binary, broken, or without examples.
    """
    refuse_binary(stream)
    raw = whole(stream)
    file = stream.file
    if not raw.strip(b"\x00 \t\r\n"):
        raise empty(file)
    decoded = decode(raw)
    text, notes = decoded.text, [*stream.notes, *decoded.notes]
    if "\x00" in text:
        notes.append(f"{text.count(chr(0))} NUL characters were removed")
        text = text.replace("\x00", "")
    if not text.strip():
        raise empty(file)
    chat = chat_form(text)
    if chat is not None:
        return read_chat(text, file, chat, notes)
    form = format_of(text, named)
    if named and form != named and {form, named} != {"csv", "tsv"}:
        notes.append(f"the name says {named}, but the content is {form} and was read as such")
    if form in ("csv", "tsv"):
        table = read_table(text, file, prefer="\t" if named == "tsv" else ",")
        form = "tsv" if table.delimiter == "\t" else "csv"
        return Rows(file, form, table.rows, table.columns, (*notes, *table.notes), sheet_rows=table.sheet_rows)
    rows, more = (read_json_lines(text, file), []) if form == "jsonl" else read_json(text, file)
    rows = [(line, values) for line, values in rows if values]
    if not rows:
        raise _no_examples(file)
    logs = ApiLogs(rows)
    rows = [new for row in rows if (new := logs.read(row)) is not None]
    if not rows:
        raise DataError(f"{file} holds logged calls, but none with an answer.", "Log the responses too.")
    keys = KeyCounts()
    keys.count(rows)
    return Rows(file, form, tuple(rows), columns_of(rows), (*notes, *more, *logs.notes(), *keys.notes()))


def stream_text(stream: ByteStream, chunk: int, named: str = "") -> Iterator[Rows]:
    """Reads a text chunk by chunk; short ones, and those that cannot be cut, are read as a whole first.

    Raises:
        DataError: As `read_text`; broken lines are collected and refused after the last chunk.
    """
    refuse_binary(stream)
    head = stream.peek(HEAD)
    if len(head) < HEAD:
        yield from Chunker.cut(read_text(stream, named), chunk)
        return
    sample = decode(head[: head.rfind(b"\n") + 1] or head).text
    if chat_form(sample) is not None or (form := format_of(sample, named)) == "json":
        yield from Chunker.cut(read_text(stream, named), chunk)
        return
    lines = Lines(stream)
    notes = [*stream.notes, *lines.notes]
    if named and form != named and {form, named} != {"csv", "tsv"}:
        notes.append(f"the name says {named}, but the content is {form} and was read as such")
    if form == "jsonl":
        yield from _stream_json_lines(lines, stream.file, notes, chunk)
    else:
        yield from _stream_table(lines, sample, stream.file, notes, chunk, "\t" if named == "tsv" else ",")


def _stream_json_lines(lines: Lines, file: str, notes: list[str], chunk: int) -> Iterator[Rows]:
    reader, keys, chunker = LineReader(file), KeyCounts(), Chunker(file, "jsonl", chunk, notes)
    held: list[tuple[Row, int]] = []
    logs: ApiLogs | None = None
    for number, line in enumerate(lines, start=1):
        row = reader.read(number, line)
        if row is None or not row[1]:
            continue
        if logs is None:  # the first rows say whether these are logged calls
            held.append((row, len(line)))
            if len(held) < ApiLogs.SAMPLE:
                continue
            logs = ApiLogs([first for first, _ in held])
        for read, size in held or [(row, len(line))]:
            if (new := logs.read(read)) is not None:
                keys.count([new])
                yield from chunker.add(new, size)
        held = []
    logs = logs or ApiLogs([first for first, _ in held])
    for read, size in held:
        if (new := logs.read(read)) is not None:
            keys.count([new])
            yield from chunker.add(new, size)
    yield from chunker.end([*lines.closing_notes(), *logs.notes(), *keys.notes()])
    reader.finish()
    if not chunker.count:
        raise _no_examples(file)


def _stream_table(lines: Lines, sample: str, file: str, notes: list[str], chunk: int, prefer: str) -> Iterator[Rows]:
    delimiter = sniff_delimiter(sample, prefer=prefer)
    if delimiter is None:
        read_table(sample, file, prefer=prefer)  # says what is wrong
        return
    strict, quoting, more = choose_reading(sample, delimiter)
    notes += more
    if delimiter != prefer:
        notes.append(f"the columns are separated by {DELIMITERS[delimiter]}s")
    rows = read_lines(_split_returns(lines), delimiter, quoting, strict=strict)
    line, header = next(rows)
    columns, header_notes = header_columns(header, file, line)
    fitting = Fitting(file, columns, delimiter)
    chunker = Chunker(file, "tsv" if delimiter == "\t" else "csv", chunk, notes + header_notes, columns)
    try:
        for fields in rows:
            line = fields[0]
            if (row := fitting.fit(fields)) is not None:
                yield from chunker.add(row, sum(map(len, fields[1])))
    except csv.Error as error:
        raise (too_long_field if "field larger" in str(error) else open_quote)(file, line + 1) from error
    yield from chunker.end([*lines.closing_notes(), *fitting.finish()])


def _split_returns(lines: Iterable[str]) -> Iterator[str]:
    """Cuts lines at carriage returns within them too, as a whole file is cut."""
    for line in lines:
        if line.find("\r", 0, -2) >= 0:
            yield from io.StringIO(line, newline="")
        else:
            yield line


class KeyCounts:
    """Counts which keys objects have, to say which ones only some have."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._total = 0

    def count(self, rows: Iterable[Row]) -> None:
        """Counts the keys of further rows."""
        for _, values in rows:
            self._total += 1
            self._counts.update(values.keys())

    def notes(self) -> list[str]:
        """A note on keys that only some objects have."""
        partial = [(key, count) for key, count in self._counts.items() if count < self._total]
        shown = ", ".join(f"{key!r} ({count} of {self._total})" for key, count in partial[:_KEYS_NAMED])
        return [f"not every object has all keys: {shown}"] if partial else []


def refuse_binary(stream: ByteStream) -> None:
    """Refuses what is not text, by its beginning."""
    head = stream.peek(16_384)
    if not head:
        raise empty(stream.file)
    if not head.strip(b"\x00"):
        return  # nothing but zeros so far: an empty file, or a line without end
    kind = binary_kind(head)
    if kind is not None:
        raise DataError(f"{stream.file} is {kind[0]}, not a text table.", kind[1])


def empty(file: str) -> DataError:
    """The refusal of a file without content."""
    return DataError(f"{file} is empty.", "Give a file with one example a line; 50 to 100 are a usual start.")


def _no_examples(file: str) -> DataError:
    return DataError(f"{file} holds no examples: its list is empty.", "Give one object for each example.")


def format_of(text: str, named: str) -> str:
    """The format by content: what begins and goes on like JSON is JSON, whatever its name; else the name decides."""
    start = text.lstrip()
    first, _, rest = start.partition("\n")
    if start[:1] == "[" and start[1:].lstrip()[:1] in ("{", "]"):
        return "json"
    if start[:1] == "{":
        pretty = first.strip() == "{"
        if _is_object(first):
            return "jsonl" if rest.strip() or named == "jsonl" else "json"
        if pretty or named in ("json", "jsonl"):
            return "json" if pretty or named == "json" else "jsonl"
    return named or "csv"


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
