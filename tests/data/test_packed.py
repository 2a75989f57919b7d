"""Packed files, limits, and everything that is made to hang a reader or to fill the memory."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import subprocess
import sys
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from postgrad.data import read_rows, stream_rows
from postgrad.errors import DataError
from tests.data.memory import output_of

TABLE = b"question,answer\nwhere is it?,here\nand now?,there\n"


def zstd(raw: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as packed:
        packed.write(raw)
    return sink.getvalue().to_pybytes()


def zipped(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, raw in files.items():
            packed.writestr(name.replace("__", "."), raw)
    return out.getvalue()


PACKERS = {"gz": gzip.compress, "zst": zstd, "bz2": bz2.compress, "xz": lzma.compress}


def refusal(source: Path | str, read=read_rows) -> str:
    with pytest.raises(DataError) as caught:
        list(read(source))
    assert caught.value.mend
    return str(caught.value)


@pytest.mark.parametrize("ending", PACKERS)
def test_packed_tables_give_the_same_rows_and_damaged_ones_are_said(tmp_path, ending):
    plain = tmp_path / "x.csv"
    plain.write_bytes(TABLE)
    packed = tmp_path / f"x.csv.{ending}"
    packed.write_bytes(PACKERS[ending](TABLE))
    assert read_rows(packed).rows == read_rows(plain).rows
    assert [row for rows in stream_rows(packed, chunk=1) for row in rows] == list(read_rows(plain).rows)
    packed.write_bytes(PACKERS[ending](TABLE * 500)[:-5])
    assert "damaged" in refusal(packed)
    packed.write_bytes(PACKERS[ending](PACKERS[ending](TABLE)))
    assert "inside another one" in refusal(packed)


def test_zip_with_one_file_several_none_and_a_chosen_one(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(zipped(tickets__csv=TABLE, README__md=b"hello"))
    rows = read_rows(path)
    assert len(rows) == 2 and "README.md" in rows.notes[1]
    path.write_bytes(zipped(a__csv=TABLE, b__jsonl=b'{"q": 1}\n'))
    assert "holds 2 files: a.csv, b.jsonl" in refusal(path)
    assert read_rows(f"{path}#b.jsonl").rows == ((1, {"q": 1}),)
    assert "no file 'c.csv'" in refusal(f"{path}#c.csv")
    path.write_bytes(zipped())
    assert "without a file" in refusal(path)
    path.write_bytes(zipped(a__csv=TABLE)[:-30])
    assert "damaged zip" in refusal(path)
    (tmp_path / "x.csv").write_bytes(TABLE)
    assert "no workbook or archive" in refusal(f"{tmp_path / 'x.csv'}#sheet")


def test_a_number_sign_in_a_name_is_part_of_the_name(tmp_path):
    (tmp_path / "a#b.csv").write_bytes(TABLE)
    assert len(read_rows(tmp_path / "a#b.csv")) == 2


@pytest.mark.parametrize("ending", PACKERS)
def test_bombs_are_given_up_early(tmp_path, ending, monkeypatch):
    monkeypatch.setattr("postgrad.data.sources.bytestream.RATIO_FROM", 2**21)
    path = tmp_path / f"bomb.{ending}"
    path.write_bytes(PACKERS[ending](b"\n" * 2**24))
    assert "200 times its size" in refusal(path)
    assert "200 times its size" in refusal(path, stream_rows)


def test_a_zip_bomb_is_given_up_early(tmp_path, monkeypatch):
    monkeypatch.setattr("postgrad.data.sources.bytestream.RATIO_FROM", 2**21)
    (tmp_path / "bomb.zip").write_bytes(zipped(x__csv=b"\n" * 2**24))
    assert "200 times its size" in refusal(tmp_path / "bomb.zip")


def test_unpacking_into_memory_ends(tmp_path, monkeypatch):
    monkeypatch.setattr("postgrad.data.sources.bytestream.WHOLE_LIMIT", 100)
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(TABLE * 10))
    assert "unpacks to more than" in refusal(tmp_path / "x.csv.gz")


def test_a_line_without_end_is_given_up_without_reading_the_file(tmp_path):
    """Two gigabytes in one line, as a sparse file: refused after 64 MB, with little memory."""
    path = tmp_path / "x.jsonl"
    with path.open("wb") as file:
        file.write(b'{"q": "a"}\n{"q": "' + b"x" * 20_000)
        file.truncate(2**31)
    code = (
        "from postgrad.data import read_rows, stream_rows; from postgrad.errors import DataError\n"
        "for read in (read_rows, stream_rows):\n"
        "    try: list(read(sys.argv[1]))\n"
        "    except DataError as error: print(error)\n"
        "print(peak())"
    )
    *messages, peak = output_of(code, path)
    assert messages[0] == messages[2] and "line 2: the line is longer than 64 MB" in messages[0]
    assert int(peak) < 500


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_the_limit_of_a_line_holds_in_every_encoding(tmp_path, monkeypatch, encoding):
    monkeypatch.setattr("postgrad.data.sources.lines.LINE_LIMIT", 2**20)
    monkeypatch.setattr("postgrad.data.sources.lines.HEAD", 2**16)
    monkeypatch.setattr("postgrad.data.formats.text_files.HEAD", 2**16)
    text = '{"q": "a"}\n' * 9000 + '{"q": "' + "x" * 2**22
    (tmp_path / "x.jsonl").write_bytes(text.encode(encoding))
    assert "longer than 1 MB" in refusal(tmp_path / "x.jsonl")
    assert "line 9001: the line is longer than 1 MB" in refusal(tmp_path / "x.jsonl", stream_rows)


def test_a_long_json_list_may_be_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("postgrad.data.sources.lines.LINE_LIMIT", 1000)
    (tmp_path / "x.json").write_text("[" + ",".join(['{"q": "a"}'] * 1000) + "]")
    assert len(read_rows(tmp_path / "x.json")) == 1000


@pytest.mark.parametrize("raw", [TABLE, gzip.compress(TABLE), zipped(x__csv=TABLE)], ids=["plain", "gzip", "zip"])
def test_standard_input(raw):
    code = "from postgrad.data import read_rows, stream_rows; print(read_rows('-').rows)"
    for call in (code, code.replace("print(read_rows('-').rows)", "print(next(stream_rows('-')).rows)")):
        done = subprocess.run([sys.executable, "-c", call], input=raw, capture_output=True, timeout=60, check=True)
        assert b"(3, {'question': 'and now?', 'answer': 'there'})" in done.stdout
