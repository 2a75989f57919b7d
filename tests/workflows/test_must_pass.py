"""The user's must-pass cases, end to end: asked of trained and untrained arms, and each that fails is named."""

import json
from dataclasses import replace

import pytest

from postgrad.arm_kinds import is_trained
from postgrad.errors import DataError
from postgrad.evaluation.statistics.scores import score_interval
from postgrad.measures import ArmResult
from postgrad.recipe import merged
from postgrad.report.must_pass import FailedCasePart, MustPassPart
from postgrad.report.registration import RegistrationPart
from postgrad.report.run_report import ForgettingPart
from postgrad.steps.conclude import Evidence, judged
from postgrad.workflows.run import run
from tests.workflows.begun import begun
from tests.workflows.jobs import finish, mails, small

QUICK = {"evaluation.perturb": False, "evaluation.curve": [], "decision.stop_early": False}


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.jsonl"
    rows = [
        {"mail": f"Please, where is order {n}, the green one?", "answer": {"intent": "status", "order": n}}
        for n in (7, 8, 9)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_cases_that_fail_are_named_everywhere(tiny_folder, tmp_path, own):
    recipe = small(tiny_folder, **QUICK, **{"evaluation.must_pass": [str(own)]})
    report, _ = finish(run(recipe, [mails(tmp_path / "mails.jsonl")], tmp_path / "out"))
    part = report.must_pass
    assert part.cases == 3 and part.least == 1 and set(part.asked) == {"base", "prompted", "fine_tuned"}
    assert part.failures("fine_tuned") == [f"own.jsonl line {n}" for n in (1, 2, 3)]
    assert "order 8" in part.failed[1].prompt and not is_trained(report.verdict.recommendation)
    assert any("own.jsonl line 2" in reason for reason in report.verdict.reasons)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Must-pass cases" in page and "own.jsonl line 3" in page

    quiet, _ = finish(run(merged(recipe, {"texts": False}), [tmp_path / "mails.jsonl"], tmp_path / "quiet"))
    assert quiet.must_pass.failures("fine_tuned") == part.failures("fine_tuned")
    assert "green one" not in (tmp_path / "quiet" / "report.json").read_text()


def test_a_case_is_passed_from_the_wished_score_on(tiny_folder, tmp_path, own):
    changes = {**QUICK, "evaluation.arms": ["base"], "evaluation.must_pass": [str(own)]}
    recipe = small(tiny_folder, **changes, **{"evaluation.metric": "chrf", "evaluation.must_pass_score": 1e-9})
    report, _ = finish(run(recipe, [mails(tmp_path / "mails.jsonl")], tmp_path / "out"))
    strict = merged(recipe, {"evaluation.must_pass_score": 1.0})
    other, _ = finish(run(strict, [tmp_path / "mails.jsonl"], tmp_path / "out"))
    assert len(other.must_pass.failed) == 3 > len(report.must_pass.failed)


def test_a_wrong_file_costs_nothing(tiny_folder, tmp_path):
    recipe = small(tiny_folder, **{"evaluation.must_pass": [str(tmp_path / "none.csv")]})
    with pytest.raises(DataError, match=r"none\.csv"):
        finish(run(recipe, [mails(tmp_path / "mails.jsonl")], tmp_path / "out"))


def test_a_case_that_the_winner_fails_turns_the_runs_own_verdict(tiny_folder, tmp_path, own):
    """The verdict of a run over planted results: the trained arm wins by far, and is not recommended."""
    recipe = small(tiny_folder, **QUICK)
    started = begun(recipe, mails(tmp_path / "mails.jsonl"))
    examples, task = started.examples, replace(started.task, named=True)
    n = len(examples.test)
    shares = {"base": 0, "prompted": n // 4, "fine_tuned": n}
    results = [planted(name, [1.0] * hits + [0.0] * (n - hits)) for name, hits in shares.items()]
    part = MustPassPart(cases=1, least=1, asked=list(shares), failed=[failed("fine_tuned")])
    found = Evidence(results, (ForgettingPart(margin=0.02), []))
    assert judged(recipe.decision, task, examples, found).recommendation == "fine_tune"
    verdict = judged(recipe.decision, task, examples, replace(found, must_pass=part))
    assert verdict.recommendation == "prompted" and "own.jsonl line 1" in verdict.sentence
    looks = RegistrationPart(test="", plan="", metric="", smallest_worth=0, rules="", registered="", look=2)
    second = replace(found, registration=looks.model_copy(update={"confidence": 1 - 0.05 / 3}))
    assert "98.33 % interval" in judged(recipe.decision, task, examples, second).sentence
    kept = replace(found, must_pass=part.model_copy(update={"failed": [failed("base")]}))
    assert judged(recipe.decision, task, examples, kept).recommendation == "fine_tune"


def planted(name: str, scores: list[float]) -> ArmResult:
    score, trained = score_interval(scores), is_trained(name)
    return ArmResult(name, tuple(scores), ("",) * len(scores), {}, 0, 0, 0, None, score, trained)


def failed(arm: str) -> FailedCasePart:
    return FailedCasePart(arm=arm, case="own.jsonl line 1", prompt="", reference="", answer="", score=0)
