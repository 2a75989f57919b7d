"""Old workbooks (.xls) → cells, in a process of its own with limited memory: some damage sends their reader round in a
ring, makes it ask for hundreds of gigabytes, or panic, and none of that can be caught.

Run as a script it reads a workbook from standard input and writes its sheets as JSON; so it imports nothing of
postgrad.
"""

import contextlib
import datetime as dt
import json
import sys
from typing import Any

MEMORY_LIMIT = 2**32
"""Bytes of address space for the reader."""
SECONDS = 300


def main() -> None:
    """Reads from standard input; exit code 3 and one line where the workbook cannot be read."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # not on Windows
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import io

    import python_calamine as calamine

    try:
        book = calamine.CalamineWorkbook.from_filelike(io.BytesIO(sys.stdin.buffer.read()))
        sheets = [_sheet(book, m, calamine) for m in book.sheets_metadata if m.typ == calamine.SheetTypeEnum.WorkSheet]
    except (calamine.CalamineError, OSError, ValueError, MemoryError) as error:
        print(str(error), end="")
        sys.exit(3)
    json.dump(sheets, sys.stdout)


def _sheet(book: Any, about: Any, calamine: Any) -> dict[str, Any]:
    sheet = book.get_sheet_by_name(about.name)
    cells = [[_plain(value) for value in row] for row in sheet.to_python(skip_empty_area=False)]
    visible = about.visible == calamine.SheetVisibleEnum.Visible
    return {"name": about.name, "visible": visible, "cells": cells, "merged": sheet.merged_cell_ranges or []}


def _plain(value: Any) -> Any:
    if isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, dt.datetime) and value.time() == dt.time():
        return value.date().isoformat()
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)


if __name__ == "__main__":
    main()
