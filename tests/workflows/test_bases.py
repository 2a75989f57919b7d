"""Several bases in one run: each its own report, one over all, and fewer trainings where time is short."""

import json

import pytest

from postgrad.progress import Said
from postgrad.recipe import merged
from postgrad.report.results import read_results
from postgrad.report.run_report import Report
from postgrad.steps.base_files import bases_of
from postgrad.training_run import Step
from postgrad.workflows.run_bases import run_bases
from tests.conftest import write_model
from tests.workflows.jobs import finish, mails, small


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("second") / "other", layers=1, seed=5)


def test_every_base_does_the_same_job(tiny_folder, second, tmp_path):
    data = mails(tmp_path / "mails.jsonl")
    recipe = merged(small(tiny_folder), {"base": f"{tiny_folder},{second}", "evaluation.metric": "chrf"})
    report, _ = finish(run_bases(recipe, [data], tmp_path / "out"))
    labels = [tiny_folder.name, "other"]
    assert [a.name for a in report.arms] == [f"{a} @ {b}" for b in labels for a in ("base", "prompted", "fine_tuned")]
    own = [Report.model_validate_json((tmp_path / "out" / b / "report.json").read_text()) for b in labels]
    assert (
        own[0].data.hash == own[1].data.hash
        and own[0].model.name == "mails-tiny"
        and own[1].model.name == "mails-other"
    )
    assert {a.name: a.score for a in report.arms} == pytest.approx(
        {f"{a.name} @ {b}": a.score for b, one in zip(labels, own, strict=True) for a in one.arms}
    )
    pairs = {(c.arm, c.against) for c in report.comparisons}
    assert all(
        (f"{a} @ other", f"{a} @ tiny") in pairs or (f"{a} @ tiny", f"{a} @ other") in pairs
        for a in ("base", "prompted", "fine_tuned")
    )
    assert [b.name for b in report.bases] == labels and all(
        b.tuned_score is not None and b.peak_memory_bytes for b in report.bases
    )
    assert report.bases[0].parameters > report.bases[1].parameters
    assert report.cost.training == pytest.approx(sum(one.cost.training for one in own))
    assert set(next(iter(read_results(tmp_path / "out"))).arms) == {a.name for a in report.arms}
    page = (tmp_path / "out" / "report.html").read_text()
    assert 'href="tiny/report.html"' in page and 'href="other/report.html"' in page
    assert Report.model_validate_json((tmp_path / "out" / "report.json").read_text()) == report

    again, events = finish(run_bases(recipe, [data], tmp_path / "out"))
    assert not [e for e in events if isinstance(e, Step)] and again.verdict == report.verdict


def test_with_little_time_untrained_arms_come_first(tiny_folder, second, tmp_path):
    data = mails(tmp_path / "mails.jsonl")
    recipe = merged(small(tiny_folder), {"base": f"{tiny_folder},{second}", "max_minutes": 4, "training.max_steps": 4})
    report, events = finish(run_bases(recipe, [data], tmp_path / "out"))
    steps = [i for i, e in enumerate(events) if isinstance(e, Step)]
    arms = [i for i, e in enumerate(events) if isinstance(e, Said) and e.text.startswith("Arm prompted")]
    assert steps and max(arms[:2]) < min(steps), "every base is measured untrained before any is trained"
    assert any(isinstance(e, Said) and "Minutes for training" in e.text for e in events)
    assert len(report.bases) == 2 and report.recipe["max_minutes"] == 4
    own = [json.loads((tmp_path / "out" / base.folder / "report.json").read_text()) for base in report.bases]
    assert [one["recipe"]["data"]["max_test"] for one in own] == [150, 150], "all bases answer the same test part"
    _, events = finish(run_bases(recipe, [data], tmp_path / "out"))
    assert not [e for e in events if isinstance(e, Step)], "the same command plans alike and redoes nothing"


def test_what_a_base_is_called(tmp_path):
    (tmp_path / "a,b").mkdir()
    assert bases_of(str(tmp_path / "a,b")) == [str(tmp_path / "a,b")]
    assert bases_of("one, two,one") == ["one", "two"]
