"""`postgrad review`: decisions are kept at once, counted once, and the mended file says what was decided."""

from __future__ import annotations

import csv
import json

import pytest

from tests.cli.test_bad_input import postgrad


@pytest.fixture
def desk(tmp_path):
    rows = [
        {"id": f"T{n}", "question": f"Where is the lamp number {n} of mine?", "answer": f"On shelf {n}."}
        for n in range(20)
    ]
    rows.append({"id": "T20", "question": "Where is the lamp number 4 of mine?", "answer": "It is lost."})
    rows.append({"id": "T21", "question": rows[7]["question"], "answer": rows[7]["answer"]})
    with (tmp_path / "desk.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return tmp_path


def review(folder, keys, *more):
    return postgrad("review", "desk.csv", "--out", "mended.csv", *more, cwd=folder, input=keys)


def table(folder):
    return {row["id"]: row for row in csv.DictReader((folder / "mended.csv").read_text("utf-8-sig").splitlines())}


def test_decisions_are_made_kept_and_gone_on_with(desk):
    done = review(desk, "a\nOn shelf four.\nd\nq\n", "--check", "contradictions")
    assert done.returncode == 0, done.stderr
    assert "2 records to look at, 0 of them decided before" in done.stdout and "2 of 2 decided" in done.stdout
    log = [json.loads(line) for line in (desk / "mended.review.jsonl").read_text().splitlines()]
    assert [entry["choice"] for entry in log] == ["answer", "drop"] and log[0]["before"] != "On shelf four."
    first, second = (f"T{entry['line'] - 2}" for entry in log)
    rows = table(desk)
    assert rows[first]["answer"] == "On shelf four." and second not in rows
    assert "T21" not in rows and len(rows) == 20, "what nobody decided is as the checks leave it"
    again = review(desk, "k\n", "--force")
    assert "2 of them decided before" in again.stdout and "T21" in table(desk), "a repeat that a person keeps stays"
    refused = review(desk, "k\n")
    assert refused.returncode == 2 and "--force" in refused.stderr


def test_the_end_of_the_input_writes_what_was_decided(desk):
    done = review(desk, "d\n")
    assert done.returncode == 0 and "1 of 3 decided" in done.stdout and len(table(desk)) == 20
    with (desk / "mended.review.jsonl").open("a") as log:
        log.write('{"file": "desk.csv", "li')  # the sitting was killed in mid-line
    assert "1 of them decided before" in review(desk, "", "--force").stdout


def test_a_wrong_letter_asks_again(desk):
    done = review(desk, "x\nm\nk\nq\n")
    assert done.stdout.count("One of the letters") >= 1 and done.returncode == 0
