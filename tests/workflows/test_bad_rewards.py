"""Graders that raise, hang, or give no number: counted where they fail sometimes, one sentence where they always do."""

import pytest

from postgrad.errors import TrainingError
from postgrad.evaluation.graders import grading
from postgrad.progress import finished
from postgrad.recipe import make_recipe
from postgrad.sandbox.run import Limits
from postgrad.steps.arms.metric_resources import MeasuredModel, metric_resources
from postgrad.steps.context import RunContext
from postgrad.steps.fitting import reward as rewards
from postgrad.steps.fitting.reward import reward_of
from postgrad.training.trainer import Plan, train
from postgrad.training_run import RunFolder
from tests.needs import a_sandbox
from tests.training.test_grpo import TASKS

FAILING = {
    "raises": ("raise ValueError('no such key')", "ValueError: no such key"),
    "not a number": ("return float('nan')", "gave no finite number"),
    "endless": ("return float('inf')", "gave no finite number"),
    "another type": ("return 'good'", "could not convert string to float: 'good'"),
    "nothing": ("pass", "TypeError"),
}


def graded(body):
    grader = {"type": "python", "name": "g", "source": f"def grade(sample, item):\n    {body}\n"}
    recipe = make_recipe({"training": {"objective": "grpo", "grader": grader}})
    means = metric_resources(RunContext.of(recipe, lambda: False), recipe.evaluation, MeasuredModel())
    return reward_of(means, recipe.training, TASKS)[0]


def go(tiny, folder, reward, held=2, **changes):
    settings = {
        "objective": "grpo",
        "rank": 2,
        "alpha": 4,
        "samples": 2,
        "answer_tokens": 3,
        "batch_size": 2,
        **changes,
    }
    work = train(
        tiny, TASKS[:4], TASKS[4 : 4 + held], Plan(**settings), RunFolder(folder), {}, lambda: False, reward=reward
    )
    return finished(work).part


@pytest.mark.parametrize("fault", FAILING)
def test_a_grader_that_always_fails_is_named_with_its_own_words(tiny, tmp_path, fault):
    a_sandbox()
    body, words = FAILING[fault]
    with pytest.raises(
        TrainingError, match="failed on all of the first 4 answers: python_grader_runtime_error"
    ) as told:
        go(tiny, tmp_path, graded(body), max_steps=2)
    assert words in str(told.value) and "\n" not in told.value.message


def test_a_grader_that_fails_sometimes_is_counted_and_the_training_goes_on(tiny, tmp_path):
    body = "assert len(sample['output_text']) % 2\n    return 1.0"
    part = go(tiny, tmp_path, graded(body), max_steps=2, samples=4)
    faults = [value for _, value in part.metrics["grader_faults"]]
    assert part.steps == 2 and 0 < sum(faults) < len(faults)
    assert "of the answers failed; they got the reward 0" in part.in_words


def test_a_grader_that_hangs_is_ended_and_not_asked_for_every_answer(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(grading, "LIMITS", Limits(seconds=1.0))
    runs = []
    sandbox = a_sandbox()
    counted = type("Counted", (), {"run": lambda self, *given: runs.append(given) or sandbox.run(*given)})()
    monkeypatch.setattr(rewards, "find_sandbox", lambda: counted)
    with pytest.raises(TrainingError, match=r"all of the first 4 answers: python_grader_server_error \(timeout\)"):
        go(tiny, tmp_path, graded("while True: pass"), max_steps=2)
    assert len(runs) == 2 + rewards.HANGS, "two of validation, three of the first batch of four"
