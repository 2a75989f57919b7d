"""Spreadsheets (.xlsx, .xls, .ods) → rows: the first sheet with a table, or the one named after `#`.

Formulas give the value that the program stored; dates become ISO, whole numbers lose their `.0`.
"""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, TypeAlias

from postgrad.data.formats import old_workbooks
from postgrad.data.formats.workbook_scan import Scan, check_size, scan_ods, scan_xlsx
from postgrad.data.sources.bytestream import ByteStream
from postgrad.data.sources.json_values import scalar
from postgrad.data.sources.rows import Row, Rows, name_columns
from postgrad.errors import DataError

_LISTED = 10
_NOTED_ROWS = 5
_LONGEST_NAME = 40
Cells = list[list[Any]]
MergedRange: TypeAlias = tuple[tuple[int, int], tuple[int, int]]
"""(row, column) of its first and of its last cell, from 0."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet: its name, whether it is shown, and how its cells and merged ranges are had."""

    name: str
    visible: bool
    load: Callable[[], tuple[Cells, Sequence[MergedRange]]]


def read_workbook(stream: ByteStream, form: str, part: str = "") -> Rows:
    """Reads one sheet of a workbook.

    Args:
        form: `zip` (.xlsx, .ods) or `office` (.xls), as its first bytes say.
        part: The sheet's name; empty for the first that holds a table.

    Raises:
        DataError: No workbook, damaged, locked, too large, no such sheet, or no table in it.
    """
    import python_calamine as calamine

    with stream.as_file() as file:
        if form == "office":
            return _read(_old_sheets(file, stream), None, stream, "xls", part)
        archive = _archive(file, stream.file)
        kind = "xlsx" if "xl/workbook.xml" in archive.namelist() else "ods"
        if kind == "ods":
            scan_ods(archive, stream.file)
        file.seek(0)
        try:
            with calamine.CalamineWorkbook.from_filelike(file) as book:
                return _read(_sheets_of(book), archive, stream, kind, part)
        except calamine.PasswordError as error:
            raise _locked(stream.file) from error
        except (calamine.CalamineError, OSError, ValueError) as error:
            raise _unreadable(stream, kind, error) from error
        except BaseException as error:  # the reader, written in Rust, may panic: not an Exception, nor importable
            if type(error).__name__ != "PanicException":
                raise
            raise _unreadable(stream, kind, error) from error


def stream_workbook(stream: ByteStream, form: str, part: str) -> Iterator[Rows]:
    """`read_workbook` as readers are called that are read apart."""
    yield read_workbook(stream, form, part)


def _sheets_of(book: Any) -> list[Sheet]:
    import python_calamine as calamine

    def loader(name: str) -> Callable[[], tuple[Cells, Sequence[MergedRange]]]:
        def load() -> tuple[Cells, Sequence[MergedRange]]:
            sheet = book.get_sheet_by_name(name)
            return sheet.to_python(skip_empty_area=False), sheet.merged_cell_ranges or []

        return load

    return [
        Sheet(about.name, about.visible == calamine.SheetVisibleEnum.Visible, loader(about.name))
        for about in book.sheets_metadata
        if about.typ == calamine.SheetTypeEnum.WorkSheet
    ]


