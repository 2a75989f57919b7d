"""Near-duplicates count once in every interval and p-value: in a run, in `evaluate`, in reports that are compared."""

import json

import numpy as np
import pytest

from postgrad.decision.verdict import decide
from postgrad.evaluation.statistics.scores import compare, compare_arms, score_interval
from postgrad.measures import ArmResult
from postgrad.pages.report_page import write_report
from postgrad.python.report import Report
from postgrad.records import pair
from postgrad.report.redaction import lines_without_texts
from postgrad.report.results import read_results
from postgrad.report.run_report import ForgettingPart
from postgrad.steps.conclude import Evidence, conclude
from postgrad.steps.examples import Examples
from postgrad.workflows.compare import compare_runs
from postgrad.workflows.evaluate import EvaluateRequest, evaluate
from postgrad.workflows.run import run
from tests.workflows.begun import begun
from tests.workflows.jobs import finish, small

WORDS = "amber brook cedar delta ember fjord grove heath inlet jetty knoll ledge marsh notch oasis plain quarry ridge"
WAYS = ["Could somebody", "Please, could somebody", "Hello, could somebody", "Could somebody today"]


def request(topic: int, way: int) -> str:
    """One matter asked in several ways that are nearly equal."""
    generator = np.random.default_rng(topic)
    matter = " ".join(generator.choice(WORDS.split(), 12))
    return f"{WAYS[way % len(WAYS)]} tell {matter} apart, number {topic} of them?"


def file_of(path, topics, ways):
    rows = [{"mail": request(t, w), "label": ("yes", "no", "later")[t % 3]} for t in topics for w in range(ways)]
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return path


def arm(name: str, scores: np.ndarray, groups) -> ArmResult:
    values = tuple(scores.tolist())
    trained = name.startswith("fine_tuned")
    answers = ("",) * len(values)
    return ArmResult(name, values, answers, {}, 0, 0, 0, None, score_interval(values, groups), trained)


@pytest.fixture
def asked(tiny_folder, tmp_path):
    """A run whose test part has four nearly equal requests of each matter."""
    changes = {"data.test": 0.5, "data.accept": ["near_duplicates", "too_little"], "evaluation.curve": []}
    return small(tiny_folder, **changes), file_of(tmp_path / "asked.jsonl", range(36), 4)


def test_a_gain_at_a_few_matters_is_no_gain_at_many_examples(asked, tmp_path):
    recipe, path = asked
    started = begun(recipe, path)
    examples = started.examples
    assert len(examples.test) == 72 and examples.units == 18 and examples.largest_unit == 4
    groups = examples.groups or ()
    numbers = {group: n for n, group in enumerate(dict.fromkeys(groups))}
    lucky = np.array([numbers[g] < 4 for g in groups], dtype=float)
    even = np.array([numbers[g] % 2 for g in groups], dtype=float)
    better = np.where(even == 0, lucky, even)
    results = [arm("few_shot", even, examples.groups), arm("fine_tuned", better, examples.groups)]
    assert decide(results, compare_arms(results)).recommendation == "fine_tune", "taken for 72 independent examples"
    found = Evidence(results, (ForgettingPart(margin=0.02), []))
    report = conclude(started.ctx, recipe, started.model, started.task, examples, started.summary, found)
    assert report.verdict.recommendation == "cannot_tell" and report.data.test_units == 18
    assert any("72 test examples form 18 independent units" in reason for reason in report.verdict.reasons)
    write_report(report, tmp_path)
    assert "form 18 independent units" in (tmp_path / "report.html").read_text("utf-8")


def test_a_run_and_evaluate_keep_the_groups_and_reports_are_compared_by_them(asked, tmp_path):
    recipe, path = asked
    report, _ = finish(run(recipe, [path], tmp_path / "run"))
    lines = list(read_results(tmp_path / "run"))
    groups = [line.group for line in lines]
    assert len(set(groups)) == report.data.test_units == 18 and None not in groups
    assert report.resolution[0].units == 18 and "(18 independent units)" in report.resolution[0].sentence
    again = file_of(tmp_path / "again.jsonl", range(100, 130), 1)
    with again.open("a") as out:
        out.write("".join(json.dumps({"mail": request(100, w), "label": "yes"}) + "\n" for w in range(1, 4)))
    request_ = EvaluateRequest(recipe, [again], ["asked", recipe.base])
    measured, _ = finish(evaluate(request_, tmp_path / "evaluated"))
    assert (measured.data.test, measured.data.test_units) == (33, 30)
    evaluated = [line.group for line in read_results(tmp_path / "evaluated")]
    assert sorted(map(str, set(evaluated))) == ["None", "near-duplicates 1"] and evaluated.count(None) == 29

    one, two = measured.arms[0].name, measured.arms[1].name
    pair = [[line.arms[name].score for line in read_results(tmp_path / "evaluated")] for name in (two, one)]
    expected = compare(pair[0], pair[1], evaluated)
    folder = str(tmp_path / "evaluated")
    found, _ = finish(compare_runs(folder, folder, tmp_path / "compared", arms=[one, two]))
    assert found.interval == (expected.low, expected.high) and found.p_value == expected.p_value
    opened = Report.open(tmp_path / "evaluated").compare(two, one)
    assert (opened.low, opened.high) == (expected.low, expected.high)

    quiet = [line.group for line in lines_without_texts(lines)]
    assert len(set(quiet)) == 18 and "near" not in "".join(map(str, quiet))


def test_examples_that_all_stand_alone_have_no_groups(tiny_folder, tmp_path):
    started = begun(small(tiny_folder), file_of(tmp_path / "alone.jsonl", range(60), 1))
    examples = started.examples
    assert examples.groups is None and examples.units == len(examples.test) == 12


def test_a_users_column_goes_before_near_duplicates(tiny_folder, tmp_path):
    path = tmp_path / "customers.jsonl"
    rows = [{"mail": request(t, w), "label": "yes", "customer": t // 2} for t in range(40) for w in range(2)]
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    changes = {"data.group": "customer", "data.accept": ["near_duplicates", "balance", "too_little"]}
    examples = begun(small(tiny_folder, **changes), path).examples
    assert {r.meta["customer"] for r in examples.test} == set(examples.groups or ()) and examples.largest_unit == 4
    unknown = [pair(f"request {n}", "yes", meta={"customer": ""}) for n in range(3)]
    assert Examples.of((), (), unknown, "customer").units == 3, "an empty value names no group"
