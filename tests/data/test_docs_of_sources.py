"""The page about data: its examples run, and what it promises of limits is what the code keeps."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import openpyxl

from postgrad.data.documents import document_files
from postgrad.data.formats import delimited, mail, text_files, workbook_scan
from postgrad.data.sources import bytestream, lines

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text("utf-8")


def test_the_examples_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    book = openpyxl.Workbook()
    book.active.title = "Sheet1"
    for row in (["question", "answer"], ["where?", "here"]):
        book.active.append(row)
    book.save("tickets.xlsx")
    raw = "".join(json.dumps({"q": i}) + "\n" for i in range(3))
    Path("tickets.jsonl.gz").write_bytes(gzip.compress(raw.encode()))
    code = re.search(r"```python\n(.*?read_rows.*?)```", PAGE, re.DOTALL)
    scope: dict = {}
    exec(code[1], scope)
    assert scope["rows"].rows == ((2, {"question": "where?", "answer": "here"}),)
    assert capsys.readouterr().out == "(1, {'q': 0}) ()\n"


def test_the_limits_are_those_of_the_code():
    said = " ".join(PAGE.split())
    for promise, value, unit in (
        ("a line up to 64 MB", lines.LINE_LIMIT, 2**20),
        ("up to 64 million characters", delimited.LONGEST_FIELD, 2**20),
        ("64 MB a message", mail.MESSAGE_LIMIT, 2**20),
        ("1 GB unpacked", workbook_scan.UNPACKED_LIMIT, 2**30),
        ("2 GB if it must be held in memory", bytestream.WHOLE_LIMIT, 2**30),
        ("200 times its size", bytestream.RATIO_LIMIT, 1),
        ("on the first 4 MB", text_files.HEAD, 2**20),
        ("up to 256 MB each", document_files.SIZE_LIMIT, 2**20),
    ):
        assert promise in said
        assert int(re.search(r"\d+", promise)[0]) * unit == value
    assert workbook_scan.CELL_LIMIT == 2**24 and "16.7 million cells" in said
