"""An arm is added by one file and one line, and a whole run then measures, compares, judges and shows it."""

import pytest

from postgrad.arm_kinds import ARM_KINDS, ArmKind
from postgrad.report.results import read_results
from postgrad.workflows.run import run
from tests.workflows.jobs import finish, mails, small

LINE = {"shouted": ArmKind("a shouted prompt", "asked in capitals", "tests.workflows.shouted_arm:shouted")}


@pytest.fixture
def added(monkeypatch):
    for name, kind in LINE.items():
        monkeypatch.setitem(ARM_KINDS, name, kind)


@pytest.mark.usefixtures("added")
def test_a_new_arm_is_measured_judged_and_shown(tiny_folder, tmp_path):
    data = [mails(tmp_path / "mails.jsonl")]
    recipe = small(tiny_folder, **{"evaluation.arms": ["base", "shouted"]})
    report, _ = finish(run(recipe, data, tmp_path / "both"))
    shouted = report.arms[1]
    assert (shouted.name, shouted.trained) == ("shouted", False) and "in capitals." in shouted.note
    assert [(c.arm, c.against) for c in report.comparisons] == [("shouted", "base")]
    lines = list(read_results(tmp_path / "both"))
    assert len(lines) == shouted.n and any(line.arms["shouted"] != line.arms["base"] for line in lines)
    page = (tmp_path / "both" / "report.html").read_text()
    assert "shouted" in page and "asked in capitals" in page

    graded = small(tiny_folder, **{"evaluation.arms": ["shouted"], "evaluation.metric": "chrf"})
    alone, _ = finish(run(graded, data, tmp_path / "alone"))
    assert "a shouted prompt" in alone.verdict.sentence


@pytest.mark.usefixtures("added")
def test_a_new_arm_that_cannot_be_made_is_left_out_with_its_reason(tiny_folder, tmp_path):
    data = [mails(tmp_path / "mails.jsonl", count=24)]
    recipe = small(tiny_folder, **{"evaluation.arms": ["base", "shouted"]})
    report, _ = finish(run(recipe, data, tmp_path / "out"))
    assert [a.name for a in report.arms] == ["base"]
    assert [(o.name, o.reason) for o in report.left_out] == [("shouted", "fewer than 20 examples tell nothing")]
