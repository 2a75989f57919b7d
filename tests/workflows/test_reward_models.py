"""A reward model from the command to the grader: trained, registered, named, and never asked for answers."""

import json

import pytest

from postgrad.errors import ModelError, NoAnswersError, PostgradError
from postgrad.evaluation.metrics.support.metric import Case
from postgrad.evaluation.metrics.support.named import metric_named
from postgrad.models.adapters.trained_weights import load_trained
from postgrad.progress import finished
from postgrad.recipe import Recipe, make_recipe, merged
from postgrad.records import Message, Source, Task
from postgrad.registry import Catalogue
from postgrad.steps.arms.metric_resources import MeasuredModel, metric_resources
from postgrad.steps.arms.reward_models import registered_rewards
from postgrad.steps.context import RunContext
from postgrad.steps.delivery.probing import leaving_model
from postgrad.steps.fitting.reward import reward_of
from postgrad.workflows.evaluate import EvaluateRequest, evaluate
from postgrad.workflows.export import export
from postgrad.workflows.train import train_only

THINGS = ("sofa", "lamp", "order", "table", "chair", "bed", "rug", "desk")


def pairs(folder, count=32):
    """Pairs in which the polite answer is the better one."""
    rows = []
    for i in range(count):
        prompt = f"Where is {THINGS[i % 8]} number {i}?"
        chosen = f"Yes, {THINGS[i % 8]} {i} is on its way to you."
        rows.append({"prompt": prompt, "chosen": chosen, "rejected": "No " + "no " * (i % 3) + f"{i}"})
    path = folder / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def settings(tiny_folder, **changes):
    wanted = {
        "base": str(tiny_folder),
        "data.accept": ["near_duplicates"],
        "training.objective": "reward",
        "training.learning_rate": 5e-3,
        "training.epochs": 3,
        "training.rank": 4,
        **changes,
    }
    return merged(Recipe(), wanted)


@pytest.fixture
def trained(tiny_folder, tmp_path):
    return finished(train_only(settings(tiny_folder, name="polite"), [pairs(tmp_path)]))


def test_what_is_registered_gives_the_rewards_seen_in_training(trained, tmp_path):
    part, entry = trained.result.part, trained.entry
    assert entry.id == "polite@1" and "validation pairs the chosen answer gets the higher reward" in part.in_words
    assert entry.details["rewards"]["accuracy"] == 1.0 and "canary" not in entry.details
    asked = registered_rewards("polite")
    question = (Message("user", "Where is sofa number 99?"),)
    good, bad = asked.rewards([(question, "Yes, sofa 99 is on its way to you."), (question, "No no 99")])
    assert good > bad + 1
    named = registered_rewards("polite@1").rewards([(question, "No no 99")])
    alone = asked.rewards([(question, "No no 99")])
    assert named == alone and alone == [pytest.approx(bad, abs=0.02)], "alone as beside others, to the dtype's rounding"


def test_it_grades_answers_wherever_a_grader_is_named(trained, tiny_folder):
    recipe = make_recipe({"training": {"objective": "grpo", "grader": "reward:polite@1"}})
    means = metric_resources(RunContext.of(recipe, lambda: False), recipe.evaluation, MeasuredModel())
    tasks = [Task(prompt=(Message("user", "Where is it?"),), source=Source("t.jsonl", 1))]
    grade, identity = reward_of(means, recipe.training, tasks)
    good, bad = grade([(tasks[0], "Yes, it is on its way to you."), (tasks[0], "No no")])
    assert good.reward > bad.reward + 1 and not good.fault
    again = make_recipe({"training": {"objective": "grpo", "grader": "reward:polite"}})
    assert reward_of(means, again.training, tasks)[1] == identity, "the same model under another name"
    with pytest.raises(ModelError, match="no registered model 'rude'"):
        reward_of(means, make_recipe({"training": {"objective": "grpo", "grader": "reward:rude"}}).training, tasks)


def test_as_a_metric_it_says_how_likely_the_answer_is_preferred_to_the_right_one(trained):
    recipe = Recipe()
    metric = metric_named(
        "reward:polite", metric_resources(RunContext.of(recipe, lambda: False), recipe.evaluation, MeasuredModel())
    )
    task = Task(prompt=(Message("user", "Where is it?"),), reference="Yes, it is on its way.", source=Source("t", 1))
    found = metric.measure([Case(a, task.reference, task) for a in (task.reference, "No no no")])
    assert found.scores[0] == pytest.approx(0.5, abs=1e-6) and found.scores[1] < 0.3
    assert set(found.figures) == {"reward"}
    assert "only 0 of 1 have a right answer" in metric.unfit([Case("x", "", None)])


def test_whoever_asks_it_for_an_answer_is_told_in_one_sentence(trained, tiny_folder, tiny, tmp_path):
    from postgrad.serving.inference.engine import Engine

    said = r"polite@1 is a reward model: it says what an answer is worth, and has no answers of its own\."
    catalogue = Catalogue()
    engine = Engine(catalogue)
    with pytest.raises(NoAnswersError, match=said):
        engine.prompt(engine.find("polite@1"), [Message("user", "Hi")])
    assert not [name for name, _, _ in engine.names() if name.startswith("polite")]
    with pytest.raises(NoAnswersError, match=said):
        leaving_model(trained.entry, engine.blobs)
    with pytest.raises(NoAnswersError, match=said):
        finished(export("polite@1", "safetensors", tmp_path / "out"))
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"prompt": f"{i}?", "completion": f"{i}"}) + "\n" for i in range(12)))
    request = EvaluateRequest(Recipe(), [rows], ["polite@1"])
    with pytest.raises(PostgradError, match=said):
        finished(evaluate(request, tmp_path / "report"))
    with pytest.raises(NoAnswersError):
        tiny.use(load_trained(engine.blobs.get_folder(trained.entry.blob)))


def test_a_model_that_answers_grades_nothing(tiny_folder, tmp_path):
    rows = [{"prompt": f"Where is {t} {i}?", "completion": f"It is {i}."} for i, t in enumerate(THINGS * 3)]
    path = tmp_path / "answers.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    changes = {"training.objective": "sft", "training.epochs": 1, "name": "plain"}
    finished(train_only(settings(tiny_folder, **changes), [path]))
    with pytest.raises(ModelError, match=r"plain@1 is no reward model(.|\n)*--objective reward"):
        registered_rewards("plain")


def test_another_margin_is_another_training(tiny_folder, tmp_path):
    path = pairs(tmp_path)
    first = finished(train_only(settings(tiny_folder, name="m"), [path]))
    rows = [json.loads(line) | {"margin": 2.0} for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    second = finished(train_only(settings(tiny_folder, name="m"), [path]))
    assert first.entry.blob != second.entry.blob
    assert second.result.part.train_loss[0][1] > 2, "log(1 + e²)"
