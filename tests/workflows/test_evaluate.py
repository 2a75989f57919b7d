"""Evaluating and comparing with the tiny model: the same answers as in the run, what was seen in training, what is
refused."""

import json

import pytest

from postgrad.errors import DataError, ModelError, UsageError
from postgrad.models.remote.client import Budget, RemoteModel, TokenPrice
from postgrad.progress import Progress, Said
from postgrad.recipe import merged
from postgrad.registry import Catalogue
from postgrad.report.results import read_results
from postgrad.report.run_report import Report
from postgrad.training_run import Step
from postgrad.workflows.compare import compare_runs
from postgrad.workflows.compare_models import compare_models
from postgrad.workflows.evaluate import EvaluateRequest, evaluate
from postgrad.workflows.run import run
from tests.models.test_remote import answered, server
from tests.workflows.jobs import finish, mails, small

__all__ = ["server"]


def warnings(events):
    return " ".join(e.text for e in events if isinstance(e, Said) and e.warning)


def test_from_run_to_evaluate_to_compare(tiny_folder, tmp_path, own_home):
    recipe = small(tiny_folder)
    data = mails(tmp_path / "mails.jsonl")
    first, _ = finish(run(recipe, [data], tmp_path / "one"))
    lines = list(read_results(tmp_path / "one"))
    assert len(lines) == first.data.test and set(lines[0].arms) == {a.name for a in first.arms}
    for arm in first.arms:
        assert sum(line.arms[arm.name].score for line in lines) / len(lines) == pytest.approx(arm.score)
    assert all(0 < line.arms["fine_tuned"].confidence <= 1 for line in lines) and lines[0].file == str(data)
    assert json.loads(lines[0].reference) and lines[0].prompt[0]["role"] == "user"

    # all of the file is test: what was trained on is counted, and the answers to the run's own test are the run's
    report, events = finish(evaluate(EvaluateRequest(recipe, [data], ["mails", str(tiny_folder)]), tmp_path / "all"))
    assert not [e for e in events if isinstance(e, Step)] and report.data.test == 60 and report.training is None
    known = first.data.train + first.data.validation
    assert f"{known} of the 60 test examples are in its training data" in warnings(events)
    assert f"On the {60 - known} other examples" in " ".join(report.verdict.reasons)
    assert [a.name for a in report.arms] == ["mails@1", f"base @ {tiny_folder.name}", f"prompted @ {tiny_folder.name}"]
    assert [a.trained for a in report.arms] == [True, False, False]
    again = {line.hash: line for line in read_results(tmp_path / "all")}
    assert sum(bool(line.trained_on) for line in again.values()) == known
    assert not any(again[line.hash].trained_on for line in lines)
    for line in lines:  # decoded with other room, so one may be cut earlier
        one, other = line.arms["fine_tuned"].answer, again[line.hash].arms["mails@1"].answer
        assert one.startswith(other[:20]) or other.startswith(one[:20])
    assert Report.model_validate_json((tmp_path / "all" / "report.json").read_text()) == report
    assert (tmp_path / "all" / "report.html").exists()

    _, events = finish(evaluate(EvaluateRequest(recipe, [data], ["mails", str(tiny_folder)]), tmp_path / "all"))
    starts = [e for e in events if isinstance(e, Progress) and e.unit == "answers"]
    assert all(e.done == e.total for e in starts), "nothing is asked twice"

    # another training of the same data, compared with the first
    finish(run(merged(recipe, {"training.rank": 4, "name": "other"}), [data], tmp_path / "two"))
    found, _ = finish(
        compare_runs(str(tmp_path / "one"), str(tmp_path / "two" / "report.json"), tmp_path / "cmp", metric="chrf")
    )
    assert found.common.n == first.data.test and found.rescored and found.a.arm == found.b.arm
    assert {c.name for c in found.changes if c.kind == "settings"} == {"training.rank"}
    assert found.difference == pytest.approx(found.b.score - found.a.score)
    assert found.common.better + found.common.worse + found.common.same == found.common.n
    assert {d.name for d in found.arms} == {"base", "prompted", "fine_tuned"}
    assert next(d for d in found.arms if d.name == "base").difference == 0
    assert all(e.b_score < e.a_score for e in found.worsened) and all(e.b_score > e.a_score for e in found.improved)
    assert (tmp_path / "cmp" / "compare.html").exists()
    same, _ = finish(
        compare_runs(str(tmp_path / "one"), str(tmp_path / "one"), tmp_path / "cmp", arms=["base", "prompted"])
    )
    assert (same.a.name, same.b.name) == ("base", "prompted") and not same.changes

    finish(run(merged(recipe, {"evaluation.metric": "chrf", "evaluation.arms": ["base"]}), [data], tmp_path / "chrf"))
    with pytest.raises(DataError, match="json_match and chrf by chrf"):
        finish(compare_runs(str(tmp_path / "one"), str(tmp_path / "chrf"), tmp_path / "cmp"))
    finish(evaluate(EvaluateRequest(recipe, [mails(tmp_path / "far.jsonl", 300, 20)], ["mails"]), tmp_path / "far"))
    with pytest.raises(DataError, match=r"no example in common.*json_match"):
        finish(compare_runs(str(tmp_path / "one"), str(tmp_path / "far"), tmp_path / "cmp"))

    pair, _ = finish(
        compare_models(recipe, "mails", "other@1", [mails(tmp_path / "new.jsonl", 100, 20)], tmp_path / "models")
    )
    assert (pair.a.arm, pair.b.arm, pair.common.n) == ("mails@1", "other@1", 20)
    assert {c.name for c in pair.changes if c.kind == "settings"} >= {"training.rank"}
    with pytest.raises(UsageError, match="same model"):
        finish(compare_models(recipe, "mails", "mails@1", [data], tmp_path / "models"))