def _old_sheets(file: IO[bytes], stream: ByteStream) -> list[Sheet]:
    """The sheets of an .xls, read in a process of its own."""
    command = [sys.executable, old_workbooks.__file__]
    try:
        done = subprocess.run(command, stdin=file, capture_output=True, timeout=old_workbooks.SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise _unreadable(stream, "xls", error) from error
    if done.returncode:
        reason = done.stdout.decode("utf-8", "replace") if done.returncode == 3 else "it is damaged"
        raise _unreadable(stream, "xls", ValueError(reason))
    return [Sheet(s["name"], s["visible"], lambda s=s: (s["cells"], s["merged"])) for s in json.loads(done.stdout)]


def _read(sheets: Sequence[Sheet], archive: zipfile.ZipFile | None, stream: ByteStream, kind: str, part: str) -> Rows:
    file = stream.file
    names = [s.name for s in sheets]
    visible = [s.name for s in sheets if s.visible]
    if part and part not in names:
        match = [n for n in names if n.lower() == part.lower()]
        if len(match) != 1:
            raise DataError(f"{file} has no sheet {part!r}; it has {_listed(names)}.", "Name one of these after the #.")
        part = match[0]
    order = [part] if part else [*visible, *(n for n in names if n not in visible)]
    found = next(_filled_sheets(sheets, archive if kind == "xlsx" else None, order, file), None)
    if found is None:
        raise DataError(
            f"{file} is empty: no cell is filled in"
            f" {f'the sheet {part!r}' if part else f'its sheets {_listed(names)}'}.",
            "Put the column names into the first row and one example into each row below.",
        )
    name, merged, cells, scan = found
    notes: list[str] = []
    others = [n for n in names if n != name]
    if others and not part:
        hint = "" if stream.packed else f" (name one as in {file}#{others[0]})"
        notes.append(f"read the sheet {name!r}; others: {_listed(others)}{hint}")
    if name not in visible:
        notes.append(f"the sheet {name!r} is hidden")
    if scan.uncalculated.count:
        rows = str(scan.uncalculated).replace("line", "row", 1)
        notes.append(
            f"formulas without a stored value ({rows}) are empty: open the file in Excel or LibreOffice and save it"
        )
    if scan.errors.count:
        rows = str(scan.errors).replace("line", "row", 1)
        notes.append(f"cells in error such as #N/A ({rows}) are empty")
    rows, columns, more = _table(cells, merged, f"{file}, sheet {name!r}")
    return Rows(file, kind, tuple(rows), columns, (*stream.notes, *notes, *more))


def _filled_sheets(
    sheets: Sequence[Sheet], archive: zipfile.ZipFile | None, order: Sequence[str], file: str
) -> Iterator[tuple[str, Sequence[Any], Cells, Scan]]:
    """The sheets that hold a table, then the others that hold anything, as a cover sheet does."""
    by_name = {sheet.name: sheet for sheet in sheets}
    others = []
    for name in order:
        scan = scan_xlsx(archive, name, file) if archive is not None else Scan()
        cells, merged = by_name[name].load()
        widths = [width for row in cells if (width := _filled(row))]
        if len(widths) > 1 and max(widths) > 1:
            yield name, merged, cells, scan
        elif widths:
            others.append((name, merged, cells, scan))
    yield from others


def _table(cells: Cells, merged: Sequence[Any], where: str) -> tuple[list[Row], tuple[str, ...], list[str]]:
    """Rows under the header: the first filled row, or the first below a title that stands alone above the table."""
    filled = [i for i, row in enumerate(cells) if _filled(row)]
    start, notes = filled[0], []
    if len(filled) > 2 and _filled(cells[start]) == 1 and _filled(cells[filled[1]]) > 1 < _filled(cells[filled[2]]):
        title = next(value for value in cells[start] if value != "")
        notes.append(f"row {start + 1} ({str(title)[:40]!r}) was taken as a title above the table")
        start = filled[1]
    used = [c for c in range(len(cells[start])) if any(row[c] != "" for row in cells[start:])]
    header = [str(_plain(cells[start][c])).strip() for c in used]
    if names := _second_header(cells, filled, start, used, merged):
        below = filled[filled.index(start) + 1]
        notes.append(f"rows {start + 1} and {below + 1} are the header: groups with the names of their columns below")
        start, header, merged = below, names, ()
    for (top, left), (low, right) in merged:
        if top <= start <= low and left in used and header[used.index(left)]:
            name = header[used.index(left)]
            for column in range(left + 1, right + 1):
                if column in used and not header[used.index(column)]:
                    header[used.index(column)] = f"{name} ({column - left + 1})"
            if right > left:
                notes.append(f"the header cell {name!r} spans {right - left + 1} columns; the others are numbered")
    columns, more = name_columns(header, f"{where}, row {start + 1}")
    _same_dates(cells, used, start)
    rows = [
        (i + 1, {name: _plain(cells[i][c]) for name, c in zip(columns, used, strict=True)}) for i in filled if i > start
    ]
    if not rows:
        raise DataError(
            f"{where} has only a header row ({', '.join(columns)}) and no examples.",
            "Add one row for each example under the header.",
        )
    across = [f"{top + 1}" for (top, _), (low, _) in merged if low > top >= start]
    if across:
        shown = ", ".join(across[:_NOTED_ROWS]) + (", …" if len(across) > _NOTED_ROWS else "")
        notes.append(f"cells merged over several rows (from row {shown}) have their value in the first row only")
    return rows, columns, notes + more


def _second_header(
    cells: Cells, filled: Sequence[int], start: int, used: Sequence[int], merged: Sequence[Any]
) -> list[str]:
    """The columns' names where groups of them stand above their names; empty where the first row has the names.

    The first row then is filled in part, or merged across; the second is filled wherever the first is not, with short
    texts, no two alike within a group, that stand in none of the rows below.
    """
    at = filled.index(start)
    if len(filled) < at + 3:
        return []
    groups, names = ([str(_plain(cells[row][c])).strip() for c in used] for row in filled[at : at + 2])
    across = any(right > left and top <= start <= low for (top, left), (low, right) in merged)
    texts = all(isinstance(cells[filled[at + 1]][c], str) for c in used)
    gaps = [n for g, n in zip(groups, names, strict=True) if not g]
    short = all(len(n) <= _LONGEST_NAME for n in names)
    if not texts or not short or not gaps or not all(gaps) or not (across or groups[-1] == "" or len(gaps) > 1):
        return []
    starts = [n for n, g in enumerate(groups) if g]
    alone = sum(bool(names[n]) and (n + 1 == len(groups) or bool(groups[n + 1])) for n in starts)
    if 2 * alone >= len(starts):  # most are names of one column, and below them stands a value
        return []
    below = {str(cells[row][c]).strip() for row in filled[at + 2 :] for c in used}
    if below.intersection(filter(None, names)) or len({*filter(None, groups)} | {*filter(None, names)}) < len(used):
        return []
    said, group = [], ""
    for g, n in zip(groups, names, strict=True):
        group = g or group
        said.append((group, n or g))
    alike = Counter(name for _, name in said)
    return [f"{group} {name}" if alike[name] > 1 and group != name else name for group, name in said]


def _same_dates(cells: Cells, used: Sequence[int], start: int) -> None:
    """Gives the dates of a column one form: where one of them has a time of day all have it."""
    for column in used:
        moments = [row[column] for row in cells[start + 1 :] if isinstance(row[column], dt.datetime)]
        if any(moment.time() != dt.time() for moment in moments):
            for row in cells[start + 1 :]:
                value = row[column]
                if isinstance(value, dt.date):
                    row[column] = value.isoformat() if isinstance(value, dt.datetime) else f"{value}T00:00:00"


def _filled(row: Sequence[Any]) -> int:
    return sum(value != "" and not (isinstance(value, str) and not value.strip()) for value in row)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value if isinstance(value, str | bool | int | float) else scalar(value)


def _archive(file: IO[bytes], name: str) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(file)
    check_size(archive, name)
    return archive


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:_LISTED])) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")


def _locked(file: str) -> DataError:
    return DataError(f"{file} is locked with a password.", "Save it without a password, or the sheet as CSV.")


def _unreadable(stream: ByteStream, kind: str, error: BaseException) -> DataError:
    if kind != "xls":
        name = {"xlsx": "an Excel workbook (.xlsx)", "ods": "an OpenDocument sheet (.ods)"}[kind]
        return DataError(f"{stream.file} is {name} that cannot be read ({error}).", "Open and save it again.")
    with stream.as_file() as file:
        raw = file.read(2**20)
    if "EncryptedPackage".encode("utf-16-le") in raw:
        return _locked(stream.file)
    if "WordDocument".encode("utf-16-le") in raw:
        return DataError(f"{stream.file} is an old Word document (.doc), not a table.", "Save it as .docx for --docs.")
    return DataError(
        f"{stream.file} is an old Microsoft Office file, but no workbook that can be read ({error}).",
        "Save the sheet as .xlsx or CSV.",
    )
