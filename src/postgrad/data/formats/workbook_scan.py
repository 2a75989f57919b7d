"""What a workbook's reader does not tell: formulas that were never calculated, cells in error, and how large a sheet
would become.

A sheet is held as a full rectangle, so one filled cell in the last corner would fill the memory: the rectangle is
measured first, on the packed text.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO
from xml.etree import ElementTree

from postgrad.data.sources.rows import Some
from postgrad.errors import DataError

UNPACKED_LIMIT = 2**30
CELL_LIMIT = 2**24
"""Cells of one sheet's rectangle at most: 16.7 million."""
_BLOCK = 1 << 20
_CELL = re.compile(rb"<(?:\w+:)?c\b([^>]*?)(?:/>|>(.*?)</(?:\w+:)?c>)", re.DOTALL)
_REFERENCE = re.compile(rb"\br\s*=\s*[\"']([A-Z]{1,3})(\d{1,7})[\"']")
_VALUE = re.compile(rb"<(?:\w+:)?(?:v|is)\b[^>/]*>[^<]|<(?:\w+:)?is\b")
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"


@dataclass(slots=True)
class Scan:
    """What was seen in a sheet: rows with formulas without a stored value, and rows with cells in error."""

    uncalculated: Some = field(default_factory=Some)
    errors: Some = field(default_factory=Some)


def check_size(archive: zipfile.ZipFile, file: str) -> None:
    """Refuses a workbook that would unpack to more than `UNPACKED_LIMIT`, counted, not believed.

    Raises:
        DataError: Too large, or damaged.
    """
    total = 0
    for info in archive.infolist():
        for block in _blocks(archive, info, file):
            total += len(block)
            if total > UNPACKED_LIMIT:
                raise DataError(
                    f"{file} unpacks to more than {UNPACKED_LIMIT / 2**30:.3g} GB: it may be a decompression bomb.",
                    "If you trust it, save the sheet as CSV.",
                )


def scan_xlsx(archive: zipfile.ZipFile, sheet: str, file: str) -> Scan:
    """Reads through a sheet's cells.

    Raises:
        DataError: The sheet's rectangle is too large.
    """
    found = Scan()
    member = _sheet_member(archive, sheet)
    if member is None:
        return found
    top, low, left, right = 2**31, 0, 2**31, 0
    for attributes, content in _cells(archive, member, file):
        place = _REFERENCE.search(attributes)
        if place is None:
            continue
        column, row = _column_number(place[1]), int(place[2])
        if content or b't="e"' in attributes:
            top, low, left, right = min(top, row), max(low, row), min(left, column), max(right, column)
        if (b"<f" in content or b":f" in content) and not _VALUE.search(content):
            found.uncalculated.add(row)
        if b't="e"' in attributes:
            found.errors.add(row)
    if low:
        _refuse_large((low - top + 1) * (right - left + 1), sheet, file)
    return found


def scan_ods(archive: zipfile.ZipFile, file: str) -> None:
    """Measures an OpenDocument sheet, in which one cell can say that it stands there a million times.

    Raises:
        DataError: Too large.
    """
    try:
        with archive.open("content.xml") as content:
            _measure_rows(content, file)
    except (ElementTree.ParseError, KeyError, ValueError) as error:
        raise DataError(f"{file} is a damaged OpenDocument sheet ({error}).", "Open and save it again.") from error


def _measure_rows(content: IO[bytes], file: str) -> None:
    rows = columns = 0
    for _, element in ElementTree.iterparse(content):  # noqa: S314 - expat refuses entity bombs, the size is known
        if element.tag != f"{_TABLE}table-row":
            continue
        width = sum(int(cell.get(f"{_TABLE}number-columns-repeated", 1)) for cell in element if len(cell))
        if width:
            rows += int(element.get(f"{_TABLE}number-rows-repeated", 1))
            columns = max(columns, width)
            _refuse_large(rows * columns, "", file)
        element.clear()


def _refuse_large(cells: int, sheet: str, file: str) -> None:
    if cells > CELL_LIMIT:
        where = f", sheet {sheet!r}" if sheet else ""
        raise DataError(
            f"{file}{where}: the filled cells span {cells:,} places; at most {CELL_LIMIT:,} are read.",
            "Perhaps a cell far away is filled by accident: clear it, or save the table as CSV.",
        )


def _cells(archive: zipfile.ZipFile, member: str, file: str) -> Iterator[tuple[bytes, bytes]]:
    """(attributes, content) of each cell."""
    held = b""
    for block in _blocks(archive, archive.getinfo(member), file):
        held += block
        end = 0
        for match in _CELL.finditer(held):
            end = match.end()
            yield match[1], match[2] or b""
        held = held[end:]
        if len(held) > 64 * _BLOCK:
            raise DataError(f"{file}: a cell is longer than 64 MB.", "If you trust it, save the sheet as CSV.")


def _blocks(archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: str) -> Iterator[bytes]:
    try:
        with archive.open(info) as member:
            while block := member.read(_BLOCK):
                yield block
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        NotImplementedError,
        RuntimeError,
    ) as error:  # pyright: ignore[reportAttributeAccessIssue]
        raise DataError(f"{file} is a damaged workbook ({error}).", "Get it again, or save it again.") from error


def _sheet_member(archive: zipfile.ZipFile, sheet: str) -> str | None:
    """The archive's member that holds a sheet; None where the workbook's own lists do not say."""
    names = set(archive.namelist())
    if not {"xl/workbook.xml", "xl/_rels/workbook.xml.rels"} <= names:
        return None
    try:
        book = ElementTree.fromstring(archive.read("xl/workbook.xml"))  # noqa: S314
        links = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))  # noqa: S314
    except ElementTree.ParseError:
        return None
    targets = {link.get("Id"): link.get("Target", "") for link in links}
    for element in book.iter():
        if element.tag.endswith("}sheet") and element.get("name") == sheet:
            key = next((value for name, value in element.items() if name.endswith("}id")), None)
            target = targets.get(key, "")
            member = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
            return member if member in names else None
    return None


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number
