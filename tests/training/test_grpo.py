"""Reinforcement: the gradient is the formula's, the reward rises, and a killed run ends with the same weights."""

import json
import math

import pytest
import torch

from postgrad.errors import DataError, Interrupted, TrainingError
from postgrad.models.adapters.lora import attach
from postgrad.models.generation.generate import Decoding, complete
from postgrad.records import Message, Source, Task
from postgrad.training.batching import microbatches
from postgrad.training.forward import Forward, learned
from postgrad.training.methods import Attached
from postgrad.training.objectives import make_objective
from postgrad.training.objectives.base import Start
from postgrad.training.objectives.grpo import advantages
from postgrad.training.parallel import World
from postgrad.training.rewards import Graded
from postgrad.training.sampling import sample
from postgrad.training.trainer import Plan, train
from postgrad.training_run import RunFolder
from tests.training.test_dpo import ended
from tests.training.test_training import gradients, stir

WORDS = ("yes", "no", "maybe", "sofa", "lamp", "order", "status", "table", "chair", "bed", "rug", "desk")
TASKS = [
    Task(prompt=(Message("user", f"Say {w}."),), reference=w, source=Source("t.jsonl", i + 1))
    for i, w in enumerate(
        ["yes", "no", "maybe", "sofa", "lamp", "order", "status", "table", "chair", "bed", "rug", "desk"]
    )
]


def letters(answers):
    """The share of e among the letters."""
    return [Graded(a.count("e") / max(1, len(a))) for _, a in answers]


def started(tiny, folder, stopped=lambda: False, objective="grpo", **options):
    objective = make_objective(
        objective, tiny.renderer, **{"reward": letters, "samples": 4, "answer_tokens": 6, **options}
    )
    layers = attach(tiny.module, rank=4, alpha=8, seed=0)
    stir(layers)
    forward = Forward(tiny)
    prompts = objective.prepare(TASKS).examples
    forward.choose([s for p in prompts for s in objective.sequences(p)])
    start = Start(forward, Attached(lambda: None, layers), World(), RunFolder(folder), {}, 300, 0, stopped)
    ended(objective.begin(start, prompts, prompts[:2]))
    return objective, forward, prompts, layers


def plain(model, attempt, temperature):
    """log p of the answer's tokens by the model's own code, with gradient."""
    logprobs = torch.log_softmax(model.module(torch.tensor([attempt.ids])).logits[0] / temperature, -1)
    return torch.stack([logprobs[t - 1, attempt.ids[t]] for t in learned(attempt)])


@pytest.mark.parametrize(("loss", "beta", "heat"), [("grpo", 0.0, 1.0), ("grpo", 0.2, 0.7), ("dr_grpo", 0.2, 1.0)])
def test_the_gradient_of_a_step_is_that_of_the_formula(tiny, tmp_path, loss, beta, heat):
    objective, forward, prompts, layers = started(tiny, tmp_path, loss=loss, beta=beta, temperature=heat)
    batch = objective.batch(prompts[:3], 1)
    assert len(batch) == 12 and {a.advantage > 0 for a in batch} == {True, False}
    for part in microbatches(batch, 150):
        value = objective.loss(forward, part)
        if value.requires_grad:
            (value / len(batch)).backward()
    ours = gradients(tiny.module)
    tiny.module.zero_grad()
    total = 0.0
    for attempt in batch:
        logps = plain(tiny, attempt, heat)
        for layer in layers.values():
            layer.on = False
        reference = plain(tiny, attempt, heat).detach()
        for layer in layers.values():
            layer.on = True
        away = reference - logps
        ratio = (logps - logps.detach()).exp()
        tokens = -attempt.advantage * logps + beta * ratio * (away.exp() - away - 1)
        total = total + tokens.sum() / (len(tokens) if loss == "grpo" else 6)
    (total / len(batch)).backward()
    theirs = gradients(tiny.module)
    assert ours.norm() > 1e-3 and torch.allclose(ours, theirs, atol=2e-4 * theirs.abs().max().item())


def test_advantages_are_normal_within_the_group():
    assert advantages([1, 1, 1], divide=True) == [0, 0, 0]
    assert advantages([0.0, 1.0, 2.0], divide=False) == [-1, 0, 1]
    found = advantages([0.0, 3.0, 9.0, 2.0], divide=True)
    assert sum(found) == pytest.approx(0) and sum(a * a for a in found) / 3 == pytest.approx(1, abs=1e-3)


def test_what_strays_too_far_is_not_followed(tiny, tmp_path):
    objective, forward, prompts, _ = started(tiny, tmp_path, repeats=2)
    batch = [a for a in objective.batch(prompts[:3], 1) if a.advantage > 0]
    for number, values in objective.old.items():  # as if each token had been half as likely when it was sampled
        objective.old[number] = [v - math.log(2) for v in values]
    objective.loss(forward, batch).backward()
    assert gradients(tiny.module).norm() == 0
    assert objective.tally.taken(World())["clip_ratio"] == 1


