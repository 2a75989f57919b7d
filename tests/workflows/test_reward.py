"""What grades answers in a training: a grader of OpenAI's form or a metric, refused by name where it cannot."""

import json

import pytest

from postgrad.errors import DataError, UsageError
from postgrad.recipe import make_recipe
from postgrad.records import Conversation, Message, Source, Task, pair
from postgrad.steps.arms.metric_resources import MeasuredModel, metric_resources
from postgrad.steps.context import RunContext
from postgrad.steps.fitting.reward import held_out_of, reward_of
from postgrad.steps.fitting.trainable_records import wanted_by

CHECK = {
    "type": "string_check",
    "name": "same",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}
MULTI = {
    "type": "multi",
    "name": "both",
    "calculate_output": "2 * same - 0.5 * long",
    "graders": {
        "same": CHECK,
        "long": {
            "type": "text_similarity",
            "name": "long",
            "input": "{{sample.output_text}}",
            "reference": "{{item.answer}}",
            "evaluation_metric": "fuzzy_match",
        },
    },
}
JUDGED = {"type": "score_model", "name": "j", "model": "m", "input": [{"role": "user", "content": "{{item.answer}}"}]}
TASKS = [
    Task(
        prompt=(Message("user", f"{n} + {n}?"),),
        reference=str(2 * n),
        fields={"answer": str(2 * n)},
        source=Source("t.jsonl", n),
    )
    for n in range(1, 4)
]


def reward(grader, tasks=TASKS, **evaluation):
    recipe = make_recipe({"training": {"objective": "grpo", "grader": grader}, "evaluation": evaluation})
    means = metric_resources(RunContext.of(recipe, lambda: False), recipe.evaluation, MeasuredModel())
    return reward_of(means, recipe.training, tasks)


def test_graders_and_metrics_grade_alike(tmp_path):
    path = tmp_path / "grader.json"
    path.write_text(json.dumps({"grader": CHECK}))
    answers = [(TASKS[0], "2"), (TASKS[1], "5"), (TASKS[2], "6")]
    for grader in (CHECK, str(path), "exact_match", "numeric"):
        grade, _ = reward(grader)
        assert [g.reward for g in grade(answers)] == [1.0, 0.0, 1.0], grader
    assert reward(CHECK)[1] == reward(str(path))[1] != reward({**CHECK, "operation": "like"})[1]


def test_a_second_grader_is_held_out():
    recipe = make_recipe({"training": {"objective": "grpo", "grader": CHECK, "held_out": "numeric"}})
    means = metric_resources(RunContext.of(recipe, lambda: False), recipe.evaluation, MeasuredModel())
    found = held_out_of(means, recipe.training, TASKS)
    assert found is not None and found[1] != reward_of(means, recipe.training, TASKS)[1]
    assert [g.reward for g in found[0]([(TASKS[0], "2"), (TASKS[1], "5")])] == [1.0, 0.0]
    plain = make_recipe({"training": {"objective": "grpo", "grader": CHECK}})
    assert held_out_of(means, plain.training, TASKS) is None


def test_a_reward_may_be_any_number():
    grade, _ = reward(MULTI)
    assert grade([(TASKS[0], "2")])[0].reward == pytest.approx(1.5)
    assert grade([(TASKS[0], "xyz")])[0].reward <= 0


def test_records_without_what_the_grader_asks_for_are_named():
    lacking = [*TASKS, Task(prompt=(Message("user", "?"),), fields={"n": 1}, source=Source("t.jsonl", 9))]
    with pytest.raises(DataError, match=r"1 of 4 tasks lack(.|\n)*t\.jsonl:9 has no {{item\.answer}}"):
        reward(CHECK, lacking)


@pytest.mark.parametrize(
    ("grader", "words"),
    [
        (JUDGED, "needs a model that judges"),
        ("no_such_metric", "There is no metric"),
        ("nowhere.json", "cannot be read"),
        ({"type": "string_check"}, "not valid"),
    ],
)
def test_what_cannot_grade_is_refused(grader, words):
    with pytest.raises(UsageError, match=words):
        reward(grader)


def test_conversations_are_tasks_whose_answer_is_the_reference():
    asked = Conversation(messages=(Message("user", "Say e."),), meta={"letter": "e"})
    with_answer, without = wanted_by("grpo").read([pair("1 + 1?", "2", meta={"k": 1}), asked])
    assert (with_answer.reference, with_answer.fields) == ("2", {"k": 1})
    assert (without.reference, without.fields) == ("", {"letter": "e"})