def test_a_model_without_a_trace_says_so(tiny_folder, tmp_path, tiny):
    from tests.serving.loopback import register

    register(tiny, tmp_path / "adapter", tiny_folder, "old", 3)
    data = mails(tmp_path / "mails.jsonl", count=12)
    _, events = finish(evaluate(EvaluateRequest(small(tiny_folder), [data], ["old"]), tmp_path / "out"))
    assert "not known whether old@1 was trained on any" in warnings(events)


def test_general_benchmarks_of_several_models_are_judged_as_in_a_run(tiny_folder, tmp_path, tiny):
    from tests.serving.loopback import register

    for number in (1, 2):
        register(tiny, tmp_path / f"adapter{number}", tiny_folder, f"m{number}", number)
    recipe = small(
        tiny_folder, **{"evaluation.benchmarks": ["arithmetic", "languages"], "evaluation.general_items": 60}
    )
    data = mails(tmp_path / "mails.jsonl", count=12)
    report, _ = finish(evaluate(EvaluateRequest(recipe, [data], ["m1", "m2"], general=True), tmp_path / "out"))
    tests = report.forgetting.benchmarks
    assert [(t.name, t.title.split(", ")[-1]) for t in tests] == [
        (f"{name}, {model}", model) for model in ("m1@1", "m2@1") for name in ("arithmetic", "languages")
    ]
    assert {t.kind for t in tests} == {"arithmetic", "languages"} and all(t.p_lost is not None for t in tests)
    sums = [t for t in tests if t.kind == "arithmetic"]
    assert all(t.guessed and t.verdict != "lost" and "nothing to lose" in t.note for t in sums), "noise has no ability"
    assert len({t.base for t in sums}) == 1
    assert "m2@1" in (tmp_path / "out" / "report.html").read_text()


def test_a_remote_model_beside_a_base(tiny_folder, tmp_path, server):
    data = mails(tmp_path / "mails.jsonl", count=12)
    answers = {json.loads(t)["mail"]: json.dumps(json.loads(t)["answer"]) for t in data.read_text().splitlines()}
    server.plan = [lambda _, body: answered(answers[body["messages"][-1]["content"]])] * len(answers)
    remote = RemoteModel(server.url, "oracle", budget=Budget(price=TokenPrice(1.0, 2.0)))
    request = EvaluateRequest(small(tiny_folder), [data], [str(tiny_folder)], ["base"], [remote])
    report, _ = finish(evaluate(request, tmp_path / "out"))
    arm = report.arms[-1]
    assert arm.name == "remote: oracle" and arm.score == 1 and arm.cost_per_1000 > 0
    assert report.verdict.recommendation == "remote: oracle"
    assert next(iter(read_results(tmp_path / "out"))).arms["remote: oracle"].confidence is None


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"models": ["nobody"]}, ModelError, "no registered model 'nobody'"),
        ({"models": []}, UsageError, "No model is given"),
        ({"arms": ["few_shot"]}, UsageError, "made from training examples"),
        ({"arms": ["prompted"]}, UsageError, "needs an instruction"),
        ({"arms": ["rag"]}, UsageError, "needs documents"),
    ],
)
def test_what_cannot_be_measured_is_refused(tiny_folder, tmp_path, change, error, match):
    settings = {"models": [str(tiny_folder)], **change}
    with pytest.raises(error, match=match):
        finish(
            evaluate(
                EvaluateRequest(small(tiny_folder), [mails(tmp_path / "m.jsonl", count=12)], **settings),
                tmp_path / "out",
            )
        )
    assert not Catalogue().list()
