"""At a real terminal a person is asked once what the task is; nowhere else, and nothing ever waits."""

import json
import os
import pty
import select
import subprocess
import sys
import time

import pytest

ASK = """
import json, os, sys
from pathlib import Path
from postgrad.cli.run import asked_task
from postgrad.recipe import Recipe, merged
for path, task, ci in json.loads(sys.argv[1]):
    os.environ.pop("CI", None)
    os.environ.update({"CI": ci} if ci else {})
    print("SAID", repr(asked_task(merged(Recipe(), {"data.task": task}), [Path(path)])))
"""
QUESTION = b"Say it in a sentence"


@pytest.fixture
def prose(tmp_path):
    path = tmp_path / "prose.csv"
    rows = [
        f"The shop in street {n} closed earlier today,Der Laden in Straße {n} hat heute wegen Regens früher zu"
        for n in range(20)
    ]
    path.write_text("\n".join(["english,german", *rows]) + "\n")
    return path


def at_a_terminal(cases, typed: tuple[bytes, ...]) -> bytes:
    """What stands on the terminal in the end; each time the question stands there, the next of `typed` is typed."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", ASK, json.dumps(cases)]
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    seen, left, end = b"", list(typed), time.monotonic() + 300
    while time.monotonic() < end:
        ready, _, _ = select.select([ours], [], [], 1.0)
        try:
            part = os.read(ours, 4096) if ready else b"-"
        except OSError:  # the other side is closed
            break
        seen += part if ready else b""
        if left and seen.count(QUESTION) > len(typed) - len(left):
            os.write(ours, left.pop(0))
    process.kill()
    process.wait()
    os.close(ours)
    return seen


def test_at_a_terminal_a_person_is_asked_once_and_only_where_nobody_said_it(prose, tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text("mail,label\n" + "".join(f"mail number {n},{'ab'[n % 2]}b\n" for n in range(20)))
    path, missing = str(prose), str(tmp_path / "none.csv")
    cases = [
        (path, None, ""),
        (path, None, ""),
        (path, "Translate.", ""),
        (path, None, "1"),
        (str(labels), None, ""),
        (missing, None, ""),
    ]
    seen = at_a_terminal(cases, (b"Translate to German.\n", b"\n"))
    said = [line.split(b"SAID ")[1] for line in seen.splitlines() if b"SAID " in line]
    assert said == [b"'Translate to German.'", *[b"''"] * 5], seen
    assert seen.count(QUESTION) == 2 and seen.count("→".encode()) == 2 * 3


def test_nobody_is_asked_in_a_pipe(prose):
    command = [sys.executable, "-c", ASK, json.dumps([(str(prose), None, "")])]
    piped = subprocess.run(command, input=b"", capture_output=True, timeout=300)
    assert b"SAID ''" in piped.stdout and QUESTION not in piped.stderr
