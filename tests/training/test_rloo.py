"""Leaving one out: the gradient is the formula's, and a killed run ends with the same weights."""

import pytest
import torch

from postgrad.errors import Interrupted, PostgradError
from postgrad.recipe import make_recipe
from postgrad.training.batching import microbatches
from postgrad.training.objectives.rloo import above_the_others
from tests.training.test_grpo import go, letters, plain, started
from tests.training.test_training import gradients


def test_each_answer_is_held_against_the_others():
    assert above_the_others([0.0, 1.0, 5.0]) == [-3.0, -1.5, 4.5]
    assert above_the_others([2.0, 2.0]) == [0.0, 0.0]


@pytest.mark.parametrize(("beta", "heat"), [(0.0, 1.0), (0.3, 0.7)])
def test_the_gradient_of_a_step_is_that_of_the_formula(tiny, tmp_path, beta, heat):
    objective, forward, prompts, layers = started(tiny, tmp_path, objective="rloo", beta=beta, temperature=heat)
    batch = objective.batch(prompts[:3], 1)
    assert len(batch) == 12
    for part in microbatches(batch, 150):
        value = objective.loss(forward, part)
        if value.requires_grad:
            (value / len(batch)).backward()
    ours = gradients(tiny.module)
    tiny.module.zero_grad()
    now, start = [plain(tiny, a, heat).double() for a in batch], []
    for layer in layers.values():
        layer.on = False
    start = [plain(tiny, a, heat).detach().double() for a in batch]
    for layer in layers.values():
        layer.on = True
    texts = [tiny.renderer.answer_text(a.ids[-a.supervised :]) for a in batch]
    graded = [g.reward for g in letters([(None, text) for text in texts])]
    worth = [r - beta * (n.sum() - s.sum()).item() for r, n, s in zip(graded, now, start, strict=True)]
    total = 0.0
    for i, logps in enumerate(now):
        group = worth[i // 4 * 4 : i // 4 * 4 + 4]
        advantage = worth[i] - (sum(group) - worth[i]) / 3
        assert batch[i].advantage == pytest.approx(advantage, abs=2e-4)
        total = total - advantage * logps.sum()
    (total / len(batch)).backward()
    theirs = gradients(tiny.module)
    assert ours.norm() > 1e-3 and torch.allclose(ours, theirs, atol=3e-4 * theirs.abs().max().item())


@pytest.mark.parametrize("settings", [{"repeats": 1}, {"repeats": 3}, {"repeats": 2, "mask_truncated": True}])
def test_stopped_anywhere_it_ends_with_the_same_weights(tiny, tmp_path, settings):
    settings = {"objective": "rloo", "epochs": 3, "beta": 0.1, **settings}
    whole = go(tiny, tmp_path / "whole", **settings).trained.tensors
    for stops in (2, 9, 23):
        asked = iter([False] * stops + [True] * 1000)
        with pytest.raises(Interrupted):
            go(tiny, tmp_path / "parts", lambda asked=asked: next(asked), **settings)
    parts = go(tiny, tmp_path / "parts", **settings).trained.tensors
    assert all(torch.equal(x, y) for n in whole for x, y in zip(whole[n], parts[n], strict=True))


def test_the_reward_rises(tiny, tmp_path):
    part = go(tiny, tmp_path, objective="rloo", epochs=10, learning_rate=3e-2, temperature=0.3, beta=0.0).part
    rewards = [value for _, value in part.metrics["reward"]]
    assert sum(rewards[-5:]) / 5 > sum(rewards[:5]) / 5 + 0.2


@pytest.mark.parametrize("masked", [True, False])
def test_answers_that_were_cut_off_can_be_left_out(tiny, tmp_path, masked):
    objective, forward, prompts, _ = started(tiny, tmp_path, answer_tokens=2, mask_truncated=masked)
    cut = [a for a in objective.batch(prompts[:3], 1) if not a.finished]
    assert cut and any(objective.loss(forward, [a]).requires_grad for a in cut) is not masked


def test_a_ratio_of_the_whole_answer_goes_with_the_mean_over_its_tokens():
    wanted = {"objective": "grpo", "grader": "exact_match", "ratio_level": "sequence"}
    make_recipe({"training": wanted})
    with pytest.raises(PostgradError, match="goes with loss grpo"):
        make_recipe({"training": {**wanted, "loss": "dr_grpo"}})
