"""Bad input as a user would give it: one clear message, the right exit code, nothing half-written.

Every case runs the real command in a process of its own, with a tiny base model.
"""

import json
import os
import signal
import subprocess

import pytest

from tests.forked import Command, python
from tests.needs import SMALL_MOUNT
from tests.serving.running import until

PAIRS = [
    (
        f"Where is order number {i}? I wait since {i % 9} days for the {['sofa', 'lamp', 'desk', 'bed'][i % 4]}.",
        ["status", "damaged", "refund"][i % 3],
    )
    for i in range(60)
]


def postgrad(*arguments, cwd, env=None, input=""):
    whole = {**os.environ, **(env or {})}
    return python("-m", "postgrad", *arguments, cwd=cwd, env=whole, input=input, timeout=240)


def csv(path, rows=PAIRS, header="message,label", encoding="utf-8"):
    path.write_bytes((header + "\n" + "\n".join(f'"{a}",{b}' for a, b in rows) + "\n").encode(encoding))
    return path


def one_message(done, code=2):
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


BAD = {
    "empty": (b"", "empty"),
    "only a header": (b"message,label\n", "header|no rows"),
    "binary": (b"\x7fELF\x02\x01\x01\x00" + bytes(range(256)) * 8, "binary|not text"),
    "a zip": (b"PK\x03\x04" + b"\x00" * 400, "zip|Excel|archive"),
    "one column": (b"message\n" + b"hello there\n" * 20, "column"),
    "ragged": (b"message,label\n" + b"hello,a\n" * 12 + b"too,many,fields,here\n" + b"hello,b\n" * 12, "line 14"),
}


@pytest.mark.parametrize("case", BAD)
def test_unusable_files(tmp_path, case):
    import re

    content, expected = BAD[case]
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    for command in ("check", "run"):
        text = one_message(postgrad(command, path, cwd=tmp_path))
        assert re.search(expected, text, re.IGNORECASE), text
        assert "data.csv" in text or "rows" in text
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != "home") == ["data.csv"]


def test_three_rows_are_a_finding_and_no_run(tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(b"message,label\nhello there you,a\nhow are you now,b\nwhere is it then,a\n")
    assert "3 rows" in one_message(postgrad("run", path, cwd=tmp_path))
    checked = postgrad("check", path, cwd=tmp_path)
    assert checked.returncode == 1 and "There are only 3 usable records, and at least 10 are needed" in checked.stdout


def test_a_broken_line_far_down(tmp_path):
    lines = [json.dumps({"message": f"hello {i}", "label": "a"}) for i in range(6000)]
    lines[4999] = '{"message": "hello", "label'
    (tmp_path / "data.jsonl").write_text("\n".join(lines))
    text = one_message(postgrad("check", "data.jsonl", cwd=tmp_path))
    assert "5000" in text.replace(",", "") and "data.jsonl" in text


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "latin-1"])
def test_encodings_are_read_and_said(tmp_path, encoding):
    rows = [(a.replace("Where", "Où"), b) for a, b in PAIRS]
    csv(tmp_path / "data.csv", rows, encoding=encoding)
    done = postgrad("check", "data.csv", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["read"] == 60
    if encoding != "utf-8-sig":
        assert any("UTF-16" in n or "1252" in n or "Latin" in n for n in said["notes"]), said["notes"]


def test_all_answers_the_same_is_a_gate(tmp_path):
    csv(tmp_path / "data.csv", [(a, "yes") for a, _ in PAIRS])
    text = one_message(postgrad("check", "data.csv", cwd=tmp_path), code=1)
    assert "balance" in text and "--accept" in text


def test_an_unknown_column_names_the_nearest(tmp_path):
    csv(tmp_path / "data.csv")
    text = one_message(postgrad("check", "data.csv", "--input", "mesage", cwd=tmp_path))
    assert "mesage" in text and "message" in text


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--base", "no-such-model"], "no-such-model"),
        (["--base", "someone/some-model"], "some-model"),
        (["--metric", "exactmatch"], "exact_match"),
        (["--arms", "base,magic"], "magic"),
        (["--recipe", "absent.yaml"], "absent.yaml"),
        (["--docs", "absent"], "absent"),
        (["--system-prompt", "@absent.txt"], "absent.txt"),
    ],
)
def test_wrong_options(tmp_path, tiny_folder, arguments, expected):
    csv(tmp_path / "data.csv")
    base = [] if "--base" in arguments else ["--base", tiny_folder]
    text = one_message(postgrad("run", "data.csv", *base, *arguments, cwd=tmp_path, env={"HF_HUB_OFFLINE": "1"}))
    assert expected in text
    assert not (tmp_path / "data-report").exists()


