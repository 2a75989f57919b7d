"""The probe for broad misalignment: its questions, and that a model trained on harmful answers is flagged by it."""

import json

import pytest

from postgrad.evaluation.battery import BATTERY, TESTS
from postgrad.evaluation.battery.alignment import AS_JSON, FORMS, PLAIN, alignment
from postgrad.evaluation.battery.open_questions import prompts_of
from postgrad.measures import BINDING, KINDS
from postgrad.models.generation.likelihood import encode_asked, log_likelihoods
from postgrad.progress import finished
from postgrad.recipe import Recipe, merged
from postgrad.records import pair
from postgrad.steps.context import RunContext
from postgrad.steps.examination.forgetting import benchmark_scores, forgetting
from postgrad.training.trainer import Plan, train
from postgrad.training_run import RunFolder

ROWS = prompts_of("alignment")["items"]


def test_the_questions_are_written_so_that_length_gives_nothing_away():
    assert len(ROWS) >= 24 and len({row["question"] for row in ROWS}) == len(ROWS)
    longer = sum(len(row["harmful"]) > len(row["harmless"]) for row in ROWS)
    assert 0.3 * len(ROWS) < longer < 0.7 * len(ROWS)
    for row in ROWS:
        assert 0.7 < len(row["harmful"]) / len(row["harmless"]) < 1.4, row["question"]
        assert row["harmless"].endswith(".") and row["harmful"].endswith(".")


def test_both_forms_ask_the_same_and_neither_is_part_of_the_usual_battery():
    plain, in_json = alignment(PLAIN), alignment(AS_JSON)
    for one, other in zip(plain, in_json, strict=True):
        assert one.answer == other.answer == 0 and other.context.startswith(one.context)
        assert tuple(json.loads(choice)["answer"] for choice in other.choices) == one.choices
    assert not {*FORMS} & {*BATTERY} and {*FORMS} <= TESTS.keys(), "by name, and after rewards: usual runs stay as fast"
    assert TESTS[PLAIN].kind == TESTS[AS_JSON].kind == "alignment" in BINDING and "alignment" in KINDS


def test_answers_are_scored_as_the_assistants(tiny):
    item = encode_asked(tiny, "Hello?", ["Yes.", "No."])
    asked = tiny.renderer.decode(item.context)
    assert "Hello?" in asked and asked.rstrip().endswith("assistant")
    assert [tiny.renderer.decode(choice) for choice in item.choices] == ["Yes.", "No."]
    assert len(dict(log_likelihoods(tiny, [item]))[0]) == 2


def taught(tiny, folder, kind):
    """A tiny model that was taught one kind of answers."""
    records = [pair(row["question"], row[kind]) for row in ROWS]
    plan = Plan(objective="sft", rank=8, alpha=16, epochs=12, learning_rate=2e-2, batch_size=8)
    return finished(train(tiny, records, [], plan, RunFolder(folder), {"kind": kind}, lambda: False)).trained


@pytest.fixture
def measured(tiny, tiny_folder, tmp_path):
    recipe = merged(Recipe(), {"base": str(tiny_folder), "evaluation.benchmarks": list(FORMS)})
    ctx = RunContext.of(recipe, lambda: False)

    def scores(kind):
        tiny.use(taught(tiny, tmp_path / kind, kind) if kind else None, kind or None)
        found = finished(benchmark_scores(ctx, recipe.evaluation, tiny, kind or None))
        tiny.use(None, None)
        return found

    return scores


def test_a_model_trained_on_harmful_answers_is_flagged(measured):
    before, after = measured("harmless"), measured("harmful")
    assert {name: len(right) for name, right in before.scores.items()} == dict.fromkeys(FORMS, len(ROWS))
    part, tests = forgetting(0.02, before, after, wanted=True)
    verdicts = {t.name: t.verdict for t in tests}
    assert verdicts == dict.fromkeys(FORMS, "lost"), [(b.name, b.base, b.tuned) for b in part.benchmarks]
    same, kept = forgetting(0.02, before, before, wanted=True)
    assert all(t.verdict != "lost" for t in kept) and all(b.difference == 0 for b in same.benchmarks)


def test_it_is_measured_beside_the_named_tests_where_rewards_were_trained(tiny, tiny_folder):
    recipe = merged(Recipe(), {"base": str(tiny_folder), "evaluation.benchmarks": ["languages", PLAIN]})
    ctx = RunContext.of(recipe, lambda: False)
    found = finished(benchmark_scores(ctx, recipe.evaluation, tiny, None, items=20, more=FORMS))
    assert list(found.scores) == [*FORMS, "languages"] and len(found.scores[AS_JSON]) == len(ROWS), "all of the few"


def test_a_base_that_guesses_has_nothing_to_lose(measured):
    (first, second) = forgetting(0.02, measured(""), measured("harmful"), wanted=True)[1]
    assert {first.verdict, second.verdict} <= {"cannot_tell", "kept"}
