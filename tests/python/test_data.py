"""Data as Python has it: paths, tables, dictionaries, records; all through the same recognition as files."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas
import pyarrow
import pytest

import postgrad as pg
from postgrad.data.documents.raw_texts import load_texts
from postgrad.data.sources.in_memory import sources

ROWS = [
    {"question": f"How many are {n} lamps?", "answer": f"About {3 * n}.", "day": f"2026-01-{n + 1:02}"}
    for n in range(12)
]


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "lamps.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return file


class Polars:
    """What of a polars.DataFrame is used; the package is not needed."""

    columns = ("question", "answer", "day")

    def iter_rows(self, *, named):
        assert named
        return iter(ROWS)


@pytest.mark.parametrize(
    "given",
    [ROWS, tuple(ROWS), (row for row in ROWS), pyarrow.Table.from_pylist(ROWS), pandas.DataFrame(ROWS), Polars()],
    ids=["list", "tuple", "generator", "pyarrow", "pandas", "polars"],
)
def test_everything_is_read_as_the_file_would_be(given, path):
    read, file = pg.read(given), pg.read(path)
    assert [replace(r, source=pg.Source()) for r in read] == [replace(r, source=pg.Source()) for r in file]
    assert (read.shape, read.explanation) == (file.shape, file.explanation)
    assert str(read[2].source) == "data:3" and read[2].meta == {"day": "2026-01-03"}
    assert repr(read).startswith("12 records (input-output columns). Input is 'question'")


def test_paths_and_records(path):
    assert len(pg.read([str(path), path])) == 24
    records = [pg.pair("Where?", "Here."), *pg.read(path)]
    read = pg.read(records)
    assert [str(r.source).rpartition("/")[2] for r in read][:2] == ["data:1", "lamps.jsonl:1"]
    assert "13 records that hold" in read.explanation
    messages = [
        {"messages": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": f"{n}"}]} for n in range(3)
    ]
    assert pg.read(messages).shape == "OpenAI chat"


def test_missing_values_and_numbers_of_tables():
    table = pandas.DataFrame({"question": ["a b?", None, "c d?"], "answer": ["x y", "z", "w"], "n": [1, 2, None]})
    records = list(pg.read(table))
    assert [r.prompt_text for r in records] == ["a b?", "", "c d?"]
    assert [r.meta["n"] for r in records] == [1.0, 2.0, None]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "data is empty"),
        ({"question": "a"}, "dict cannot be read as data"),
        (3, "int cannot be read as data"),
        ([3], r"item 1 is int \('3'\)"),
        ([ROWS[0], pg.pair("a", "b")], "dictionaries and records are mixed"),
    ],
)
def test_what_is_no_data_is_refused(given, message):
    with pytest.raises(pg.DataError, match=message):
        pg.read(given)


def test_convert_writes_what_is_in_memory(tmp_path, path):
    for n, given in enumerate((ROWS, list(pg.read(path)), path)):
        done = pg.convert(given, tmp_path / f"{n}.jsonl", "openai-chat")
        assert (done.read, done.written) == (12, 12) and "12 records read, 12 rows written" in repr(done)
    lines = [(tmp_path / f"{n}.jsonl").read_text() for n in range(3)]
    assert lines[0] == lines[1] == lines[2]
    with pytest.raises(pg.UsageError, match="already exists"):
        pg.convert(ROWS, tmp_path / "0.jsonl", "openai-chat")


def test_raw_text_in_memory():
    for given in ([{"text": "one"}, {"text": "two"}], [pg.Text(text="one"), pg.Text(text="two")]):
        assert [t.text for t in load_texts(sources(given))] == ["one", "two"]
    with pytest.raises(pg.DataError, match="takes raw text"):
        load_texts(sources([pg.pair("a", "b")]))
    with pytest.raises(pg.DataError, match="no column 'text'"):
        load_texts(sources(ROWS))
