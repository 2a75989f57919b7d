"""Chunk by chunk: the same rows, lines and notes as in one piece, in memory that does not grow."""

from __future__ import annotations

import csv
import gzip
import json

import pytest

from postgrad.data import read_rows, stream_rows
from postgrad.errors import DataError
from tests.data.memory import output_of


@pytest.fixture
def small_head(monkeypatch):
    """Files of a few kilobytes are long ones."""
    monkeypatch.setattr("postgrad.data.sources.lines.HEAD", 4096)
    monkeypatch.setattr("postgrad.data.formats.text_files.HEAD", 4096)
    monkeypatch.setattr("postgrad.data.sources.bytestream.BLOCK", 1000)


def table(delimiter=",", count=500):
    lines = [f"id{delimiter}question{delimiter}answer"]
    for i in range(count):
        question = f'"is it {i}{delimiter} or\nnot, ""größe""?"' if i % 3 else f"plain {i}"
        lines.append(f"{i}{delimiter}{question}{delimiter}yes" + ("" if i % 2 else " indeed"))
    return "\n".join(lines) + "\n"


def same(path):
    """Streams a file in chunks of 7 and compares it with the file in one piece."""
    whole = read_rows(path)
    chunks = list(stream_rows(path, chunk=7))
    assert [row for chunk in chunks for row in chunk] == list(whole.rows)
    assert {len(chunk) for chunk in chunks[:-1]} == {7} and 1 <= len(chunks[-1]) <= 7
    assert chunks[-1].columns == whole.columns and {chunk.format for chunk in chunks} == {whole.format}
    said = [note for chunk in chunks for note in chunk.notes]
    assert sorted(said) == sorted(whole.notes)
    return chunks


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_tables(tmp_path, small_head, encoding, delimiter):
    path = tmp_path / "x.csv"
    path.write_bytes(table(delimiter).encode(encoding))
    same(path)
    path.write_bytes(table(delimiter).replace("\n", "\r\n").encode(encoding))
    same(path)


def test_tables_with_odd_quotes_and_line_ends(tmp_path, small_head):
    path = tmp_path / "x.tsv"
    path.write_text("q\ta\n" + '"tis true\tyes\nfive"\tno\n"so\tit goes\n' * 400)
    same(path)
    path.write_text("q,a\n" + 'an "inner" quote, yes\n"a ""b"" c",no\n' * 400)
    same(path)
    path.write_bytes(b"q,a\r" + b"some words,yes\r" * 900)
    same(path)


def test_lines_of_json_with_keys_that_come_late(tmp_path, small_head):
    rows = [{"q": f"größe {i}", "a": i} | ({"late": 1} if i > 600 else {}) for i in range(700)]
    path = tmp_path / "x.jsonl"
    path.write_text("\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    chunks = same(path)
    assert "late" not in chunks[0].columns and "late" in chunks[-1].columns
    (tmp_path / "x.jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
    same(tmp_path / "x.jsonl.gz")


def test_another_alphabet_and_late_bytes_that_are_no_utf8(tmp_path, small_head):
    text = "вопрос;ответ\n" + "Где мой новый заказ и когда я его получу?;Завтра утром\n" * 300
    (tmp_path / "x.csv").write_bytes(text.encode("cp1251"))
    same(tmp_path / "x.csv")
    raw = "q,a\nfür,eins\n".encode() + b"plain,words\n" * 900 + b"gr\xf6\xdfe,zwei\n" + b"x,y\n"
    (tmp_path / "x.csv").write_bytes(raw)
    chunks = same(tmp_path / "x.csv")
    assert "line 903 is not UTF-8" in chunks[-1].notes[0]


def test_json_lists_come_in_chunks_too(tmp_path):
    (tmp_path / "x.json").write_text(json.dumps([{"a": i} for i in range(20)], indent=1))
    same(tmp_path / "x.json")


def test_broken_lines_are_refused_after_the_last_chunk(tmp_path, small_head):
    lines = [json.dumps({"q": f"question number {i}"}) for i in range(500)]
    for i in (300, 310, 320, 330, 340, 350, 360):
        lines[i] = "{oops"
    (tmp_path / "x.jsonl").write_text("\n".join(lines))
    seen = []
    with pytest.raises(DataError) as caught:
        for chunk in stream_rows(tmp_path / "x.jsonl", chunk=50):
            seen += chunk
    assert len(seen) == 493 and seen[-1][0] == 500
    assert (
        "line 301 " in caught.value.message
        and "line 341 " in caught.value.message
        and "and 2 more" in caught.value.message
    )
    table = "a,b\n" + "1,2\n" * 2000 + "1,2,3\n" * 7
    (tmp_path / "x.csv").write_text(table)
    with pytest.raises(DataError, match="lines 2002, 2003, 2004, 2005, 2006 and 2 more have more fields"):
        list(stream_rows(tmp_path / "x.csv"))


def test_a_quote_never_closed_is_found(tmp_path, small_head):
    (tmp_path / "x.csv").write_text("a,b\n" + '"1,1",2\n' * 2000 + '3,"4\n5,6\n')
    with pytest.raises(DataError, match="line 2002"):
        list(stream_rows(tmp_path / "x.csv"))


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_memory_does_not_grow(tmp_path, form):
    """60 MB in a process of its own; a list of these rows alone would take some 200 MB more."""
    words = "the sofa arrived with a broken leg and größe " * 8
    path = tmp_path / f"x.{form}"
    with path.open("w", newline="", encoding="utf-8") as file:
        if form == "csv":
            writer = csv.writer(file)
            writer.writerow(["id", "q", "a"])
            writer.writerows([i, words + ', "so"\nit goes', words] for i in range(80_000))
        else:
            for i in range(80_000):
                file.write(json.dumps({"id": i, "q": words, "a": words}, ensure_ascii=False) + "\n")
    code = (
        "from postgrad.data import stream_rows\n"
        "chunks = stream_rows(sys.argv[1]); count = len(next(chunks)); early = peak()\n"
        "count += sum(map(len, chunks)); print(count); print(peak() - early); print(peak())"
    )
    count, grown, peak = map(int, output_of(code, path))
    assert count == 80_000 and grown < 40 and peak < 300
