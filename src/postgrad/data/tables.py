"""Delimited text (CSV, TSV and their relatives) → rows. The delimiter is found by trying, not by the file's name."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from postgrad.data.rows import Row, name_lines
from postgrad.errors import DataError

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
_SNIFFED_ROWS = 50
_LONGEST_FIELD = 2**27
_LONG_HEADER = 60

Line = tuple[int, list[str]]


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a delimited text with what was noticed."""

    rows: tuple[Row, ...]
    columns: tuple[str, ...]
    notes: tuple[str, ...]
    delimiter: str


def sniff_delimiter(text: str, *, prefer: str = ",") -> str | None:
    """The delimiter that cuts the first rows most evenly; None where none gives two columns."""
    best: tuple[float, int, bool] | None = None
    found = None
    for delimiter in DELIMITERS:
        widths = [len(fields) for _, fields in islice(_lines(text, delimiter), _SNIFFED_ROWS) if fields]
        if not widths or widths[0] < 2:
            continue
        even = sum(width == widths[0] for width in widths) / len(widths)
        rank = (round(even, 1), widths[0] if delimiter != prefer else widths[0] + 1, delimiter == prefer)
        if best is None or rank > best:
            best, found = rank, delimiter
    return found


def read_table(text: str, file: str, *, prefer: str = ",") -> Table:
    """Reads delimited text with a header line.

    Raises:
        DataError: Only a header, one column, a column name twice, too many fields in a line, a quote never closed.
    """
    delimiter = sniff_delimiter(text, prefer=prefer)
    if delimiter is None:
        raise _one_column(text, file)
    lines, notes = _parse(text, delimiter, file)
    if delimiter != prefer:
        notes.append(f"the columns are separated by {DELIMITERS[delimiter]}s")
    header_line, header = lines[0]
    columns, header_notes = _columns(header, file, header_line)
    notes += header_notes
    if len(lines) == 1:
        raise DataError(
            f"{file} has only a header line ({', '.join(columns)}) and no examples.",
            "Add one line for each example under the header.",
        )
    rows, row_notes = _fit(lines[1:], columns, file, delimiter)
    return Table(tuple(rows), columns, tuple(notes + row_notes), delimiter)


def _lines(text: str, delimiter: str, quoting: int = csv.QUOTE_MINIMAL, *, strict: bool = False) -> Iterator[Line]:
    """(line where the row starts, its fields), without blank lines."""
    csv.field_size_limit(_LONGEST_FIELD)
    kind = csv.QUOTE_NONE if quoting == csv.QUOTE_NONE else csv.QUOTE_MINIMAL
    source = io.StringIO(text, newline="")
    reader = csv.reader(source, delimiter=delimiter, quoting=kind, strict=strict, skipinitialspace=delimiter != "\t")
    start = 1
    for fields in reader:
        if any(field.strip() for field in fields):
            yield start, fields
        start = reader.line_num + 1


def _parse(text: str, delimiter: str, file: str) -> tuple[list[Line], list[str]]:
    """All lines; where quotes do not pair up, the reading that makes an even table."""
    start = 0
    lines: list[Line] = []
    try:
        for start, fields in _lines(text, delimiter, strict=True):
            lines.append((start, fields))
        if not _raised_by_quotes(lines):
            return lines, []
    except csv.Error as error:
        if "field larger" in str(error):
            raise DataError(
                f"{file} has a field of more than {_LONGEST_FIELD // 2**20} million characters after line {start}.",
                "Probably a quote is opened there and never closed: close it, or double quotes inside a field.",
            ) from error
        unclosed = "unexpected end" in str(error)
        if not unclosed:
            loose = list(_lines(text, delimiter))
            if _is_even(loose):
                return loose, ["some quotes stand inside fields undoubled; they were kept as they are"]
    plain = list(_lines(text, delimiter, csv.QUOTE_NONE))
    if _is_even(plain):
        return plain, ["quotes are not used around fields in this file; they were kept as text"]
    if lines and _raised_by_quotes(lines):
        return lines, []
    after = name_lines([_next_start(lines)])
    raise DataError(
        f'{file}: a quote (") is opened in the row that starts at {after} and not closed as it should be.',
        'Close it, and double every quote that belongs to the text ("" inside a quoted field).',
    )


def _next_start(lines: list[Line]) -> int:
    if not lines:
        return 1
    start, fields = lines[-1]
    return start + 1 + sum(field.count("\n") for field in fields)


def _is_even(lines: list[Line]) -> bool:
    return bool(lines) and all(len(fields) == len(lines[0][1]) for _, fields in lines)


def _raised_by_quotes(lines: list[Line]) -> bool:
    """Uneven rows although a field holds several lines: perhaps quotes were no quotes at all."""
    return not _is_even(lines) and any("\n" in field for _, fields in lines for field in fields)


def _columns(header: list[str], file: str, line: int) -> tuple[tuple[str, ...], list[str]]:
    names = [name.strip() for name in header]
    notes = []
    while len(names) > 2 and not names[-1]:
        names.pop()
    for position, name in enumerate(names):
        if not name:
            names[position] = f"column_{position + 1}"
            notes.append(f"column {position + 1} has no name and is called column_{position + 1}")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(
            f"{file}, line {line}: the column name {twice[0]!r} stands there {names.count(twice[0])} times"
            + (f" (others twice: {', '.join(map(repr, twice[1:]))})." if twice[1:] else "."),
            "Give every column its own name in the first line.",
        )
    if any(len(name) > _LONG_HEADER for name in names):
        notes.append(
            "the first line was taken as column names, but looks like an example: add a line with names above it"
        )
    return tuple(names), notes


def _fit(lines: list[Line], columns: tuple[str, ...], file: str, delimiter: str) -> tuple[list[Row], list[str]]:
    """Rows as dictionaries; short ones filled, empty surplus dropped, true surplus refused."""
    width, rows, long, short = len(columns), [], [], []
    for line, fields in lines:
        if len(fields) > width:
            if any(field.strip() for field in fields[width:]):
                long.append((line, len(fields)))
                continue
            fields = fields[:width]
        elif len(fields) < width:
            short.append(line)
            fields = fields + [""] * (width - len(fields))
        rows.append((line, dict(zip(columns, fields, strict=True))))
    if long:
        raise DataError(
            f"{file}: {name_lines([line for line, _ in long])} {'has' if len(long) == 1 else 'have'} more fields than the "
            f"{width} columns of the header (line {long[0][0]} has {long[0][1]}).",
            f'Put fields that contain a {DELIMITERS[delimiter]} in double quotes: "like{delimiter} this".',
        )
    if not short:
        return rows, []
    has = "has" if len(short) == 1 else "have"
    return rows, [f"{name_lines(short)} {has} fewer fields than columns; the missing ones were taken as empty"]


def _one_column(text: str, file: str) -> DataError:
    first = text.strip().splitlines()[0][:80]
    return DataError(
        f"{file} has one column ({first!r}); learning needs at least two: what comes in, and the right answer.",
        "Give a table with an input and an output column (comma, semicolon, tab or pipe between them), or JSONL.",
    )
