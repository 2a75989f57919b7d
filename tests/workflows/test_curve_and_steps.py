"""A run with a learning curve, disturbed requests and next steps: everything is there, kept, and no arm more is
offered."""

from __future__ import annotations

import time

import pytest

from postgrad.errors import DataError, Interrupted
from postgrad.progress import Said, Stage
from postgrad.recipe import merged
from postgrad.report.run_report import Report
from postgrad.steps.arms.making import fine_tuned_arms
from postgrad.steps.arms.measuring import measure_arms
from postgrad.steps.context import Clock
from postgrad.steps.fitting.learning_curve import CurvePlan, learning_curve
from postgrad.steps.fitting.training import train_model
from postgrad.steps.time_budget import curve_share, seconds_for_curve
from postgrad.training_run import Step
from postgrad.workflows.run import run
from tests.workflows.begun import begun

from .test_main_job import finish, mails, recipe  # noqa: F401  (fixtures)


@pytest.fixture
def small(recipe):  # noqa: F811
    return merged(recipe, {"evaluation.general": False, "evaluation.arms": ["prompted", "fine_tuned"]})


def test_a_run_has_its_curve_and_is_not_trained_twice(mails, small, tmp_path):  # noqa: F811
    report, events = finish(run(small, [mails], tmp_path / "out"))
    sizes = [n for n, _ in report.learning_curve.points]
    assert sizes == [round(0.25 * report.data.train), round(0.5 * report.data.train), report.data.train]
    assert report.learning_curve.forecast.examples == 2 * report.data.train
    assert [f.examples for f in report.learning_curve.further] == [4 * report.data.train]
    tuned = next(a for a in report.arms if a.name == "fine_tuned")
    assert report.learning_curve.points[-1][1] == pytest.approx(tuned.score)
    assert [a.name for a in report.arms] == ["prompted", "fine_tuned"], "points of the curve are no arms"
    assert any(isinstance(e, Stage) and e.name == "curve" for e in events)
    assert Report.model_validate_json((tmp_path / "out" / "report.json").read_text()) == report
    again, events = finish(run(small, [mails], tmp_path / "out"))
    assert not [e for e in events if isinstance(e, Step)], "everything was kept"
    assert again.learning_curve == report.learning_curve
    another, events = finish(run(merged(small, {"evaluation.curve": [0.25, 0.4]}), [mails], tmp_path / "out"))
    sizes = [n for n, _ in another.learning_curve.points]
    assert (
        sizes[1] == round(0.4 * report.data.train)
        and another.learning_curve.points[0] == report.learning_curve.points[0]
    )
    assert len({e.total for e in events if isinstance(e, Step)}) == 1, "one training more, not two"


def test_an_interrupted_curve_keeps_what_is_done(mails, small):  # noqa: F811
    stop = []
    started = begun(small, mails, lambda: bool(stop))
    ctx, model, examples, making = started.ctx, started.model, started.examples, started.making
    trained, _ = finish(train_model(ctx, model, examples, started.grounding, small, None))
    model.use(trained.trained, trained.blob)
    arms, _ = finish(fine_tuned_arms(making, small.evaluation.arms))
    results, _ = finish(measure_arms(ctx, model, started.task, examples, arms, trained.blob))
    steps = 0
    with pytest.raises(Interrupted):
        for event in learning_curve(making, CurvePlan.of(small), arms, results, trained):
            steps += isinstance(event, Step)
            if isinstance(event, Said) and event.text.startswith("Trained on"):
                stop.append(True)
    stop.clear()
    curve, events = finish(learning_curve(making, CurvePlan.of(small), arms, results, trained))
    assert len(curve.points) == 3
    assert any(isinstance(e, Said) and "was done before" in e.text for e in events)
    assert steps + sum(isinstance(e, Step) for e in events) < 4 * steps


def test_a_limit_leaves_the_curve_out_and_says_how_to_make_it(mails, small, tmp_path):  # noqa: F811
    tight = merged(small, {"max_minutes": 0.001})
    report, _ = finish(run(tight, [mails], tmp_path / "out"))
    assert report.learning_curve.points == [] and "--curve" in report.learning_curve.sentence
    assert any("--curve" in s.step for s in report.verdict.next_steps)
    forced, _ = finish(run(merged(tight, {"evaluation.curve": [0.5]}), [mails], tmp_path / "out"))
    assert len(forced.learning_curve.points) == 2
    tiny, _ = finish(run(merged(tight, {"evaluation.curve": [0.1, 0.5]}), [mails], tmp_path / "out"))
    assert "10 % of the examples would be fewer than 10" in tiny.learning_curve.sentence
    none, _ = finish(run(merged(tight, {"evaluation.curve": []}), [mails], tmp_path / "out"))
    assert none.learning_curve is None


def test_a_curve_that_nobody_asked_for_takes_a_fifth_more_at_most():
    def clock(minutes, *, limited):
        return Clock(time.monotonic() - 600, minutes, limited=limited)

    assert seconds_for_curve(clock(None, limited=False), 300) is None
    assert seconds_for_curve(clock(10, limited=True), 300) == pytest.approx(0, abs=1), "the user's limit holds"
    assert seconds_for_curve(clock(10, limited=False), 300) == pytest.approx(120, abs=1)
    assert seconds_for_curve(clock(10, limited=False), 1000) == pytest.approx(200, abs=1), (
        "trained by an earlier command"
    )
    assert seconds_for_curve(clock(15, limited=False), 300) == pytest.approx(300, abs=1)
    assert (curve_share(None), curve_share([]), curve_share([0.1, 0.3])) == (0.25, 0, 0.4)


def test_disturbed_requests_are_asked_when_wished(mails, small, tmp_path):  # noqa: F811
    easy = merged(small, {"evaluation.curve": [], "evaluation.perturb": True, "evaluation.metric": "chrf"})
    report, _ = finish(run(easy, [mails], tmp_path / "out"))
    rows = report.disturbances.rows
    assert {r.arm for r in rows} == {"fine_tuned", "prompted"} and rows[0].arm == "fine_tuned"
    assert "typos" in {r.kind for r in rows} and all(5 <= r.n <= report.data.test for r in rows)
    for row in rows:
        assert row.difference == pytest.approx(row.disturbed - row.clean)
        assert row.interval[0] <= row.difference <= row.interval[1] and 0 <= row.changed <= 1
    off, events = finish(run(merged(easy, {"evaluation.perturb": False}), [mails], tmp_path / "out"))
    assert off.disturbances is None and not [e for e in events if isinstance(e, Stage) and e.name == "disturbances"]


def test_production_is_read_before_anything_is_spent(mails, small, tmp_path):  # noqa: F811
    missing = merged(small, {"evaluation.production": [str(tmp_path / "none.jsonl")]})
    events = run(missing, [mails], tmp_path / "out")
    with pytest.raises(DataError, match=r"none\.jsonl"):
        finish(events)
    assert not (tmp_path / "out" / "report.json").exists()