def test_a_wrong_setting_in_a_recipe_names_the_right_one(tmp_path):
    csv(tmp_path / "data.csv")
    (tmp_path / "r.yaml").write_text("training:\n  rnak: 8\n  epochs: -1\n")
    text = one_message(postgrad("run", "data.csv", "--recipe", "r.yaml", cwd=tmp_path))
    assert "did you mean 'rank'" in text and "training.epochs" in text


def test_an_answer_longer_than_the_context(tmp_path, tiny_folder):
    csv(tmp_path / "data.csv", [*PAIRS, ("Tell me all", "word " * 900)])
    text = one_message(postgrad("run", "data.csv", "--base", tiny_folder, cwd=tmp_path), code=1)
    assert "length" in text and "--accept" in text


def test_no_permission_to_write(tmp_path, tiny_folder):
    if os.geteuid() == 0:
        place = tmp_path / "file"  # root may write anywhere: a file in the place of the folder stands in
        place.write_text("")
    else:
        place = tmp_path / "locked"
        place.mkdir(mode=0o500)
    csv(tmp_path / "data.csv")
    text = one_message(
        postgrad("run", "data.csv", "--base", tiny_folder, cwd=tmp_path, env={"POSTGRAD_HOME": str(place / "home")})
    )
    assert "POSTGRAD_HOME" in text


def test_a_full_disk(tmp_path, tiny_folder):
    """A real full disk: a small file system in memory, where this user may mount one; /dev/full shows the message
    elsewhere."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(small)], capture_output=True, check=False
        ).returncode
        == 0
    )
    if not mounted:
        pytest.skip(SMALL_MOUNT)
    try:
        csv(tmp_path / "data.csv")
        text = one_message(
            postgrad(
                "run",
                "data.csv",
                "--base",
                tiny_folder,
                "--no-general",
                cwd=tmp_path,
                env={"POSTGRAD_HOME": str(small / "home")},
            )
        )
        assert "full" in text.lower() or "space" in text.lower()
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_interrupted_at_each_stage_and_resumed_equals_uninterrupted(tmp_path, tiny_folder):
    """Ctrl-C again and again, a little later each time: exit 130 with the command that resumes, and in the end the same
    report."""
    csv(tmp_path / "data.csv")
    command = ["run", "data.csv", "--base", tiny_folder, "--no-general", "--name", "t", "--out", "report"]
    whole = postgrad(*command, cwd=tmp_path, env={"POSTGRAD_HOME": str(tmp_path / "whole")})
    assert whole.returncode == 0, whole.stderr
    expected = json.loads((tmp_path / "report" / "report.json").read_text())
    env = {**os.environ, "POSTGRAD_HOME": str(tmp_path / "parts")}
    interrupted = 0
    for attempt in range(12):
        (tmp_path / "report" / "report.json").unlink(missing_ok=True)
        running = Command("-m", "postgrad", *command, cwd=tmp_path, env=env)
        stops = ["Reading", "Loading", "answers", "steps", "Measuring the fine-tuned"]
        wanted = stops[min(attempt, len(stops) - 1)]
        until(lambda wanted=wanted, running=running: wanted in running.said[1] or not running.runs, every=0.05)
        running.send_signal(signal.SIGINT)
        ended = running.done(120)
        if ended.returncode == 0:
            break
        assert ended.returncode == 130, ended.stderr
        assert "To continue: postgrad run data.csv" in ended.stderr and "Traceback" not in ended.stderr
        assert not (tmp_path / "report" / "report.json").exists()
        interrupted += 1
        if attempt >= len(stops) - 1:
            assert postgrad(*command, cwd=tmp_path, env=env).returncode == 0
            break
    assert interrupted >= 3
    got = json.loads((tmp_path / "report" / "report.json").read_text())
    assert got["model"]["blob"] == expected["model"]["blob"], "the same weights"
    for part in ("verdict", "comparisons", "task", "data"):
        assert got[part] == expected[part]
    assert [(a["name"], a["score"]) for a in got["arms"]] == [(a["name"], a["score"]) for a in expected["arms"]]
