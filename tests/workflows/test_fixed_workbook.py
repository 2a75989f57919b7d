"""`check --fix`: Excel in, Excel out, with the user's own columns and a coloured one that says what was done."""

from __future__ import annotations

import json
from pathlib import Path

import openpyxl
import pytest

from postgrad.data import load
from postgrad.errors import DataError
from postgrad.progress import finished
from postgrad.workflows.check import CheckRequest, check
from postgrad.workflows.check_fix import write_fixed

REPLY = "We are sorry to hear that and will send a new {} to you within five working days."
THINGS = ["sofa", "chair", "table", "lamp", "shelf", "desk", "bed", "rug", "mirror", "wardrobe", "stool", "bench"]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["ID", "Subject", "Body", "Reply", "Paid"])
    for n in range(48):
        thing = THINGS[n % 12]
        sheet.append(
            [n, f"Broken {thing} {n}", f"My {thing} number {n} is broken, what now?", REPLY.format(thing), n % 2 == 0]
        )
    sheet["D6"] = REPLY.format("shelf").replace("within", "wihtin")
    sheet.append([48, "Broken sofa 0", "My sofa number 0 is broken, what now?", REPLY.format("sofa"), True])
    book.save(tmp_path / "tickets.xlsx")
    return tmp_path / "tickets.xlsx"


def fixed(table: Path, name: str) -> Path:
    request = CheckRequest(paths=(table,), repair=("typos",))
    outcome = finished(check(request))
    out = table.parent / name
    finished(write_fixed(outcome, request, out))
    return out


def test_own_columns_colours_and_what_was_removed(table):
    book = openpyxl.load_workbook(fixed(table, "fixed.xlsx"))
    assert book.sheetnames == ["data", "removed", "findings"]
    rows = list(book["data"].iter_rows())
    assert [c.value for c in rows[0]] == ["ID", "Subject", "Body", "Reply", "Paid", "postgrad"] and len(rows) == 49
    mended = rows[5]
    assert mended[3].value == REPLY.format("shelf") and mended[5].value == "repaired: typos"
    assert mended[3].fill.fgColor.rgb != rows[4][3].fill.fgColor.rgb
    assert mended[0].value == 4 and mended[4].value is True
    removed = list(book["removed"].iter_rows(values_only=True))
    assert removed[1][0] == 48 and "repeats" in str(removed[1][-1])
    assert [row[1] for row in book["findings"].iter_rows(values_only=True)].count("typos") == 2


def test_it_is_read_back_as_it_was(table):
    again, before = load([fixed(table, "fixed.xlsx")]), load([table])
    assert [r.prompt_text for r in again][:48] == [r.prompt_text for r in before][:48]
    assert again.table is not None and again.table.answers == ("Reply",)


def test_a_text_too_long_for_a_cell_is_refused_and_nothing_is_left(tmp_path):
    rows = [{"question": f"What is {n}?", "answer": f"It is the number {n} of them all."} for n in range(30)]
    rows[3]["answer"] = "word " * 8_000
    source = tmp_path / "long.csv"
    source.write_text("question,answer\n" + "".join(f'"{r["question"]}","{r["answer"]}"\n' for r in rows), "utf-8")
    request = CheckRequest(paths=(source,))
    outcome = finished(check(request))
    with pytest.raises(DataError, match="holds 32,767"):
        finished(write_fixed(outcome, request, tmp_path / "out.xlsx"))
    assert not (tmp_path / "out.xlsx").exists()


def test_several_inputs_and_outputs_come_apart_again(tmp_path):
    rows = [
        {"subject": f"Late {n}", "body": f"Where is order {n}?\n\nPlease!", "intent": "late", "team": f"t{n % 3}"}
        for n in range(30)
    ]
    source = tmp_path / "rows.jsonl"
    source.write_text("".join(json.dumps(r) + "\n" for r in rows), "utf-8")
    loaded = load([source], input_column=["subject", "body"], output_column=["intent", "team"])
    assert loaded.table is not None and [loaded.table.row(r) for r in loaded] == rows  # type: ignore[arg-type]


def test_lines_and_rows_of_a_table_with_long_cells(tmp_path):
    source = tmp_path / "long.csv"
    cells = [f'"Question {n}?\nIt is urgent.\nVery.","Answer number {n} is this one."\n' for n in range(20)]
    source.write_text("question,answer\n" + "".join(cells), "utf-8")
    records = load([source]).records
    assert [(r.source.line, r.source.row) for r in records[:3]] == [(2, 0), (5, 3), (8, 4)]
    assert str(records[2].source).endswith("long.csv:8 (row 4)")


@pytest.mark.parametrize(("extra", "own"), [("who", True), ("images", False)])
def test_a_table_of_a_known_shape_keeps_its_columns_too(tmp_path, extra, own):
    rows = "".join(f'"Where is order {n}, please?","It is on its way, number {n}.",\n' for n in range(30))
    source = tmp_path / "known.csv"
    source.write_text(f"prompt,completion,{extra}\n{rows}", "utf-8")
    request = CheckRequest(paths=(source,))
    finished(write_fixed(finished(check(request)), request, tmp_path / "out.xlsx"))
    book = openpyxl.load_workbook(tmp_path / "out.xlsx")
    header = next(book["data"].iter_rows(values_only=True))
    assert (header == ("prompt", "completion", "who", "postgrad")) is own


def test_turns_in_a_cell_do_not_come_apart_and_keep_their_shape(tmp_path):
    turns = [[{"role": "user", "content": f"Hi {n}"}, {"role": "user", "content": "Hello?"}] for n in range(30)]
    source = tmp_path / "turns.jsonl"
    source.write_text("".join(json.dumps({"prompt": t, "completion": f"Yes {n}"}) + "\n" for n, t in enumerate(turns)))
    assert load([source]).table is None
