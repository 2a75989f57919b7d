"""Excel workbooks, written by XlsxWriter: texts stay texts (nothing is computed, linked or turned into a number)."""

from __future__ import annotations

import contextlib
import datetime as dt
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO

from postgrad.data.shapes.cells import to_json
from postgrad.data.shapes.row_errors import Inexpressible

if TYPE_CHECKING:
    from xlsxwriter import Workbook
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

_LONGEST = 32_767
_MOST_ROWS = 1_048_576
_WIDEST = 60
CHANGED, TOLD = "#FFF2CC", "#FCE4D6"
"""Colours of a cell: changed by a repair, and something is to be said of its row."""

Add = Callable[..., None]
"""Adds a row: its cells, and by place of a cell its colour."""


@contextlib.contextmanager
def workbook(stream: BinaryIO) -> Iterator[Workbook]:
    """A workbook that is written to the stream when the block ends."""
    import xlsxwriter

    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = xlsxwriter.Workbook(stream, options)
    yield book
    book.close()


def sheet_of(book: Workbook, name: str) -> Add:
    """A sheet with a header that stays in view; gives the function that adds a row, of which the first is the header.

    Raises:
        Inexpressible: (from the function) a cell is too long, or there are too many rows.
    """
    sheet = book.add_worksheet(name)
    sheet.freeze_panes(1, 0)
    head, wrapped = book.add_format({"bold": True}), book.add_format({"text_wrap": True, "valign": "top"})
    coloured = {
        colour: book.add_format({"text_wrap": True, "valign": "top", "bg_color": colour}) for colour in (CHANGED, TOLD)
    }
    count, widths = 0, dict[int, int]()

    def add(cells: Sequence[object], colours: Mapping[int, str] | None = None) -> None:
        nonlocal count
        if count >= _MOST_ROWS:
            raise Inexpressible(f"a sheet of Excel holds {_MOST_ROWS:,} rows")
        for place, value in enumerate(cells):
            colour = (colours or {}).get(place)
            form = head if not count else coloured[colour] if colour else wrapped
            _put(sheet, count, place, value, form)
            widths[place] = max(widths.get(place, 8), min(_WIDEST, len(str(value)) + 2 if value is not None else 0))
            sheet.set_column(place, place, widths[place])
        count += 1

    return add


def _put(sheet: Worksheet, row: int, column: int, value: object, form: Format) -> None:
    if value is None or value == "":
        sheet.write_blank(row, column, None, form)
    elif isinstance(value, bool):
        sheet.write_boolean(row, column, value, form)
    elif isinstance(value, int | float) and math.isfinite(value) and abs(value) < 2**53:
        sheet.write_number(row, column, value, form)
    else:
        text = value if isinstance(value, str) else value.isoformat() if isinstance(value, dt.date) else to_json(value)
        if len(text) > _LONGEST:
            raise Inexpressible(f"a text has {len(text):,} characters; a cell of Excel holds {_LONGEST:,}")
        sheet.write_string(row, column, text.replace("\x00", ""), form)
