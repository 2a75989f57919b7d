"""`postgrad convert` as a user types it: what it prints, what it writes, and what it leaves alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from postgrad.cli import main


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.jsonl"
    rows = [{"prompt": f"Is desk {i} there?", "chosen": f"Yes, {i} is.", "rejected": "No idea."} for i in range(20)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_it_says_what_it_read_and_wrote(pairs, tmp_path, capsys):
    out = tmp_path / "chat.jsonl"
    assert main(["convert", str(pairs), str(out), "--to", "openai-chat"]) == 0
    said = capsys.readouterr().out
    assert "Read as preference: each row" in said and "20 records read, 20 rows written" in said
    assert "rejected ones were left out" in said
    first = json.loads(out.read_text().splitlines()[0])
    assert first == {
        "messages": [{"role": "user", "content": "Is desk 0 there?"}, {"role": "assistant", "content": "Yes, 0 is."}]
    }


def test_nothing_is_replaced_unasked(pairs, tmp_path, capsys):
    out = tmp_path / "chat.jsonl"
    out.write_text("precious")
    arguments = ["convert", str(pairs), str(out), "--to", "openai-chat"]
    assert main(arguments) == 2 and out.read_text() == "precious"
    assert "--force" in capsys.readouterr().err
    assert main([*arguments, "--force"]) == 0 and out.read_text() != "precious"


def test_a_file_may_replace_itself(pairs, capsys):
    assert main(["convert", str(pairs), str(pairs), "--to", "openai-preference", "--force"]) == 0
    assert "preferred_output" in pairs.read_text()


def test_standard_output_holds_rows_alone(pairs, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "postgrad", "convert", pairs, "-", "--to", "trl-preference"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert len([json.loads(line) for line in done.stdout.splitlines()]) == 20
    assert "Nothing was lost" in done.stderr


def test_json_lists_everything_left_out(tmp_path, capsys):
    source, turn = tmp_path / "x.jsonl", [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    source.write_text("".join(json.dumps({"messages": turn * (1 + i % 2)}) + "\n" for i in range(20)))
    out = tmp_path / "x.csv"
    assert main(["convert", str(source), str(out), "--to", "csv"]) == 2
    assert "10 of 20 records" in capsys.readouterr().err and not out.exists()
    assert main(["convert", str(source), str(out), "--to", "csv", "--skip", "--json"]) == 0
    account = json.loads(capsys.readouterr().out)
    assert (account["read"], account["written"], len(account["left_out"])) == (20, 10, 10)
    assert account["left_out"][0] == {"file": str(source), "line": 2, "reason": "it has 2 requests"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["x.jsonl", "--to", "openai-chatt"], "no shape 'openai-chatt'"),
        (["x.docx", "--to", "openai-chat"], "ending"),
        ([".", "--to", "openai-chat"], "folder"),
        (["-", "--to", "openai-chat", "--json"], "standard output"),
    ],
)
def test_bad_usage_is_one_message(pairs, tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert main(["convert", str(pairs), *arguments]) == 2
    assert said in capsys.readouterr().err


def test_help_names_every_shape():
    from postgrad.cli.convert import _SHAPES
    from postgrad.data.writing.writers import WRITERS

    named = _SHAPES.rstrip(".").replace(" or ", ", ").split(", ")
    assert named == list(WRITERS)


def test_an_interrupted_conversion_leaves_nothing_half(tmp_path):
    source = tmp_path / "big.jsonl"
    row = json.dumps({"messages": [{"role": "user", "content": "a" * 400}, {"role": "assistant", "content": "b"}]})
    source.write_text((row + "\n") * 60_000)
    process = subprocess.Popen(
        [sys.executable, "-m", "postgrad", "convert", source, tmp_path / "out.jsonl", "--to", "sharegpt"],
        env=os.environ,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while process.poll() is None and not list(tmp_path.glob(".out.jsonl.*")):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert [p.name for p in tmp_path.iterdir()] == ["big.jsonl"]


@pytest.mark.parametrize("command", ["check", "train"])
def test_preference_pairs_can_be_checked_but_not_learned_as_answers(
    pairs, tiny_folder, tmp_path, capsys, monkeypatch, command
):
    monkeypatch.chdir(tmp_path)
    arguments = [] if command == "check" else ["--base", str(tiny_folder)]
    code = main([command, str(pairs), *arguments])
    said = capsys.readouterr()
    if command == "check":
        assert "20 records read" in said.out and code in (0, 1)
    else:
        assert code == 2 and f"postgrad convert {pairs} chat.jsonl --to openai-chat" in said.err
