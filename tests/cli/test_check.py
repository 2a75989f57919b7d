"""`postgrad check` as its user runs it: findings, page, JSON, exit codes."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import pytest

MAIN = (
    "import sys; from postgrad.cli import main; code = main(sys.argv[1:]); sys.exit(3 if 'torch' in sys.modules else"
    " code)"
)


def check(folder, *arguments, stdin=None):
    """Runs the command; exit code 3 means that it imported torch."""
    return subprocess.run(
        [sys.executable, "-c", MAIN, "check", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        input=stdin,
    )


@pytest.fixture
def faulty(tmp_path):
    """Sixty requests: one repeated, one contradicted, one without an answer, one with an address."""
    rows = [
        {
            "question": f"How do I change setting number {n} of the {n % 7}th lamp?",
            "answer": f"Press key {n} twice, then wait.",
        }
        for n in range(56)
    ]
    rows += [rows[3], {"question": rows[5]["question"], "answer": "You cannot."}]
    rows += [
        {"question": "Where are you?", "answer": ""},
        {"question": "Write to me", "answer": "We wrote to ann.lee@example.com today."},
    ]
    path = tmp_path / "lamps.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def test_a_person_can_act_on_the_summary(faulty, tmp_path):
    done = check(tmp_path, faulty)
    assert done.returncode == 0, done.stderr
    assert "60 records read, 58 kept" in done.stdout and "Look at these first:" in done.stdout
    assert done.stdout.count("lamps.jsonl:58") >= 1  # the contradicting answer, by its line
    page = (tmp_path / "lamps-check" / "check.html").read_text("utf-8")
    report = json.loads((tmp_path / "lamps-check" / "check.json").read_text("utf-8"))
    assert report["headline"] in page and report["command"] in page and report["read"] == 60
    assert report["taken_out"] == {"duplicates": 1, "structure": 1}
    assert "http" not in page.split("</style>")[1]


def test_personal_data_is_masked_wherever_it_is_shown(faulty, tmp_path):
    done = check(tmp_path, faulty)
    shown = done.stdout + done.stderr + "".join(p.read_text("utf-8") for p in (tmp_path / "lamps-check").iterdir())
    assert "personal_data" in shown and "ann.lee" not in shown


def test_json_is_the_report_and_nothing_else(faulty, tmp_path):
    done = check(tmp_path, faulty, "--json", "--out", "elsewhere")
    from postgrad.report.run_report import CheckReport

    report = CheckReport.model_validate_json(done.stdout)
    assert done.stderr == "" and report.kept == 58
    assert json.loads(done.stdout) == json.loads((tmp_path / "elsewhere" / "check.json").read_text("utf-8"))


def test_an_error_is_exit_code_one_unless_accepted(tmp_path):
    (tmp_path / "same.csv").write_text("question,answer\n" + "".join(f"What is {n} and one?,yes\n" for n in range(40)))
    assert check(tmp_path, "same.csv").returncode == 1
    assert check(tmp_path, "same.csv", "--accept", "balance").returncode == 0


def test_an_unknown_check_is_named_before_any_work(faulty, tmp_path):
    done = check(tmp_path, faulty, "--accept", "duplicate")
    assert done.returncode == 2 and "'duplicate'" in done.stderr and "duplicates" in done.stderr


def test_every_check_says_what_to_do():
    from postgrad.checks import CHECKS

    assert all(check.advice.endswith(".") and 0 <= check.harm <= 100 for check in CHECKS.values())
    assert len({check.harm for check in CHECKS.values()}) == len(CHECKS), "two of the same harm: which stands first?"


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_fix_writes_the_mended_data_and_loses_nothing(faulty, tmp_path):
    done = check(tmp_path, faulty, "--fix", "fixed.jsonl")
    assert done.returncode == 0, done.stderr
    kept, removed = lines(tmp_path / "fixed.jsonl"), lines(tmp_path / "fixed.removed.jsonl")
    assert len(kept) == 58 and [(r["check"], r["line"]) for r in removed] == [("duplicates", 57), ("structure", 59)]
    assert "ann.lee@example.com" in json.dumps(kept)  # not redacted unasked
    again = check(tmp_path, "fixed.jsonl", "--json")
    report = json.loads(again.stdout)
    assert report["read"] == report["kept"] == 58 and report["taken_out"] == {}


def test_personal_data_is_redacted_when_asked(faulty, tmp_path):
    done = check(tmp_path, faulty, "--fix", "fixed.jsonl", "--repair", "personal_data")
    assert done.returncode == 0, done.stderr
    assert "ann.lee" not in (tmp_path / "fixed.jsonl").read_text("utf-8")
    assert [c["check"] for c in lines(tmp_path / "fixed.changed.jsonl")] == ["personal_data"]


def test_fix_overwrites_only_when_told(faulty, tmp_path):
    (tmp_path / "fixed.jsonl").write_text("precious")
    done = check(tmp_path, faulty, "--fix", "fixed.jsonl")
    assert done.returncode == 2 and "--force" in done.stderr
    assert (tmp_path / "fixed.jsonl").read_text() == "precious"
    assert check(tmp_path, faulty, "--fix", "fixed.jsonl", "--force").returncode == 0


def test_options_of_fix_without_fix_are_refused(faulty, tmp_path):
    assert check(tmp_path, faulty, "--repair", "personal_data").returncode == 2


def test_stdin_is_read(faulty, tmp_path):
    done = check(tmp_path, "-", "--json", stdin=faulty.read_text("utf-8"))
    assert json.loads(done.stdout)["read"] == 60


def test_a_mended_table_keeps_its_own_columns(tmp_path):
    """The user's columns in their order, readable by a spreadsheet; what was mended is mended."""
    rows = [[f"T-{n}", f"Wo ist die Lampe {n}, größer\u200b als {n}?", f"Im Regal {n}.", "billing"] for n in range(20)]
    rows.append(["T-20", *rows[3][1:]])
    with (tmp_path / "desk.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["Ticket ID", "Question", "Answer", "Team"], *rows])
    done = check(tmp_path, "desk.csv", "--fix", "fixed.csv", "--accept", "too_little")
    assert "with your own columns (Ticket ID, Question, Answer, Team)" in done.stdout, done.stdout + done.stderr
    raw = (tmp_path / "fixed.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf"), "by which Excel knows UTF-8"
    fixed = list(csv.DictReader(raw.decode("utf-8-sig").splitlines()))
    assert list(fixed[0]) == ["Ticket ID", "Question", "Answer", "Team"]
    assert [row["Ticket ID"] for row in fixed] == [f"T-{n}" for n in range(20)], "the repeated one is gone"
    assert fixed[4]["Question"] == "Wo ist die Lampe 4, größer als 4?" and fixed[4]["Team"] == "billing"
    again = check(tmp_path, "fixed.csv", "--fix", "again.csv", "--accept", "too_little")
    assert (tmp_path / "again.csv").read_bytes() == raw, again.stdout


def test_every_finding_stands_in_a_table(tmp_path):
    rows = [{"question": f"Where is lamp {n % 30}?", "answer": f"=SUM({n % 30}) shelf", "n": str(n)} for n in range(60)]
    with (tmp_path / "desk.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    done = check(tmp_path, "desk.csv")
    found = list(csv.DictReader((tmp_path / "desk-check" / "check.csv").read_text("utf-8-sig").splitlines()))
    repeats = [row for row in found if row["check"] == "duplicates"]
    assert len(repeats) == 30 and {row["level"] for row in repeats} == {"worth a look"}
    assert "and 28 more in check.csv" in done.stdout and "Worth a look:" in done.stdout
    assert all(not row["answer"].startswith("=") for row in found), "no cell is computed"
    page = (tmp_path / "desk-check" / "check.html").read_text("utf-8")
    assert "and 25 more in check.csv" in page


def test_what_concerns_most_stands_first():
    from postgrad.checks.support.prepare import repaired
    from postgrad.findings import Finding
    from postgrad.records import Conversation, Message

    few = Finding("grave", "warning", "few", tuple(range(3)))
    many = Finding("light", "warning", "many", tuple(range(50)))
    doubtful = Finding("grave", "warning", "doubtful", tuple(range(40)), likely=0.02)
    error = Finding("light", "error", "error", (1,))
    records = [Conversation(messages=(Message("user", f"{n}"), Message("assistant", "a"))) for n in range(60)]
    ranked = repaired(records, [few, doubtful, many, error], harm={"grave": 80, "light": 20}).findings
    assert [f.sentence for f in ranked] == ["error", "many", "few", "doubtful"]
