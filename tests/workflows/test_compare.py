"""Two reports compared without any model: pairing, refusals, the gate, what changed, and the answers that differ
most."""

import json

import pytest

from postgrad.cli import main
from postgrad.pages import write_report
from postgrad.report.arm_parts import ArmPart
from postgrad.report.comparison import CompareReport
from postgrad.report.results import ArmAnswer, ResultLine, write_results
from tests.pages.example_reports import full_report


def line(number: int, scores: dict[str, float], group: str | None = None) -> ResultLine:
    request, label = f"Request {number} about {'parcels ' * (number % 7)}", ("refund", "status", "other")[number % 3]
    arms = {arm: ArmAnswer(answer=label if score else "none of these", score=score) for arm, score in scores.items()}
    prompt = [{"role": "user", "content": request}]
    return ResultLine(
        hash=f"{number:064x}", file="t.csv", line=number, prompt=prompt, reference=label, group=group, arms=arms
    )


def folder(where, numbers, right, recipe=None, metric="label", **change):
    """A report whose arm fine_tuned is right where `right` says so, and whose arm base never is."""
    report = full_report().model_copy(update={"recipe": recipe or {"training": {"rank": 16}}, **change})
    report.task.metric = metric
    arms = [
        ArmPart(name=n, model="m", score=0.5, interval=(0.4, 0.6), n=len(numbers), cost_per_1000=0.1)
        for n in ("base", "fine_tuned")
    ]
    write_report(report.model_copy(update={"arms": arms}), where)
    write_results((line(i, {"base": 0.0, "fine_tuned": float(bool(right(i)))}) for i in numbers), where)
    return str(where)


def compared(capsys, *arguments) -> tuple[int, CompareReport]:
    code = main(["compare", *arguments, "--json"])
    return code, CompareReport.model_validate_json(capsys.readouterr().out)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_loss_is_found_shown_and_stopped_at_the_gate(tmp_path, capsys):
    a = folder(tmp_path / "a", range(0, 120), lambda i: i % 10 > 0)
    b = folder(tmp_path / "b", range(20, 140), lambda i: i % 3 > 0, {"training": {"rank": 4}})
    code, found = compared(capsys, a, b, "--gate")
    assert code == 1 and found.verdict == "worse" and not found.passed
    assert (found.common.n, found.common.only_a, found.common.only_b) == (100, 20, 20)
    assert found.difference == pytest.approx(found.b.score - found.a.score) and found.a.own_n == 120
    assert [(c.kind, c.name, c.a, c.b) for c in found.changes] == [("settings", "training.rank", 16, 4)]
    refund = next(s for s in found.slices if s.name == "answer: refund")
    assert refund.b == 0 and refund.a > 0.8 and refund.p_adjusted < 0.001 and found.slices[0] == refund
    assert len(found.worsened) == 10 and all(e.reference == "refund" and e.b_score < e.a_score for e in found.worsened)
    assert {d.name: d.difference for d in found.arms}["base"] == 0
    assert json.loads((tmp_path / "comparison" / "compare.json").read_text())["verdict"] == "worse"
    assert main(["compare", a, b]) == 0, "without the gate it only says so"
    assert "Changed: settings: training.rank" in capsys.readouterr().out
    assert compared(capsys, b, a, "--gate")[0] == 0


def test_the_same_again_passes_and_a_wider_margin_lets_more_through(tmp_path, capsys):
    a = folder(tmp_path / "a", range(30), lambda i: i % 2)
    assert compared(capsys, a, folder(tmp_path / "b", range(30), lambda i: i % 2), "--gate")[0] == 0
    c = folder(tmp_path / "c", range(30), lambda i: i % 2 and i > 2)
    code, found = compared(capsys, a, c, "--gate")
    assert code == 1 and found.verdict == "cannot_tell" and found.examples_needed > 30
    assert compared(capsys, a, c, "--gate", "--margin", "0.3")[0] == 0


def test_arms_of_one_report(tmp_path, capsys):
    a = folder(tmp_path / "a", range(60), lambda i: i % 4)
    code, found = compared(capsys, a, a + "/report.json", "--arm", "base,fine_tuned")
    assert code == 0 and (found.a.name, found.b.name, found.verdict) == ("base", "fine_tuned", "better")
    assert not found.changes and not found.arms


def test_answers_are_judged_anew_by_a_named_metric(tmp_path, capsys):
    a = folder(tmp_path / "a", range(40), lambda i: True)
    b = folder(tmp_path / "b", range(40), lambda i: i % 2, metric="chrf")
    assert main(["compare", a, b]) == 2
    assert "a is judged by label and b by chrf" in capsys.readouterr().err
    _, found = compared(capsys, a, b, "--metric", "exact_match")
    assert found.rescored and found.a.score == 1 and found.b.score == 0.5 and found.metric == "exact_match"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["a", "far"], "no example in common"),
        (["a", "a"], "Both sides are the arm 'fine_tuned' of the same report"),
        (["a", "nowhere"], "the other is not"),
        (["a", "c", "--arm", "rag"], "has no arm 'rag'"),
        (["a", "c", "--arm", "a,b,c"], "names 3 arms"),
        (["a", "c", "--data", "x.csv"], "these are two reports"),
        (["m", "n"], "which require examples"),
        (["a", "old"], "results.jsonl"),
        (["a", "torn"], "torn/results.jsonl:2"),
        (["a", "new"], "schema version 99"),
    ],
)
def test_what_cannot_be_compared_is_refused(tmp_path, capsys, arguments, told):
    folder(tmp_path / "a", range(20), lambda i: i % 2)
    folder(tmp_path / "c", range(20), lambda i: i % 2)
    folder(tmp_path / "far", range(500, 520), lambda i: i % 2)
    for name in ("old", "torn", "new"):
        folder(tmp_path / name, range(20), lambda i: i % 2)
    (tmp_path / "old" / "results.jsonl").unlink()
    lines = (tmp_path / "torn" / "results.jsonl").read_text().splitlines()
    (tmp_path / "torn" / "results.jsonl").write_text(lines[0] + "\n" + lines[1][:40] + "\n")
    lines[0] = lines[0].replace('"schema_version": 1', '"schema_version": 99')
    (tmp_path / "new" / "results.jsonl").write_text("\n".join(lines))
    assert main(["compare", *arguments]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert told in error and "Traceback" not in error
