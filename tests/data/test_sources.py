"""Reading: what is read right, and what is refused with which message."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postgrad.data import read_rows
from postgrad.data.formats.delimited import read_table
from postgrad.errors import DataError
from tests.needs import NOT_ROOT


def write(folder: Path, name: str, content: str | bytes, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_rows(path)
    assert caught.value.mend, "every refusal says what to do"
    assert str(path) in caught.value.message
    return str(caught.value)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_every_delimiter_with_quotes_and_line_breaks(tmp_path, delimiter):
    text = f'question{delimiter}answer\n"a{delimiter} b\nsecond line"{delimiter}yes\nc{delimiter}"say ""no"""\n'
    rows = read_rows(write(tmp_path, "x.csv", text))
    assert rows.rows == (
        (2, {"question": f"a{delimiter} b\nsecond line", "answer": "yes"}),
        (4, {"question": "c", "answer": 'say "no"'}),
    )


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252"])
def test_encodings_give_the_same_rows(tmp_path, encoding):
    text = "question,answer\nWo ist mein Stuhl für Zoë?,délai\nnext,plain words here\n"
    rows = read_rows(write(tmp_path, "x.csv", text, encoding))
    assert rows.columns == ("question", "answer")
    assert rows.rows[0][1] == {"question": "Wo ist mein Stuhl für Zoë?", "answer": "délai"}
    assert bool(rows.notes) == (encoding != "utf-8-sig")


def test_windows_punctuation_is_read(tmp_path):
    rows = read_rows(write(tmp_path, "x.csv", b"q,a\nit\x92s 5 \x80,b\n"))
    assert rows.rows[0][1]["q"] == "it’s 5 €"


def test_cyrillic_without_a_mark_is_not_taken_for_latin(tmp_path):
    text = (
        "вопрос;ответ\n" + "Где мой новый заказ и когда я его получу? Мы ждём;Завтра утром, очень скоро привезём\n" * 20
    )
    assert read_rows(write(tmp_path, "x.csv", text, "cp1251")).columns == ("вопрос", "ответ")


def test_a_few_latin_lines_in_utf8_are_mended_and_named(tmp_path):
    raw = "q,a\nfür,eins\n".encode() + "größe,zwei\n".encode("latin-1") + "schön,drei\n".encode()
    rows = read_rows(write(tmp_path, "x.csv", raw))
    assert [v["q"] for _, v in rows] == ["für", "größe", "schön"]
    assert rows.notes == ("mixed encodings: line 3 is not UTF-8 and read as Windows-1252 (Latin-1)",)


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("name", ["x.jsonl", "x.ndjson", "x.data", "x.csv"])
def test_json_lines_under_any_name(tmp_path, name, pack):
    raw = b'{"a": 1, "b": "x"}\n\n{"a": 2, "b": "y", "c": null}\n'
    rows = read_rows(write(tmp_path, name + ".gz" * pack, gzip.compress(raw) if pack else raw))
    assert rows.format == "jsonl"
    assert rows.rows == ((1, {"a": 1, "b": "x"}), (3, {"a": 2, "b": "y", "c": None}))
    assert any("'c' (1 of 2)" in note for note in rows.notes)


def test_json_list_knows_lines(tmp_path):
    text = json.dumps([{"a": "x", "b": i} for i in range(3)], indent=1)
    assert [line for line, _ in read_rows(write(tmp_path, "x.json", text))] == [2, 6, 10]


def test_json_list_under_a_key_and_columns(tmp_path):
    assert len(read_rows(write(tmp_path, "x.json", '{"version": 1, "data": [{"a": 1}, {"a": 2}]}'))) == 2
    assert read_rows(write(tmp_path, "y.json", '{"a": [1, 2], "b": ["x", "y"]}')).rows[1] == (2, {"a": 2, "b": "y"})


def test_short_rows_are_filled_and_named(tmp_path):
    rows = read_rows(write(tmp_path, "x.csv", "a,b,c\n1,2,3\n4,5\n6,7,8\n"))
    assert rows.rows[1] == (3, {"a": "4", "b": "5", "c": ""})
    assert "line 3 has fewer fields" in rows.notes[0]


def test_tabs_with_stray_quotes(tmp_path):
    rows = read_rows(write(tmp_path, "x.tsv", 'q\ta\n"tis true\tyes\nfive"\tno\n"so\tit goes\n'))
    assert [v["q"] for _, v in rows] == ['"tis true', 'five"', '"so']


