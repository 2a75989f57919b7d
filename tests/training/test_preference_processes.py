"""`postgrad train` on preferences and rewards: the command from file to model, and two processes that train as one."""

import json
import os

import pytest

from tests.forked import python
from tests.training.test_processes import environment

COMMON = ["--set", "rank=4", "--set", "alpha=8", "--set", "patience=50", "--set", "token_budget=200"]
VERBS = ("Describe", "Sell", "Repair", "Forget")
THINGS = ("a green sofa with three legs", "our oldest customer", "that broken lamp from Tuesday")
PLACES = ("under water", "for the annual report of nobody", "while it rains in Oslo")
ACCEPT = "near_duplicates,contradictions,balance,too_little,cut_off,structure"


@pytest.fixture
def files(tmp_path):
    pairs, tasks, grader = tmp_path / "pairs.jsonl", tmp_path / "tasks.jsonl", tmp_path / "grader.json"
    pairs.write_text(
        "\n".join(
            json.dumps(
                {
                    "prompt": f"Where is order {i}? " + "please " * (i % 5),
                    "chosen": f"Order {i} is late.",
                    "rejected": "No idea." + " None." * (i % 3),
                }
            )
            for i in range(24)
        )
    )
    asked = [f"{verb} {thing} {place}." for verb in VERBS for thing in THINGS for place in PLACES][::2]
    tasks.write_text(
        "\n".join(json.dumps({"messages": [{"role": "user", "content": text}], "letter": "e"}) for text in asked)
    )
    grader.write_text(
        json.dumps(
            {
                "type": "string_check",
                "name": "g",
                "input": "{{sample.output_text}}",
                "reference": "{{item.letter}}",
                "operation": "like",
            }
        )
    )
    baked = [tasks, "--set", "teacher_prompt=Order 5 is late. Say no.", "--set", "answer_tokens=6", "--set", "epochs=2"]
    return {
        "distill": baked,
        "distill on policy": [*baked, "--set", "mode=on_policy", "--set", "samples=2"],
        "dpo": [pairs, "--set", "epochs=4", "--set", "learning_rate=5e-3"],
        "grpo": [
            tasks,
            "--set",
            f"grader={grader}",
            "--set",
            "answer_tokens=6",
            "--set",
            "samples=4",
            "--set",
            "epochs=1",
        ],
    }


def trained(files, tiny_folder, tmp_path, objective, processes=1):
    run = tmp_path / f"{objective.split()[0]}{processes}"
    command = [
        "-m",
        "postgrad",
        "train",
        *map(str, files[objective]),
        "--objective",
        objective.split()[0],
        "--base",
        str(tiny_folder),
        "--folder",
        str(run),
        "--name",
        objective.split()[0],
        "--json",
        "--accept",
        ACCEPT,
        *COMMON,
    ]
    if processes > 1:
        port = 29900 + os.getpid() % 90
        command = ["-m", "torch.distributed.run", f"--nproc-per-node={processes}", f"--master-port={port}", *command]
    done = python(*command, env=environment(tmp_path / f"home{processes}"))
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return lines[:-1], lines[-1]["training"]


@pytest.mark.parametrize("objective", ["dpo", "grpo", "distill", "distill on policy"])
def test_two_processes_train_as_one(files, tiny_folder, tmp_path, objective):
    alone, part = trained(files, tiny_folder, tmp_path, objective)
    both, _ = trained(files, tiny_folder, tmp_path, objective, 2)
    assert len(alone) == len(both)
    assert [s["loss"] for s in alone] == pytest.approx([s["loss"] for s in both], rel=1e-3, abs=1e-5)
    for one, other in zip(alone, both, strict=True):
        assert one["metrics"] == pytest.approx(other["metrics"], rel=1e-3, abs=1e-4)
    if objective == "dpo":
        assert part["metrics"]["eval_rewards/accuracies"][-1][1] == 1.0 and "of the pairs" in part["in_words"]
    elif objective.startswith("distill"):
        assert "nats a token" in part["in_words"] and part["metrics"]["eval_agreement"]
    else:
        assert "The mean reward on validation went from" in part["in_words"] and part["metrics"]["eval_reward"]
