"""`postgrad estimate` for preferences and rewards: counts what will be computed, without torch, and knows its
settings."""

import json
import subprocess
import sys

import pytest

from postgrad.cli import main
from postgrad.recipe import TrainingSection
from postgrad.steps.fitting.pairs_as_prompts import needs_reward_model, reading_objective


@pytest.fixture
def files(tmp_path):
    asked = [{"role": "user", "content": "Where is my sofa, please?"}]
    sides = {
        "preferred_output": [{"role": "assistant", "content": "On its way."}],
        "non_preferred_output": [{"role": "assistant", "content": "No idea at all."}],
    }
    pairs, tasks = tmp_path / "pairs.jsonl", tmp_path / "tasks.jsonl"
    pairs.write_text("\n".join(json.dumps({"input": {"messages": asked}, **sides}) for _ in range(12)))
    tasks.write_text("\n".join(json.dumps({"messages": asked, "answer": "here"}) for _ in range(12)))
    return pairs, tasks


def estimate(capsys, *arguments):
    assert main(["estimate", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_preferences_count_both_sides_and_their_prompt_once(files, tiny_folder, capsys):
    pairs, _ = files
    found = {name: estimate(capsys, pairs, "--base", tiny_folder, "--objective", name) for name in ("dpo", "orpo")}
    assert found["dpo"]["examples"] == 12 and found["dpo"]["tokens"] < 2 * 12 * found["dpo"]["longest"]
    assert found["dpo"]["minutes"] > found["orpo"]["minutes"], "the starting model is asked first"


def test_answers_count_as_often_as_they_are_sampled(files, tiny_folder, capsys):
    _, tasks = files
    common = (tasks, "--base", tiny_folder, "--objective", "grpo", "--set", "grader=exact_match", "--set")
    few, many = (estimate(capsys, *common, f"samples={n}", "--set", "answer_tokens=20") for n in (2, 8))
    assert few["supervised_tokens"] == 12 * 2 * 20 and many["supervised_tokens"] == 12 * 8 * 20
    assert many["minutes"] > few["minutes"] and many["examples"] == 12


def test_pairs_without_a_grader_are_learned_from_first_and_the_reward_model_takes_room(files, tiny_folder, capsys):
    pairs, tasks = files
    options = (
        "--base",
        tiny_folder,
        "--objective",
        "ppo",
        "--set",
        "answer_tokens=20",
        "--set",
        "token_budget=64",
        "--set",
    )
    found = estimate(capsys, pairs, *options, "samples=4")
    alone = estimate(capsys, tasks, *options, "samples=4", "--set", "grader=exact_match")
    assert found["supervised_tokens"] == 4 * 20, "one prompt, which twelve pairs share, is answered"
    assert found["reward_model"]["examples"] == 12 and found["reward_model"]["minutes"] > 0
    weights = 4 * 33_000  # float32
    assert (
        found["memory_bytes"] - alone["memory_bytes"] == pytest.approx(weights, rel=0.3) and "reward_model" not in alone
    )
    assert main(["estimate", str(pairs), *map(str, options), "samples=4"]) == 0
    said = capsys.readouterr().out.replace("\n", " ")
    assert "Before that a reward model is trained on the 12 pairs, 3 passes" in said
    assert "a reward model of the base's size reads each of them once" in said
    assert main(["estimate", str(tasks), *map(str, options), "grader=reward:nobody"]) == 2
    assert "no registered model 'nobody'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--objective", "dpo"), "this objective needs preferences"),
        (("--objective", "grpo"), "requires a grader"),
        (("--objective", "dpo", "--set", "loss=grpo"), "the loss 'grpo' is not one of dpo"),
        (("--objective", "sft", "--set", "beta=0.2"), "beta is read by"),
        (("--objective", "dpo", "--set", "margin=1"), "margin is read by simpo, reward, not by dpo"),
    ],
)
def test_what_does_not_go_together_is_refused(files, tiny_folder, capsys, arguments, words):
    assert main(["estimate", str(files[1]), "--base", str(tiny_folder), *arguments]) == 2
    assert words in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize("objective", ["dpo", "reward", "ppo"])
def test_it_never_imports_torch(files, tiny_folder, objective):
    code = "import sys; from postgrad.cli import main; main(sys.argv[1:]); sys.exit('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, "estimate", str(files[0]), "--base", str(tiny_folder), "--objective", objective],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("objective", ["reward", "distill, teacher_prompt: t"])
def test_the_main_job_refuses_an_objective_that_does_not_learn_to_answer(
    files, tiny_folder, tmp_path, capsys, objective
):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"training: {{objective: {objective}}}")
    assert (
        main(
            ["run", str(files[0]), "--base", str(tiny_folder), "--recipe", str(recipe), "--out", str(tmp_path / "out")]
        )
        == 2
    )
    assert "does not learn from" in capsys.readouterr().err.replace("\n", " ")


def test_an_environment_needs_neither_a_grader_nor_pairs():
    def never():
        raise AssertionError("the data decide nothing")

    settings = TrainingSection.model_validate({"objective": "grpo", "environment": "mine.py:Lamp"})
    assert not needs_reward_model(settings) and reading_objective(settings, never) == "grpo"
