"""The report over several bases, made of two bases' reports that no model had to answer for."""

import json

import pytest

from postgrad.pages.report_page import render_report
from postgrad.recipe import Recipe, merged
from postgrad.report.results import read_results
from postgrad.report.run_report import Report, VerdictPart
from postgrad.steps.reporting.advice import briefed
from postgrad.steps.reporting.bases_report import BaseRun, bases_report, best_untrained, common_results, merged_lines
from postgrad.steps.reporting.compared_runs import read_report
from postgrad.workflows.run_bases import _labels, _planned
from tests.workflows.test_compare import folder


def base(where, label, numbers, right, recommendation):
    verdict = VerdictPart(recommendation=recommendation, sentence=f"{label} speaks.")
    path = folder(where / label, numbers, right, verdict=verdict)
    return BaseRun(
        label, label, read_report(where / label), {line.hash: line for line in read_results(where / label)}
    ), path


@pytest.fixture
def runs(tmp_path):
    return [
        base(tmp_path, "large", range(100), lambda i: i % 10, "fine_tune")[0],
        base(tmp_path, "small", range(100), lambda i: i % 2, "cannot_tell")[0],
    ]


def test_bases_compete_with_what_their_own_reports_recommend(runs):
    recipe = merged(Recipe(), {"base": "large,small"})
    results, note = common_results(runs)
    report = bases_report(recipe, runs, results, {"small": "No time."}, note, 12.0)
    assert [a.name for a in report.arms] == ["base @ large", "fine_tuned @ large", "base @ small", "fine_tuned @ small"]
    assert report.arms[1].score == 0.9 and report.arms[3].score == 0.5 and not note
    assert (
        report.verdict.recommendation == "fine_tuned @ large" and "the tuned model on large" in report.verdict.sentence
    )
    pairs = [(c.arm, c.against) for c in report.comparisons]
    assert len(pairs) == len(set(pairs)) and ("fine_tuned @ small", "fine_tuned @ large") in pairs
    assert {"large: large speaks.", "small: small speaks.", "small: No time."} <= set(report.verdict.reasons)
    assert [(b.name, b.tuned_score, b.note) for b in report.bases] == [("large", 0.5, ""), ("small", 0.5, "No time.")]
    assert report.cost.training == pytest.approx(sum(r.report.cost.training for r in runs))
    assert Report.model_validate_json(report.model_dump_json()) == report
    assert "fine-tuned @ large" in render_report(report)
    assert set(next(merged_lines(runs)).arms) == {a.name for a in report.arms}


def test_bases_with_unlike_tests_are_compared_on_what_is_common(runs, tmp_path):
    other, _ = base(tmp_path, "tiny", range(40, 100), lambda i: i % 3, "cannot_tell")
    results, note = common_results([*runs, other])
    assert {len(r.scores) for r in results} == {60} and "60 test examples" in note and "large: 100" in note
    assert best_untrained("tiny", results).name == "base @ tiny"
    assert len(list(merged_lines([*runs, other]))) == 100


def test_minutes_are_shared_and_the_same_command_plans_alike(runs):
    recipe = merged(Recipe(), {"base": "large,small", "max_minutes": 10})
    by_label = {r.label: r for r in runs}
    plan, out = _planned(recipe, by_label, 7.0)
    assert plan == {"large": 3.5, "small": 3.5} and not out, "untrained they are alike: none is given up"
    assert _planned(recipe, by_label, 2.0) == (plan, out)


def test_labels_are_folders():
    assert _labels(["org/model", "smollm2-135m-instruct"]) == {
        "org--model": "org/model",
        "smollm2-135m-instruct": "smollm2-135m-instruct",
    }
    assert json.dumps(list(_labels(["a/x", "b/x"]))) == '["a--x", "b--x"]'


def test_several_bases_are_told_in_four_lines(runs):
    results, note = common_results(runs)
    report = briefed(bases_report(merged(Recipe(), {"base": "large,small"}), runs, results, {}, note, 12.0))
    brief = report.verdict.brief
    assert brief is not None and brief.headline.startswith("Fine-tune: ") and len(brief.headline.split()) <= 18