@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30)), min_size=1, max_size=20))
def test_what_csv_writes_is_read_back(pairs):
    pairs = [(a.replace("\r", " "), b.replace("\r", " ")) for a, b in pairs]
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(["question", "answer"])
    writer.writerows(pairs)
    expected = [(a, b) for a, b in pairs if a.strip() or b.strip()]
    if not expected:
        with pytest.raises(DataError, match="only a header"):
            read_table(buffer.getvalue(), "x.csv")
        return
    table = read_table(buffer.getvalue(), "x.csv")
    assert [(v["question"], v["answer"]) for _, v in table.rows] == expected


def test_missing_file_folder_and_empty(tmp_path):
    write(tmp_path, "tickets.csv", "a,b\n1,2\n")
    assert "no file" in refusal(tmp_path / "ticket.csv")
    (tmp_path / "empty").mkdir()
    assert "folder without files of examples (nothing)" in refusal(tmp_path / "empty")
    assert "is empty" in refusal(write(tmp_path, "a.csv", ""))
    assert "is empty" in refusal(write(tmp_path, "b.csv", " \n\n"))
    assert "is empty" in refusal(write(tmp_path, "c.csv.gz", gzip.compress(b"")))
    assert "only a header line (a, b)" in refusal(write(tmp_path, "d.csv", "a,b\n"))
    assert "no examples" in refusal(write(tmp_path, "e.json", "[]"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason=NOT_ROOT)
def test_no_permission(tmp_path):
    path = write(tmp_path, "x.csv", "a,b\n1,2\n")
    path.chmod(0)
    assert "No permission" in refusal(path)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"PAR1\x15\x04", "a Parquet file that cannot be read"),
        (b"ARROW1\x00\x00", "an Arrow file that cannot be read"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "old Microsoft Office file"),
        (b"FEA1" + bytes(20), "Feather"),
        (bytes(100), "is empty"),
        (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "PNG"),
        (b"SQLite format 3\x00" + bytes(20), "SQLite"),
        (gzip.compress(gzip.compress(b"x", mtime=0), mtime=0), "gzip"),
        (bytes(range(256)) * 20, "unknown kind"),
    ],
)
def test_binary_files_are_called_by_name(tmp_path, raw, kind):
    assert kind in refusal(write(tmp_path, "x.csv", raw))


def test_spreadsheets_and_damaged_archives(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr("xl/workbook.xml", "<x/>")
    assert "Excel" in refusal(write(tmp_path, "x.csv", buffer.getvalue()))
    assert "damaged gzip" in refusal(write(tmp_path, "x.csv.gz", gzip.compress(b"a,b\n1,2\n" * 99)[:-9]))


def test_one_column_and_double_names(tmp_path):
    assert "one column" in refusal(write(tmp_path, "x.csv", "text\nhello there\nbye now\n"))
    assert "'a' appears 2 times" in refusal(write(tmp_path, "y.csv", "a,b,a\n1,2,3\n"))


def test_ragged_rows_name_five_lines(tmp_path):
    text = "a,b\n" + "1,2\n" * 3 + "1,2,3\n" * 7
    message = refusal(write(tmp_path, "x.csv", text))
    assert "lines 5, 6, 7, 8, 9 and 2 more have more fields than the 2 columns" in message


def test_an_open_quote_is_found_where_it_opens(tmp_path):
    message = refusal(write(tmp_path, "x.csv", 'a,b\n1,2\n3,"4\n5,6\n' + "7,8,9\n"))
    assert "line 3" in message and "quote" in message


def test_broken_line_5000(tmp_path):
    lines = [json.dumps({"q": f"question {i}", "a": "x"}) for i in range(1, 6001)]
    lines[4999] = '{"q": "question 5000", "a": x}'
    message = refusal(write(tmp_path, "x.jsonl", "\n".join(lines)))
    assert "line 5000 is broken at column 29" in message and '"a": x}' in message


def test_all_broken_lines_in_one_message(tmp_path):
    lines = ['{"q": 1}'] * 3 + ["{oops", "[1]", '"text"'] * 3
    message = refusal(write(tmp_path, "x.jsonl", "\n".join(lines)))
    assert "line 4 " in message and "line 5 is a list" in message and "and 4 more" in message


def test_broken_and_cut_json(tmp_path):
    assert "line 2, column 9" in refusal(write(tmp_path, "x.json", '[{"a": 1},\n{"a": 1 "b"}]'))
    assert "cut off" in refusal(write(tmp_path, "y.json", '[{"a": 1},\n{"a": 2}'))
    assert "not a list of examples" in refusal(write(tmp_path, "z.json", '{"a": "b", "c": "d"}'))


def test_a_few_nul_bytes_are_removed(tmp_path):
    rows = read_rows(write(tmp_path, "x.csv", b"question,answer\n" + b"some words here,yes\n" * 30 + b"a\x00b,no\n"))
    assert rows.rows[-1][1]["question"] == "ab"
    assert any("NUL" in note for note in rows.notes)
