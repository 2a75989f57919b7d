"""The user's neighbouring tasks as tests of forgetting: who loses one is vetoed, who keeps it is not."""

import json
from dataclasses import replace

import pytest

from postgrad.arm_kinds import is_trained
from postgrad.errors import DataError, UsageError
from postgrad.evaluation.battery.judging import judge
from postgrad.recipe import Recipe, merged
from postgrad.report.run_report import ForgettingPart
from postgrad.steps.conclude import Evidence, judged
from postgrad.workflows.evaluate import EvaluateRequest, evaluate
from postgrad.workflows.run import run
from tests.workflows.begun import begun
from tests.workflows.jobs import finish, mails, small
from tests.workflows.test_must_pass import QUICK, planted

LEARNS = {"training.epochs": 12, "training.learning_rate": 0.02}
LOST = "::format_rules(forbids='{')"
"""The tiny base writes hardly any braces, and a model that has learned to write objects writes little else."""


@pytest.fixture
def notes(tmp_path):
    path = tmp_path / "house_notes.jsonl"
    rows = [
        {"note": f"Shelf {n} of row {n * 7} is empty.", "reply": f"Fill it {n} times, then tell us."} for n in range(40)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, rows[0]]))
    return path


def test_a_lost_neighbour_is_named_and_a_kept_one_is_not_lost(tiny_folder, tmp_path, notes):
    other = tmp_path / "other.csv"
    other.write_text("ask,say\n" + "".join(f"How many are {n}?,{n} are there\n" for n in range(40)))
    given = [f"{notes}{LOST}", f"{other}::format_rules(min_characters=1)"]
    recipe = small(tiny_folder, **QUICK, **LEARNS, **{"evaluation.also_keep": given})
    report, _ = finish(run(recipe, [mails(tmp_path / "mails.jsonl")], tmp_path / "out"))
    assert report.forgetting and report.model
    found = {b.name: b for b in report.forgetting.benchmarks}
    assert set(found) == {"house_notes.jsonl", "other.csv"}, "no general benchmark was asked for"
    lost, kept = found["house_notes.jsonl"], found["other.csv"]
    assert lost.verdict == "lost" and lost.n == 40 and lost.base > 0.9 and lost.tuned < 0.5 and lost.changed
    assert kept.verdict != "lost" and kept.difference == 0 and {lost.kind, kept.kind} == {"neighbour"}
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Neighbouring tasks of your own" in page and "house_notes.jsonl" in page

    name = f"{report.model.name}@{report.model.version}"
    wishes = merged(Recipe(), {"base": str(tiny_folder), "evaluation.also_keep": given[:1]})
    again, _ = finish(evaluate(EvaluateRequest(wishes, [tmp_path / "mails.jsonl"], [name]), tmp_path / "again"))
    assert again.forgetting
    (same,) = again.forgetting.benchmarks
    assert (same.base, same.tuned, same.verdict) == (lost.base, lost.tuned, "lost") and name in same.name


def test_a_lost_neighbour_vetoes_and_is_in_the_sentence(tiny_folder, tmp_path):
    recipe = small(tiny_folder, **QUICK)
    started = begun(recipe, mails(tmp_path / "mails.jsonl"))
    examples, task = started.examples, replace(started.task, named=True)
    n = len(examples.test)
    shares = {"base": 0, "prompted": n // 4, "fine_tuned": n}
    results = [planted(name, [1.0] * hits + [0.0] * (n - hits)) for name, hits in shares.items()]

    def verdict(after):
        tests = judge({"my_task.csv": [1.0] * 250}, {"my_task.csv": after}, 0.02)
        return judged(recipe.decision, task, examples, Evidence(results, (ForgettingPart(margin=0.02), tests)))

    lost = verdict([0.0] * 60 + [1.0] * 190)
    assert not is_trained(lost.recommendation) and "lost the neighbouring task my_task.csv" in lost.sentence
    kept = verdict([1.0] * 250)
    assert kept.recommendation == "fine_tune" and "the neighbouring tasks are kept (my_task.csv)" in kept.sentence
    few = judge({"my_task.csv": [1.0] * 20}, {"my_task.csv": [1.0] * 20}, 0.02)
    open_one = judged(recipe.decision, task, examples, Evidence(results, (ForgettingPart(margin=0.02), few)))
    assert open_one.recommendation == "fine_tune" and "my_task.csv had too few items" in open_one.sentence


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        (["none.csv"], DataError, r"none\.csv"),
        (["house_notes.jsonl::json_match"], UsageError, r"neighbouring task house_notes\.jsonl.*json_match"),
        (["house_notes.jsonl", "house_notes.jsonl::chrf"], UsageError, "twice"),
    ],
)
def test_a_wrong_file_or_metric_costs_nothing(tiny_folder, tmp_path, notes, monkeypatch, given, error, said):
    monkeypatch.chdir(tmp_path)
    recipe = small(tiny_folder, **{"evaluation.also_keep": given})
    with pytest.raises(error, match=said):
        finish(run(recipe, [mails(tmp_path / "mails.jsonl")], tmp_path / "out"))
