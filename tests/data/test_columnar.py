"""Parquet, Arrow and Feather: values made plain, rows numbered, damage said."""

from __future__ import annotations

import datetime as dt
import gzip
from decimal import Decimal

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from postgrad.data import read_rows, stream_rows
from postgrad.errors import DataError

MESSAGES = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]
TABLE = pa.table(
    {
        "messages": [MESSAGES, MESSAGES[:1]],
        "role": ["admin", None],
        "day": [dt.datetime(2024, 1, 2), dt.datetime(2024, 1, 2, 3, 4)],
        "price": [Decimal("12.50"), None],
        "score": [1.5, float("nan")],
        "exact": pa.array([1, 2], pa.timestamp("ns")),
        "image": [b"\xff\xfe", b"text"],
        "map": pa.array([[("a", 1)], []], pa.map_(pa.string(), pa.int64())),
    }
)
FIRST = {
    "messages": MESSAGES,
    "role": "admin",
    "day": "2024-01-02",
    "price": "12.50",
    "score": 1.5,
    "exact": "1970-01-01",
    "image": None,
    "map": {"a": 1},
}


def written(path, kind):
    if kind == "parquet":
        pq.write_table(TABLE, path)
    elif kind == "feather":
        feather.write_feather(TABLE, str(path))
    else:
        writer = pa.ipc.new_stream if kind == "stream" else pa.ipc.new_file
        with pa.OSFile(str(path), "wb") as sink, writer(sink, TABLE.schema) as out:
            out.write_table(TABLE)
    return path


@pytest.mark.parametrize("kind", ["parquet", "feather", "stream", "file"])
def test_every_columnar_form_gives_the_same_plain_rows(tmp_path, kind):
    path = written(tmp_path / "x.csv", kind)
    rows = read_rows(path)
    assert rows.rows[0] == (1, FIRST)
    assert rows.rows[1][1]["score"] is None and rows.rows[1][1]["day"] == "2024-01-02T03:04:00"
    assert rows.notes == ("column 'image' holds bytes that are no text in 1 row; they were left out",)
    assert [chunk.rows[0] for chunk in stream_rows(path, chunk=1)] == list(rows.rows)
    (tmp_path / "x.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert read_rows(tmp_path / "x.gz").rows == rows.rows


@pytest.mark.parametrize("kind", ["parquet", "feather", "stream", "file"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_cut_files_are_said_to_be_damaged(tmp_path, kind, share):
    path = written(tmp_path / "x", kind)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * share)])
    with pytest.raises(DataError, match="cannot be read"):
        read_rows(path)


def test_double_names_and_no_rows(tmp_path):
    double = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(double, tmp_path / "x.parquet")
    with pytest.raises(DataError, match="'a' appears 2 times"):
        read_rows(tmp_path / "x.parquet")
    pq.write_table(TABLE.slice(0, 0), tmp_path / "x.parquet")
    with pytest.raises(DataError, match="no rows"):
        read_rows(tmp_path / "x.parquet")
