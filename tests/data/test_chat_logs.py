"""Logs: of chats, which lack roles and are said to, and of a model's API, which hold whole examples."""

from __future__ import annotations

import json

import pytest

from postgrad.data import load, read_rows, stream_rows
from postgrad.errors import DataError
from tests.needs import real_set

ASKED = [{"role": "user", "content": "2+2?"}]
REQUEST = {"model": "m", "messages": ASKED, "temperature": 0}
RESPONSE = {"id": "r", "choices": [{"message": {"role": "assistant", "content": "4", "refusal": None}}]}
ANSWERED = [*ASKED, {"role": "assistant", "content": "4"}]
PARTS = [{"type": "output_text", "text": "4"}]


@pytest.mark.parametrize(
    "call",
    [
        {"request": REQUEST, "response": RESPONSE},
        {"request": {"body": REQUEST}, "response": {"status": 200, "body": RESPONSE}},
        {"request_body": json.dumps(REQUEST), "response_body": json.dumps(RESPONSE)},
        {"kwargs": REQUEST, "response": RESPONSE},
        {"messages": ASKED, "response": RESPONSE},
        {"input": ASKED, "output": {"role": "assistant", "content": "4"}},
        {"request": REQUEST, "response": {"role": "assistant", "content": [{"type": "text", "text": "4"}]}},
        {"request": {"model": "m", "input": "2+2?"}, "response": {"output": [{"type": "message", "content": PARTS}]}},
    ],
)
def test_logged_calls_become_messages(tmp_path, call):
    (tmp_path / "x.jsonl").write_text("\n".join(json.dumps({**call, "at": i}) for i in range(12)))
    rows = read_rows(tmp_path / "x.jsonl")
    assert rows.rows[0][1]["messages"] == ANSWERED and rows.rows[3][1]["at"] == 3
    assert len(load([tmp_path / "x.jsonl"]).records) == 12


def test_tools_instructions_and_failed_calls(tmp_path):
    call = {"id": "c", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    tool = {"choices": [{"message": {"role": "assistant", "content": None, "tool_calls": [call]}}]}
    rows = [
        {"request": {**REQUEST, "system": "Be short.", "tools": [{"type": "function"}]}, "response": tool},
        {"request": REQUEST, "response": RESPONSE},
        {"request": REQUEST, "response": {"error": {"message": "overloaded"}}},
    ]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows)))
    read = read_rows(tmp_path / "x.jsonl")
    first = read.rows[0][1]
    assert first["messages"][0] == {"role": "system", "content": "Be short."} and first["tools"] == [
        {"type": "function"}
    ]
    assert first["messages"][-1] == {"role": "assistant", "content": "", "tool_calls": [call]}
    assert len(read) == 2 and any(note.endswith(": line 3") for note in read.notes)
    assert [row for chunk in stream_rows(tmp_path / "x.jsonl", chunk=1) for row in chunk] == list(read.rows)


def test_ordinary_rows_are_no_logged_calls(tmp_path):
    rows = [{"input": "a", "output": "b"}, {"request": "a", "response": {"text": "b"}}, {"body": {"x": 1}}]
    for row in rows:
        (tmp_path / "x.jsonl").write_text(json.dumps(row) + "\n" + json.dumps(row))
        assert read_rows(tmp_path / "x.jsonl").rows[0][1] == row


IRC = (
    "[10:00] <ann> hello there\n=== bo has joined #x\n[10:01] <@bo> ann: hi, you\n[10:02]  * bo waves\n[10:02] <ann>"
    " bye\n[10:03] <bo> bye\n"
)
WHATSAPP = (
    "12/31/23, 10:15 PM - Messages are encrypted.\n12/31/23, 10:15 PM - Ann: is it free?\nand the chair?\n"
    "12/31/23, 10:16 PM - Shop: yes: both\n12/31/23, 10:17 PM - Ann: good\n"
)


def test_chats_become_time_speaker_and_text(tmp_path):
    (tmp_path / "x.txt").write_text(IRC)
    rows = read_rows(tmp_path / "x.txt")
    assert rows.format == "irc"
    assert rows.rows[1] == (3, {"time": "10:01", "speaker": "bo", "text": "ann: hi, you"})
    assert rows.notes[0].startswith("2 lines were left out")
    (tmp_path / "x.txt").write_text(WHATSAPP)
    rows = read_rows(tmp_path / "x.txt")
    assert rows.format == "whatsapp"
    assert rows.rows[0] == (2, {"time": "12/31/23, 10:15 PM", "speaker": "Ann", "text": "is it free?\nand the chair?"})
    assert rows.rows[1][1]["text"] == "yes: both"


def test_raw_chat_is_not_taken_for_examples(tmp_path):
    (tmp_path / "x.txt").write_text(IRC * 10)
    with pytest.raises(DataError, match="whose messages are the answers to learn"):
        load([tmp_path / "x.txt"])
    assert len(load([tmp_path / "x.txt"], input_column="text", output_column="speaker").records) == 40


def test_a_table_with_times_is_no_chat(tmp_path):
    (tmp_path / "x.csv").write_text("time,text\n" + "10:00,<a> hi\n" * 9)
    assert read_rows(tmp_path / "x.csv").format == "csv"


def test_a_slack_export(tmp_path):
    (tmp_path / "users.json").write_text(json.dumps([{"id": "U1", "real_name": "Ann"}, {"id": "U2", "name": "bo"}]))
    (tmp_path / "general").mkdir()
    said = [
        {"type": "message", "user": "U1", "text": "hi <@U2>", "ts": "1704103200.000100"},
        {"type": "message", "subtype": "channel_join", "user": "U2", "text": "joined", "ts": "1704103201.0"},
        {"type": "message", "user": "U2", "text": "yes?", "ts": "1704103202.0", "thread_ts": "1704103200.000100"},
    ]
    (tmp_path / "general" / "2024-01-01.json").write_text(json.dumps(said))
    rows = read_rows(tmp_path)
    assert rows.format == "slack"
    assert rows.rows[0][1] == {
        "time": "2024-01-01T10:00:00+00:00",
        "speaker": "Ann",
        "text": "hi @bo",
        "channel": "general",
        "thread": "1704103200.000100",
    }
    assert rows.rows[1][0] == 3 and rows.rows[1][1]["thread"] == rows.rows[0][1]["thread"]


def test_real_irc():
    folder = real_set("ubuntu_irc")
    rows = read_rows(folder)
    assert len(rows) > 50_000 and rows.format == "irc"
    assert all(values["speaker"] and set(values) == {"time", "speaker", "text", "file"} for _, values in rows)
