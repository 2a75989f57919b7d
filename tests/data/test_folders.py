"""A folder: files of one kind are read together, what is left out is said, and each row knows its file."""

from __future__ import annotations

import gzip
import os

import pytest

from postgrad.data import load, read_all, read_rows, stream_rows
from postgrad.errors import DataError
from tests.needs import NOT_ROOT


def test_files_of_one_kind_are_read_together(tmp_path):
    (tmp_path / "a.csv").write_text("q,a\n1,2\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.csv.gz").write_bytes(gzip.compress(b"q;a\n3;4\n"))
    (tmp_path / "c.jsonl").write_text('{"q": 5}')
    (tmp_path / ".hidden.csv").write_text("x")
    (tmp_path / "README.md").write_text("x")
    rows = read_rows(tmp_path)
    assert [(line, values["q"], values["file"]) for line, values in rows] == [
        (2, "1", str(tmp_path / "a.csv")),
        (2, "3", str(tmp_path / "sub" / "b.csv.gz")),
    ]
    assert any("2 CSV or TSV files" in n and n.endswith("left out: README.md, c.jsonl") for n in rows.notes)
    assert [r.file for r in read_all(tmp_path)] == [str(tmp_path / "a.csv"), str(tmp_path / "sub" / "b.csv.gz")]
    assert [values for chunk in stream_rows(tmp_path) for _, values in chunk] == [
        {"q": "1", "a": "2"},
        {"q": "3", "a": "4"},
    ]


def test_records_of_a_folder_name_their_own_file(tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("question,answer\n" + "".join(f"is it {name} {i}?,yes {i}\n" for i in range(6)))
    records = load([tmp_path]).records
    assert [(r.source.file, r.source.line) for r in records[5:7]] == [
        (str(tmp_path / "a.csv"), 7),
        (str(tmp_path / "b.csv"), 2),
    ]


def test_a_broken_file_in_a_folder_is_named(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"q": 1}')
    (tmp_path / "b.jsonl").write_text('{"q": 1')
    with pytest.raises(DataError, match=r"b\.jsonl, line 1|b\.jsonl: line 1"):
        read_rows(tmp_path)


def test_documents_are_no_examples(tmp_path):
    (tmp_path / "a.txt").write_text("Some text.")
    with pytest.raises(DataError, match=r"only \.txt files") as caught:
        read_rows(tmp_path)
    assert "--docs" in caught.value.mend


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason=NOT_ROOT)
def test_a_folder_without_permission(tmp_path):
    (tmp_path / "x").mkdir(mode=0)
    with pytest.raises(DataError, match="No permission"):
        read_rows(tmp_path / "x")
