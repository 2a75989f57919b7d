"""Heavy formats are read in a process of its own: what ends that one does not end us, and the next file is read."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path

import psutil
import pytest

from postgrad.data import read_rows
from postgrad.data.documents.document_files import read_document
from postgrad.data.sources import apart
from postgrad.errors import DataError

ROOT = Path(__file__).parents[2]
BAD = "tests.hostile.bad_readers"


@pytest.fixture
def document(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "src")]))  # where the bad readers are
    apart._end_all()
    path = tmp_path / "d.txt"
    path.write_text("what it says")
    return path


@pytest.mark.parametrize(
    ("name", "words"),
    [("greedy", "more memory"), ("dying", "died of it"), ("wrong", "IndexError"), ("nowhere", "AttributeError")],
)
def test_what_ends_a_reader_is_one_clear_error(document, name, words):
    with pytest.raises(DataError, match=words) as caught:
        apart.text_apart(f"{BAD}:{name}", document)
    assert str(document) in caught.value.message and caught.value.mend
    assert apart.text_apart(f"{BAD}:chatty", document) == "what it says"


def test_a_reader_without_end_is_ended(document, monkeypatch):
    monkeypatch.setattr(apart, "COMPUTING_S", 2.0)
    for name, patience in (("endless", 1), ("busy", 50)):
        monkeypatch.setattr(apart, "PATIENCE", patience)
        began = time.monotonic()
        with pytest.raises(DataError, match="did not end within"):
            apart.text_apart(f"{BAD}:{name}", document)
        assert time.monotonic() - began < 30
    assert apart.text_apart(f"{BAD}:chatty", document) == "what it says"


def test_one_process_reads_many_files_and_none_is_left_running(document):
    for _ in range(5):
        apart.text_apart(f"{BAD}:chatty", document)
    children = [c for c in psutil.Process().children() if "apart_child" in " ".join(c.cmdline())]
    assert 1 <= len(children) <= 2
    apart._end_all()
    assert not [c for c in psutil.Process().children() if "apart_child" in " ".join(c.cmdline())]


def test_nothing_is_taken_from_the_current_folder(tmp_path, monkeypatch, document):
    """A folder of somebody else's data may hold a json.py; and a process that is kept follows us to another folder."""
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name in ("json.py", "docx.py", "pypdf.py", "pyarrow.py"):
            (folder / name).write_text("raise SystemExit('this was run')")
        (folder / "same.txt").write_text(f"of folder {number}")
        monkeypatch.chdir(folder)
        assert apart.text_apart(f"{BAD}:chatty", Path("same.txt")) == f"of folder {number}"


def test_a_workbook_a_table_and_a_document_come_as_before(tmp_path):
    """What is written is read again: types, missing values, texts of any script, across the other process."""
    import docx
    import openpyxl
    import pyarrow as pa
    import pyarrow.parquet as pq

    values = {"text": ["eins", "zwei \U0001f600", None], "n": [1, None, 3], "x": [0.5, float("nan"), 1e300]}
    pq.write_table(pa.table(values), tmp_path / "t.parquet")
    rows = read_rows(tmp_path / "t.parquet")
    assert [r["text"] for _, r in rows] == values["text"] and [r["n"] for _, r in rows] == [1, None, 3]
    book = openpyxl.Workbook()
    for row in (["text", "n"], ["größer", 2], ["x", 2.5]):
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    assert [v for _, v in read_rows(tmp_path / "t.xlsx")] == [{"text": "größer", "n": 2}, {"text": "x", "n": 2.5}]
    document = docx.Document()
    document.add_paragraph("Ein Absatz.")
    document.save(str(tmp_path / "d.docx"))
    assert read_document(tmp_path / "d.docx") == "Ein Absatz."
    (tmp_path / "bad.pdf").write_bytes(b"%PDF-1.7\n" + io.BytesIO(bytes(100)).read())
    with pytest.raises(DataError, match=r"bad\.pdf"):
        read_document(tmp_path / "bad.pdf")
