"""Delimited text (CSV, TSV and their relatives) → rows. The delimiter is found by trying, not by the file's name."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from postgrad.data.sources.rows import Row, Some, name_columns
from postgrad.errors import DataError

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
_SNIFFED_ROWS = 50
LONGEST_FIELD = 2**26
"""Characters of one field at most."""
_LONG_HEADER = 60
_CUT_LINES = 20
"""So many lines at the end of a sample may be the beginning of a row that was cut."""
_LOOSE = "some quotes stand inside fields undoubled; they were kept as they are"
_UNQUOTED = "quotes are not used around fields in this file; they were kept as text"

Line = tuple[int, list[str]]


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a delimited text with what was noticed."""

    rows: tuple[Row, ...]
    columns: tuple[str, ...]
    notes: tuple[str, ...]
    delimiter: str
    sheet_rows: dict[int, int]


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
    columns, header_notes = header_columns(header, file, header_line)
    notes += header_notes
    if len(lines) == 1:
        raise DataError(
            f"{file} has only a header line ({', '.join(columns)}) and no examples.",
            "Add one line for each example under the header.",
        )
    rows, row_notes = _fit(lines[1:], columns, file, delimiter)
    return Table(tuple(rows), columns, tuple(notes + row_notes), delimiter, _sheet_rows(lines))


def _sheet_rows(lines: list[Line]) -> dict[int, int]:
    """Line → row as a spreadsheet counts, below cells of several lines."""
    found, breaks = {}, 0
    for number, fields in lines:
        if breaks:
            found[number] = number - breaks
        breaks += sum(cell.count("\n") for cell in fields)
    return found


def _lines(text: str, delimiter: str, quoting: int = csv.QUOTE_MINIMAL, *, strict: bool = False) -> Iterator[Line]:
    """(line where the row starts, its fields), without blank lines."""
    return read_lines(io.StringIO(text, newline=""), delimiter, quoting, strict=strict)


def read_lines(
    source: Iterable[str], delimiter: str, quoting: int = csv.QUOTE_MINIMAL, *, strict: bool = False
) -> Iterator[Line]:
    """(line where the row starts, its fields), without blank rows, from lines with their ends."""
    csv.field_size_limit(LONGEST_FIELD)
    kind = csv.QUOTE_NONE if quoting == csv.QUOTE_NONE else csv.QUOTE_MINIMAL
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
    loose: list[Line] = []
    try:
        for start, fields in _lines(text, delimiter, strict=True):
            lines.append((start, fields))
        if not _raised_by_quotes(lines):
            return lines, []
    except csv.Error as error:
        if "field larger" in str(error):
            raise too_long_field(file, start) from error
        if "unexpected end" not in str(error):
            loose = list(_lines(text, delimiter))
            if _is_even(loose) and not _has_breaks(loose):
                return loose, [_LOOSE]
    plain = list(_lines(text, delimiter, csv.QUOTE_NONE))
    if _is_even(plain):
        return plain, [_UNQUOTED]
    if _is_even(loose):
        return loose, [_LOOSE]
    if lines and _raised_by_quotes(lines):
        return lines, []
    raise open_quote(file, _next_start(lines))


