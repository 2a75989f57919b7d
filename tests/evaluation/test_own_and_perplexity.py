"""A metric of the user's, and the metric that asks the model itself."""

from __future__ import annotations

import math

import pytest

from postgrad.errors import DataError, UsageError
from postgrad.evaluation.metrics.support.metric import Case, MetricResources, paired
from postgrad.evaluation.metrics.support.named import metric_named
from postgrad.records import Message, pair

SOURCE = """
def length(answer, reference, record):
    return min(1.0, len(answer) / 10)

def by_meta(answer, reference, record):
    return answer == record["meta"]["code"]

def bad(answer, reference, record):
    return 7

def broken(answer, reference, record):
    return record["nothing"]
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(SOURCE)
    return path


def test_code_of_the_users_runs_only_when_switched_on(file, tmp_path) -> None:
    marker = tmp_path / "ran"
    file.write_text(f"open({str(marker)!r}, 'w')\n" + SOURCE)
    with pytest.raises(UsageError, match=r"run on this machine with your rights\.\n.*own_code"):
        metric_named(f"{file}:length")
    assert not marker.exists()
    metric = metric_named(f"{file}:length", MetricResources(own_code=True))
    assert marker.exists() and metric.name == "length" and metric("12345", "x") == 0.5


def test_the_function_sees_the_record_and_its_faults_are_named(file) -> None:
    means = MetricResources(own_code=True)
    record = pair("q", "a", meta={"code": "K7"})
    assert metric_named(f"{file}:by_meta", means)("K7", "a", record) == 1
    with pytest.raises(DataError, match=r"mine\.py:bad gave 7"):
        metric_named(f"{file}:bad", means)("x", "y")
    with pytest.raises(DataError, match=r"mine\.py:broken failed at one answer: KeyError"):
        metric_named(f"{file}:broken", means)("x", "y")
    with pytest.raises(UsageError, match="Its functions: length, by_meta, bad, broken"):
        metric_named(f"{file}:lenght", means)
    with pytest.raises(UsageError, match="is not there"):
        metric_named(f"{file.parent}/other.py:f", means)
    file.write_text("1/0")
    with pytest.raises(UsageError, match="cannot be loaded: ZeroDivisionError"):
        metric_named(f"{file}:length", means)


def test_perplexity_is_of_the_right_answer_as_the_arm_asked() -> None:
    seen = []

    def likelihoods(pairs):
        seen.extend(pairs)
        return [-math.log(4.0), -math.log(2.0)]

    asked = (Message("system", "s"), Message("user", "q"))
    metric = metric_named("perplexity", MetricResources(likelihoods=likelihoods))
    found = metric.measure([Case("ignored", "right", pair("q", "right"), asked), Case("", "other", pair("r", "other"))])
    assert found.scores == pytest.approx((0.25, 0.5)) and found.figures["perplexity"] == pytest.approx(math.sqrt(8))
    assert seen[0] == (asked, "right") and seen[1] == ((Message("user", "r"),), "other")
    with pytest.raises(UsageError, match="likelihoods"):
        metric_named("perplexity")


def test_the_spelling_of_metrics() -> None:
    assert metric_named("numeric:tolerance=0.5")("1.4", "1") == 1
    assert metric_named("numeric(tolerance=0.5,)")("1.4", "1") == 1
    assert metric_named("""format_rules(contains=["a, b", 'c)'], ends_with=')', language=no)""")("a, b c)", "") == 1
    for wrong, said in {
        "numeric(tolerance)": "has no name or no value",
        "numeric(tolerance=x, much=1)": (
            r"tolerance = 'x'.*\n.*much: no such option\nOptions of numeric: tolerance, relative, units"
        ),
        "a metric": "cannot be read",
        "nmeric": "did you mean 'numeric'",
    }.items():
        with pytest.raises(UsageError, match=said):
            metric_named(wrong)
    assert metric_named("exact_match").measure(paired(["a"], ["A"])).scores == (1.0,)
