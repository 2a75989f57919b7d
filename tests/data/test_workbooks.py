"""Spreadsheets: the right sheet, the right rows, and what a spreadsheet can hide."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import random
import struct
import zipfile
from pathlib import Path

import openpyxl
import pytest

from postgrad.data import load, read_rows, stream_rows
from postgrad.data.formats.workbooks import read_workbook
from postgrad.data.sources.bytestream import ByteStream
from postgrad.errors import DataError
from tests.needs import dev_package


def book(path: Path, sheets: dict[str, list[list]], **merged: str) -> Path:
    """A workbook; `merged` names a range for a sheet."""
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
        if name in merged:
            sheet.merge_cells(merged[name])
    made.save(path)
    return path


def refusal(source: Path | str) -> str:
    with pytest.raises(DataError) as caught:
        read_rows(source)
    assert caught.value.mend
    return str(caught.value)


def test_values_rows_and_sheets(tmp_path):
    day = dt.datetime(2024, 1, 2)
    rows = [["q", "n", None, "when"], ["a", 3, True, day], [], ["b", 2.5, None, dt.datetime(2024, 1, 2, 3, 4)]]
    path = book(
        tmp_path / "x.csv",
        {"Cover": [["All tickets"], ["of 2024"]], "Empty": [], "Tickets": rows, "More": [["x", "y"], [1, 2]]},
    )
    read = read_rows(path)
    assert read.format == "xlsx"
    assert read.rows == (
        (2, {"q": "a", "n": 3, "column_3": True, "when": "2024-01-02T00:00:00"}),
        (4, {"q": "b", "n": 2.5, "column_3": "", "when": "2024-01-02T03:04:00"}),
    )
    assert any("'Tickets'" in n and "'Cover', 'Empty', 'More'" in n for n in read.notes)
    assert any("column 3 has no name" in n for n in read.notes)
    assert read_rows(f"{path}#more").rows == ((2, {"x": 1, "y": 2}),)
    assert "'Cover', 'Empty', 'Tickets', 'More'" in refusal(f"{path}#none")
    assert "is empty" in refusal(f"{path}#Empty")
    assert [len(c) for c in stream_rows(path, chunk=1)] == [1, 1]


def test_formulas_without_a_value_and_cells_in_error_are_named(tmp_path):
    path = book(tmp_path / "x.xlsx", {"S": [["q", "a"], ["x", "=1+1"], ["y", "ok"], ["#N/A", "z"]]})
    read = read_rows(path)
    assert [v["a"] for _, v in read] == ["", "ok", "z"]
    assert any("formulas without a stored value (row 2)" in n for n in read.notes)
    assert any("cells in error" in n and "(row 4)" in n for n in read.notes)


def test_stored_values_of_formulas_are_taken(tmp_path):
    """As Excel saves them: the formula beside its last value."""
    plain = book(tmp_path / "p.xlsx", {"S": [["q", "a"], ["x", 42]]})
    out = io.BytesIO()
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"<v>42</v>", b"<f>40+2</f><v>42</v>"))
    (tmp_path / "f.xlsx").write_bytes(out.getvalue())
    read = read_rows(tmp_path / "f.xlsx")
    assert read.rows[0][1] == {"q": "x", "a": 42}
    assert read.notes == ()


def test_titles_merged_headers_and_double_names(tmp_path):
    rows = [["Tickets of 2024"], ["q", "contact", None], ["a", "mail", "phone"], ["b", "m", "p"]]
    read = read_rows(book(tmp_path / "x.xlsx", {"S": rows}, S="B2:C2"))
    assert read.columns == ("q", "contact", "contact (2)")
    assert [line for line, _ in read] == [3, 4]
    assert any("title" in n for n in read.notes) and any("spans 2 columns" in n for n in read.notes)
    assert "'a' appears 2 times" in refusal(book(tmp_path / "y.xlsx", {"S": [["a", "a"], [1, 2]]}))
    assert "only a header row (a, b)" in refusal(book(tmp_path / "z.xlsx", {"S": [["a", "b"]]}))


@pytest.mark.parametrize("merged", ["A1:C1", ""])
def test_names_below_groups_are_the_header(tmp_path, merged):
    rows = [["Ticket", None, None, "Agent", None], ["ID", "Subject", "Name", "Name", "Reply"]]
    rows += [[n, f"Broken lamp {n}", "Eva", "Ann", f"We send lamp {n}."] for n in range(4)]
    read = read_rows(book(tmp_path / "x.xlsx", {"S": rows}, **({"S": merged} if merged else {})))
    assert read.columns == ("ID", "Subject", "Ticket Name", "Agent Name", "Reply") and len(read) == 4
    assert read.rows[0][0] == 3 and any("rows 1 and 2 are the header" in n for n in read.notes)


def test_dates_of_a_column_have_one_form(tmp_path):
    days = [dt.datetime(2026, 9, 1), dt.datetime(2026, 9, 1, 13, 30), dt.date(2026, 9, 2)]
    rows = [["q", "when", "day"], *(["a", day, dt.date(2026, 1, 1)] for day in days)]
    read = read_rows(book(tmp_path / "x.xlsx", {"S": rows}))
    assert [v["when"] for _, v in read] == ["2026-09-01T00:00:00", "2026-09-01T13:30:00", "2026-09-02T00:00:00"]
    assert [v["day"] for _, v in read] == ["2026-01-01"] * 3


def test_formulas_without_values_are_named_where_they_leave_no_answer(tmp_path):
    path = book(tmp_path / "x.xlsx", {"S": [["Question", "Label"], *([f"What is {n}?", "=A2"] for n in range(12))]})
    with pytest.raises(DataError, match="formulas without a stored value"):
        load([path])


def test_a_column_named_role_is_a_column(tmp_path):
    read = read_rows(book(tmp_path / "x.xlsx", {"S": [["role", "q"], ["admin", "x"]]}))
    assert read.rows == ((2, {"role": "admin", "q": "x"}),)


def test_old_and_open_document_sheets(tmp_path):
    xlwt = dev_package("xlwt")
    old = xlwt.Workbook()
    sheet = old.add_sheet("S")
    for column, (name, value) in enumerate([("q", "größe"), ("n", 3)]):
        sheet.write(0, column, name)
        sheet.write(1, column, value)
    old.save(str(tmp_path / "x.xls"))
    assert read_rows(tmp_path / "x.xls").rows == ((2, {"q": "größe", "n": 3}),)
    assert read_rows(ods(tmp_path / "x.ods", cell("q") + cell("a"), cell("x") + cell("y"))).rows == (
        (2, {"q": "x", "a": "y"}),
    )


def test_damaged_old_workbooks_neither_hang_nor_fill_the_memory(tmp_path):
    """Some damage sends the reader round in a ring of sectors, some makes it panic."""
    xlwt = dev_package("xlwt")
    old = xlwt.Workbook()
    sheet = old.add_sheet("S")
    for row in range(5):
        for column in range(3):
            sheet.write(row, column, f"x{row}{column}")
    old.save(str(tmp_path / "x.xls"))
    raw = (tmp_path / "x.xls").read_bytes()
    chance = random.Random(0)
    for _ in range(15):
        broken = bytearray(raw)
        for _ in range(chance.choice([1, 3, 20])):
            at = chance.randrange(len(broken))
            broken[at : at + chance.choice([0, 1, 9])] = chance.randbytes(chance.choice([1, 1, 9]))
        (tmp_path / "y.xls").write_bytes(broken)
        with contextlib.suppress(DataError):
            read_rows(tmp_path / "y.xls")
    (first,) = struct.unpack_from("<I", raw, 76)
    ring = bytearray(raw)
    struct.pack_into("<2I", ring, (first + 1) * 512, 1, 0)
    (tmp_path / "y.xls").write_bytes(ring)
    with contextlib.suppress(DataError):
        read_rows(tmp_path / "y.xls")
    wide = raw.replace(b"\x00\x02\x0e\x00", b"\x00\x02\x0e\x00\x00\x00\x00\x00\xff\xff\xff\xff", 1)
    (tmp_path / "y.xls").write_bytes(wide[: len(raw)])
    with contextlib.suppress(DataError):
        read_rows(tmp_path / "y.xls")


def cell(text: str, repeated: int = 1) -> str:
    return (
        f'<table:table-cell office:value-type="string" table:number-columns-repeated="{repeated}">'
        f"<text:p>{text}</text:p></table:table-cell>"
    )


def ods(path: Path, *rows: str) -> Path:
    cells = "".join(f"<table:table-row>{row}</table:table-row>" for row in rows)
    spaces = " ".join(f'xmlns:{n}="urn:oasis:names:tc:opendocument:xmlns:{n}:1.0"' for n in ("office", "table", "text"))
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        packed.writestr(
            "META-INF/manifest.xml",
            "<manifest:manifest"
            ' xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"></manifest:manifest>',
        )
        packed.writestr(
            "content.xml",
            f'<?xml version="1.0"?><office:document-content {spaces}><office:body><office:spreadsheet><table:table'
            f' table:name="S">{cells}</table:table></office:spreadsheet></office:body></office:document-content>',
        )
    return path


def test_workbooks_made_to_fill_the_memory(tmp_path, monkeypatch):
    far = openpyxl.Workbook()
    far.active["A1"], far.active["XFD1048576"] = "q", "x"
    far.save(tmp_path / "far.xlsx")
    assert "span 17,179,869,184 places" in refusal(tmp_path / "far.xlsx")
    assert "at most" in refusal(ods(tmp_path / "far.ods", *[cell("x", 16000)] * 1200))
    assert "damaged" in refusal(ods(tmp_path / "broken.ods", "<table:table-cell>"))
    monkeypatch.setattr("postgrad.data.formats.workbook_scan.UNPACKED_LIMIT", 1000)
    small = book(tmp_path / "x.xlsx", {"S": [["a", "b"], [1, 2]]})
    with small.open("rb") as file, pytest.raises(DataError, match="unpacks to more than"):  # here, not apart
        read_workbook(ByteStream(file, "x.xlsx", "x.xlsx", path=small), "zip")


def test_damaged_and_other_zipped_files(tmp_path):
    whole = book(tmp_path / "x.xlsx", {"S": [["a", "b"], [1, 2]]}).read_bytes()
    (tmp_path / "cut.xlsx").write_bytes(whole[: len(whole) // 2])
    assert "damaged" in refusal(tmp_path / "cut.xlsx")
    for inner, kind in (
        ("word/document.xml", "Word"),
        ("xl/workbook.bin", "binary Excel"),
        ("ppt/x.xml", "PowerPoint"),
    ):
        with zipfile.ZipFile(tmp_path / "y.xlsx", "w") as packed:
            packed.writestr(inner, "x")
        assert kind in refusal(tmp_path / "y.xlsx")
    (tmp_path / "locked.xlsx").write_bytes(
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le")
    )
    assert "locked with a password" in refusal(tmp_path / "locked.xlsx")