def choose_reading(sample: str, delimiter: str) -> tuple[bool, int, list[str]]:
    """How the quotes of a long table are to be read, by its first lines: (strictly, quoting, notes)."""
    lines: list[Line] = []
    fault = ""
    try:
        lines += _lines(sample, delimiter, strict=True)
    except csv.Error as error:
        fault = str(error)
    loose = bool(fault) and "unexpected end" not in fault
    total = sample.count("\n")
    cut = bool(fault) and not loose and total - _next_start(lines) <= max(_CUT_LINES, total // 16)
    if (cut or not fault) and not _raised_by_quotes(lines):
        return True, csv.QUOTE_MINIMAL, []
    freely = list(_lines(sample, delimiter))[:-1] if loose else []
    if _is_even(freely) and not _has_breaks(freely):
        return False, csv.QUOTE_MINIMAL, [_LOOSE]
    if _is_even(list(_lines(sample, delimiter, csv.QUOTE_NONE))):
        return True, csv.QUOTE_NONE, [_UNQUOTED]
    if _is_even(freely):
        return False, csv.QUOTE_MINIMAL, [_LOOSE]
    return True, csv.QUOTE_MINIMAL, []


def too_long_field(file: str, line: int) -> DataError:
    """The refusal of a field without end."""
    return DataError(
        f"{file} has a field of more than {LONGEST_FIELD // 2**20} million characters after line {line}.",
        "Probably a quote is opened there and never closed: close it, or double quotes inside a field.",
    )


def open_quote(file: str, line: int) -> DataError:
    """The refusal of a quote that does not pair up."""
    return DataError(
        f'{file}: a quote (") is opened in the row that starts at line {line} and not closed as it should be.',
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
    return not _is_even(lines) and _has_breaks(lines)


def _has_breaks(lines: list[Line]) -> bool:
    return any("\n" in field for _, fields in lines for field in fields)


def header_columns(header: list[str], file: str, line: int) -> tuple[tuple[str, ...], list[str]]:
    """(column names, notes) of a header; empty names at its end are dropped.

    Raises:
        DataError: A name stands there twice.
    """
    names = [name.strip() for name in header]
    while len(names) > 2 and not names[-1]:
        names.pop()
    if len(set(names)) < len(names) and sum(_is_number(name) for name in names) >= len(names) / 2:
        raise DataError(
            f"{file}, line {line} holds no column names but numbers ({', '.join(names[:4])}, …).",
            "Add a line with the names of the columns above it.",
        )
    columns, notes = name_columns(names, f"{file}, line {line}")
    if any(len(name) > _LONG_HEADER for name in columns):
        notes.append(
            "the first line was taken as column names, but looks like an example: add a line with names above it"
        )
    return columns, notes


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).removeprefix("-").isdigit()


def _fit(lines: list[Line], columns: tuple[str, ...], file: str, delimiter: str) -> tuple[list[Row], list[str]]:
    """Rows as dictionaries; short ones filled, empty surplus dropped, true surplus refused."""
    fitting = Fitting(file, columns, delimiter)
    rows = [row for line in lines if (row := fitting.fit(line)) is not None]
    return rows, fitting.finish()


class Fitting:
    """Makes fields into rows, and remembers which lines have too many or too few."""

    def __init__(self, file: str, columns: tuple[str, ...], delimiter: str) -> None:
        self._file, self._columns, self._delimiter = file, columns, delimiter
        self._short, self._long = Some(), Some()
        self._first_long = 0

    def fit(self, line: Line) -> Row | None:
        """The row; None for one that has more fields than there are columns."""
        number, fields = line
        width = len(self._columns)
        if len(fields) > width:
            if any(field.strip() for field in fields[width:]):
                self._first_long = self._first_long or len(fields)
                self._long.add(number)
                return None
            fields = fields[:width]
        elif len(fields) < width:
            self._short.add(number)
            fields = fields + [""] * (width - len(fields))
        return number, dict(zip(self._columns, fields, strict=True))

    def finish(self) -> list[str]:
        """What is to be said of all lines together.

        Raises:
            DataError: Lines with too many fields.
        """
        if self._long.count:
            raise DataError(
                f"{self._file}: {self._long} {'has' if self._long.count == 1 else 'have'} more fields than the "
                f"{len(self._columns)} columns of the header (line {self._long.first[0]} has {self._first_long}).",
                f'Put fields that contain a {DELIMITERS[self._delimiter]} in double quotes: "like{self._delimiter}'
                ' this".',
            )
        if not self._short.count:
            return []
        has = "has" if self._short.count == 1 else "have"
        return [f"{self._short} {has} fewer fields than columns; the missing ones were taken as empty"]


class NoTableError(DataError):
    """Text in which no delimiter makes two columns: prose perhaps, or one column."""

    text = ""
    """The whole text."""


def _one_column(text: str, file: str) -> NoTableError:
    first = text.strip().splitlines()[0][:80]
    error = NoTableError(
        f"{file} has one column ({first!r}); training requires at least two: the input and the right answer.",
        "Give a table with an input and an output column (comma, semicolon, tab or pipe between them), or JSONL."
        " Running text belongs to --docs, or to --objective pretrain.",
    )
    error.text = text
    return error