def test_the_answers_are_the_models_own_and_hang_on_their_seeds_alone(tiny):
    prompts = [tiny.renderer.prompt_ids(t.prompt) for t in TASKS[:4]]
    seeds = [[10 * i + k for k in range(5)] for i in range(4)]
    found = sample(tiny, prompts, seeds, Decoding(8, 1.0))
    alone = [sample(tiny, [p], [s], Decoding(8, 1.0))[0] for p, s in zip(prompts, seeds, strict=True)]
    assert [[a.ids for a in g] for g in found] == [[a.ids for a in g] for g in alone]
    assert len({a.ids for g in found for a in g}) > 10
    greedy = sample(tiny, prompts, [[0]] * 4, Decoding(8))
    known = dict(complete(tiny, prompts, Decoding(8)))
    assert [tiny.renderer.answer_text(g[0].ids) for g in greedy] == [known[i].text for i in range(4)]
    assert sample(tiny, prompts, seeds, Decoding(8, 1.0), lambda: True) is None


def go(tiny, folder, stopped=lambda: False, reward=letters, **changes):
    plan = Plan(
        **{
            "objective": "grpo",
            "rank": 4,
            "alpha": 8,
            "epochs": 6,
            "batch_size": 4,
            "learning_rate": 1e-2,
            "samples": 8,
            "answer_tokens": 6,
            "token_budget": 400,
            "patience": 99,
            **changes,
        }
    )
    return ended(train(tiny, TASKS[:10], TASKS[10:], plan, RunFolder(folder), {"data": "x"}, stopped, reward=reward))


def test_the_reward_rises(tiny, tmp_path):
    part = go(tiny, tmp_path, epochs=10, learning_rate=3e-2, temperature=0.3).part
    rewards = [value for _, value in part.metrics["reward"]]
    assert sum(rewards[-5:]) / 5 > sum(rewards[:5]) / 5 + 0.2
    assert dict(part.metrics["eval_reward"])[part.best_step] > 0.2
    assert part.validation_loss == [] and "The mean reward on validation went from" in part.in_words
    assert set(part.metrics) >= {"reward_std", "frac_reward_zero_std", "completions/mean_length", "grader_faults"}


def test_equal_rewards_teach_nothing_and_that_is_said(tiny, tmp_path):
    def half(answers):
        return [Graded(1.0, "broken" if n % 2 else "") for n, _ in enumerate(answers)]

    part = go(tiny, tmp_path, reward=half, epochs=2).part
    assert "In 100 % of the groups all answers got the same reward" in part.in_words
    assert "The grading of 50.0 % of the answers failed" in part.in_words
    assert all(loss == 0 for _, loss in part.train_loss)


@pytest.mark.parametrize("repeats", [1, 3])
def test_stopped_anywhere_it_ends_with_the_same_weights(tiny, tmp_path, repeats):
    settings = {"repeats": repeats, "epochs": 3, "beta": 0.1}
    whole = go(tiny, tmp_path / "whole", **settings).trained.tensors
    for stops in (2, 9, 23):
        asked = iter([False] * stops + [True] * 1000)
        with pytest.raises(Interrupted):
            go(tiny, tmp_path / "parts", lambda asked=asked: next(asked), **settings)
        assert json.loads((tmp_path / "parts" / "run.json").read_text())["state"] == "paused"
    parts = go(tiny, tmp_path / "parts", **settings).trained.tensors
    assert all(torch.equal(x, y) for n in whole for x, y in zip(whole[n], parts[n], strict=True))


def test_what_cannot_be_trained_is_refused(tiny, tmp_path):
    with pytest.raises(TrainingError, match="requires a grader"):
        make_objective("grpo", tiny.renderer)
    with pytest.raises(TrainingError, match="full fine-tuning overwrites"):
        go(tiny, tmp_path / "a", method="full", beta=0.1)
    with pytest.raises(TrainingError, match="no finite number"):
        go(tiny, tmp_path / "b", reward=lambda answers: [Graded(math.nan)] * len(answers))
    with pytest.raises(TrainingError, match=r"failed on all of the first 32 answers: NameError\."):
        go(tiny, tmp_path / "c", reward=lambda answers: [Graded(0.0, "NameError")] * len(answers))
    with pytest.raises(DataError, match=r"2 of 2 prompts(.|\n)*t\.jsonl:2"):
        make_objective("grpo", tiny.renderer, reward=letters, max_length=20, answer_tokens=19).prepare(TASKS[:2])
    cut = make_objective(
        "grpo", tiny.renderer, reward=letters, max_length=30, answer_tokens=5, too_long="truncate_prompt"
    )
    long = Task(prompt=(Message("user", "word " * 60),), source=Source("t.jsonl", 1))
    (prompt,) = cut.prepare([long]).examples
    assert len(prompt.ids) <= 25 and prompt.truncated > 100
