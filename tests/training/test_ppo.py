"""PPO: loss and gradient of a step are the formula's, the reward rises, the value head learns and is not delivered, and
a killed run ends with the same weights."""

import random

import pytest
import torch

from postgrad.errors import Interrupted, PostgradError, TrainingError
from postgrad.models.adapters.lora import Adapter, attach
from postgrad.models.adapters.scalar_head import SCORE, scalar_head
from postgrad.recipe import make_recipe
from postgrad.training.advantages import generalised_advantages, whitened
from postgrad.training.batching import microbatches
from postgrad.training.forward import Forward, learned
from postgrad.training.methods import Attached
from postgrad.training.objectives import make_objective
from postgrad.training.objectives.base import Start
from postgrad.training.parallel import World
from postgrad.training.rewards import Graded
from postgrad.training.weights import checkpoints
from postgrad.training_run import RunFolder
from tests.training.test_dpo import ended
from tests.training.test_grpo import TASKS, go, letters, plain
from tests.training.test_training import gradients, stir

PPO = {"objective": "ppo", "samples": 4, "repeats": 4}


def test_advantages_are_the_sum_over_what_was_not_expected():
    draw = random.Random(3)
    rewards, values = ([draw.gauss(0, 1) for _ in range(9)] for _ in range(2))
    found = generalised_advantages(rewards, values, 0.9, 0.7)
    after = [*values[1:], 0.0]
    deltas = [r + 0.9 * n - v for r, n, v in zip(rewards, after, values, strict=True)]
    assert found == pytest.approx([sum((0.9 * 0.7) ** (k - t) * deltas[k] for k in range(t, 9)) for t in range(9)])
    to_the_end = generalised_advantages(rewards, values, 1.0, 1.0)
    assert to_the_end == pytest.approx([sum(rewards[t:]) - values[t] for t in range(9)])
    assert generalised_advantages(rewards, values, 1.0, 0.0) == pytest.approx(
        [r + n - v for r, n, v in zip(rewards, after, values, strict=True)]
    )


def test_whitened_is_mean_0_and_variance_1():
    found = torch.tensor(whitened([1.0, 5.0, -3.0, 2.0]), dtype=torch.float64)
    assert found.mean().item() == pytest.approx(0, abs=1e-12) and found.var().item() == pytest.approx(1, abs=1e-6)
    assert whitened([7.0]) == [7.0] and whitened([2.0, 2.0]) == [0.0, 0.0]


def started(tiny, folder, layers, **options):
    objective = make_objective("ppo", tiny.renderer, **{"reward": letters, "samples": 4, "answer_tokens": 6, **options})
    stir(layers)
    forward = Forward(tiny)
    prompts = objective.prepare(TASKS).examples
    forward.choose([s for p in prompts for s in objective.sequences(p)])
    start = Start(forward, Attached(lambda: None, layers), World(), RunFolder(folder), {}, 300, 0, lambda: False)
    ended(objective.begin(start, prompts, prompts[:2]))
    return objective, forward, prompts


@pytest.mark.parametrize(("beta", "heat", "value_weight"), [(0.05, 1.0, 0.1), (0.4, 0.7, 0.5), (0.0, 1.0, 0.1)])
def test_loss_and_gradient_of_a_step_are_the_formulas(tiny, tmp_path, beta, heat, value_weight):
    """As TRL wrote it down (its PPOTrainer up to 0.29), over padded matrices, in float64."""
    options = {"beta": beta, "temperature": heat, "value_weight": value_weight, "gae_lambda": 0.9, "discount": 0.98}
    drawn = torch.Generator().manual_seed(1)
    layers = attach(tiny.module, rank=4, alpha=8, seed=0)
    with scalar_head(tiny.module, torch.randn(32, generator=drawn) / 5) as head:
        objective, forward, prompts = started(tiny, tmp_path, layers, **options)
        batch = objective.batch(prompts[:3], 1)
        assert len(batch) == 12
        with torch.no_grad():  # as if steps had moved weights and head since the answers were sampled
            head.weight.add_(torch.randn(1, 32, generator=drawn) / 10)
            for layer in layers.values():
                layer.lora_B.add_(torch.randn(layer.lora_B.shape, generator=drawn) * 0.05)
        count = sum(a.supervised for a in batch)
        assert sum(map(objective.weight, batch)) == count
        total = 0.0
        for part in microbatches(batch, 150):
            value = objective.loss(forward, part) / count
            value.backward()
            total += value.item()
        ours, own = gradients(tiny.module), head.weight.grad.clone()
        figures = objective.tally.taken(World())
        tiny.module.zero_grad()
        loss, clipped = theirs(tiny, objective, batch, layers, head, options)
        loss.backward()
        assert total == pytest.approx(loss.item(), abs=1e-5)
        assert figures["clip_ratio"] == pytest.approx(clipped, abs=1e-6) and 0 < clipped < 1
        wanted = gradients(tiny.module)
        assert ours.norm() > 1e-3 and torch.allclose(ours, wanted, atol=1e-3 * wanted.abs().max().item())
        assert own.norm() > 1e-4 and torch.allclose(own, head.weight.grad, atol=1e-3 * own.abs().max().item())


def theirs(tiny, objective, batch, layers, head, options):
    """(loss with gradient, share of the ratios clipped), from the weights as they are and what was sampled."""
    rows, width = len(batch), max(a.supervised for a in batch)
    shape = (rows, width)
    mask = torch.zeros(shape, dtype=torch.float64)
    now, start, values = (torch.zeros(shape, dtype=torch.float64) for _ in range(3))
    old, said, rewards = (torch.zeros(shape, dtype=torch.float64) for _ in range(3))
    texts = [tiny.renderer.answer_text(a.ids[-a.supervised :]) for a in batch]
    graded = [g.reward for g in letters([(None, text) for text in texts])]
    for i, a in enumerate(batch):
        n = a.supervised
        mask[i, :n] = 1
        now[i, :n] = plain(tiny, a, options["temperature"]).double()
        hidden = tiny.body(input_ids=torch.tensor([a.ids]), use_cache=False)[0][0]
        values[i, :n] = head(hidden[[t - 1 for t in learned(a)]])[:, 0].double()
        for layer in layers.values():
            layer.on = False
        with torch.no_grad():
            start[i, :n] = plain(tiny, a, options["temperature"]).double()
        for layer in layers.values():
            layer.on = True
        old[i, :n] = torch.tensor(objective.old[a.number])
        said[i, :n] = torch.tensor(objective.values[a.number])
        rewards[i, :n] = -options["beta"] * (old[i, :n] - start[i, :n])
        rewards[i, n - 1] += graded[i]
    ahead, last = torch.zeros(shape, dtype=torch.float64), torch.zeros(rows, dtype=torch.float64)
    for t in reversed(range(width)):
        following = said[:, t + 1] if t + 1 < width else torch.zeros(rows, dtype=torch.float64)
        delta = rewards[:, t] + options["discount"] * following - said[:, t]
        last = (delta + options["discount"] * options["gae_lambda"] * last) * mask[:, t]
        ahead[:, t] = last
    returns = ahead + said
    kept = ahead[mask.bool()]
    white = (ahead - kept.mean()) * torch.rsqrt(kept.var() + 1e-8)
    near = torch.clamp(values, said - 0.2, said + 0.2)
    squares = torch.max((values - returns) ** 2, (near - returns) ** 2)
    ratio = (now - old).exp()
    followed = torch.clamp(ratio, 0.8, 1.2)
    policy = torch.max(-white * ratio, -white * followed)
    loss = (policy * mask).sum() / mask.sum() + options["value_weight"] * 0.5 * (squares * mask).sum() / mask.sum()
    clipped = ((ratio != followed) * mask).sum() / mask.sum()
    return loss, clipped.item()


def test_the_reward_rises_and_the_value_head_learns(tiny, tmp_path):
    part = go(tiny, tmp_path, **PPO, epochs=20, learning_rate=2e-2, temperature=0.3, beta=0.0).part
    rewards = [value for _, value in part.metrics["reward"]]
    assert sum(rewards[-5:]) / 5 > sum(rewards[:5]) / 5 + 0.2
    assert dict(part.metrics["eval_reward"])[part.best_step] > 0.2
    assert "The mean reward on validation went from" in part.in_words and "groups" not in part.in_words
    losses = [value for _, value in part.metrics["value_loss"]]
    assert "frac_reward_zero_std" not in part.metrics and min(losses[-8:]) < max(losses[:8])


def test_the_value_head_is_in_the_checkpoint_and_not_in_what_is_delivered(tiny, tmp_path):
    found = go(tiny, tmp_path, **PPO, epochs=1)
    assert isinstance(found.trained, Adapter) and not hasattr(tiny.module, SCORE)
    kept, _ = checkpoints.newest(RunFolder(tmp_path).checkpoints)
    assert kept.tensors[f"weight/{SCORE}.weight"].norm() > 0 and f"exp_avg/{SCORE}.weight" in kept.tensors


@pytest.mark.parametrize("settings", [{}, {"repeats": 1}, {"samples": 1, "mask_truncated": True}, {"method": "full"}])
def test_stopped_anywhere_it_ends_with_the_same_weights(tiny, tmp_path, settings):
    settings = {**PPO, "repeats": 3, "epochs": 2, "beta": 0.0 if "method" in settings else 0.1, **settings}
    whole = go(tiny, tmp_path / "whole", **settings).trained
    steps = tmp_path / "parts" / "steps.jsonl"
    for upto in (1, 2, 4):  # between two batches, and between two steps with the same answers

        def reached(upto=upto):
            return steps.exists() and len(steps.read_text().splitlines()) >= upto

        with pytest.raises(Interrupted):
            go(tiny, tmp_path / "parts", reached, **settings)
        assert checkpoints.steps(RunFolder(tmp_path / "parts").checkpoints)[-1] == upto
    with pytest.raises(Interrupted):  # while answers are sampled
        asked = iter([False] * 3 + [True] * 1000)
        go(tiny, tmp_path / "parts", lambda: next(asked), **settings)
    parts = go(tiny, tmp_path / "parts", **settings).trained
    assert whole.tensors.keys() == parts.tensors.keys()
    assert all(_equal(whole.tensors[n], parts.tensors[n]) for n in whole.tensors)
    heads = [checkpoints.newest(RunFolder(tmp_path / f).checkpoints)[0].tensors for f in ("whole", "parts")]
    assert all(torch.equal(heads[0][n], heads[1][n]) for n in heads[0] if SCORE in n)


def _equal(one, other):
    pairs = zip(one, other, strict=True) if isinstance(one, tuple) else [(one, other)]
    return all(torch.equal(a, b) for a, b in pairs)


def test_equal_rewards_teach_the_value_head_alone(tiny, tmp_path):
    part = go(tiny, tmp_path, reward=lambda answers: [Graded(1.0)] * len(answers), **PPO, epochs=2, beta=0.0).part
    assert "taught nothing" not in part.in_words
    assert part.metrics["value_loss"][-1][1] < part.metrics["value_loss"][0][1]


def test_what_cannot_be_trained_is_refused(tiny, tmp_path):
    with pytest.raises(TrainingError, match="requires a grader"):
        make_objective("ppo", tiny.renderer)
    with pytest.raises(TrainingError, match="full fine-tuning overwrites"):
        go(tiny, tmp_path / "a", **PPO, method="full", beta=0.1)
    with pytest.raises(PostgradError, match="gae_lambda"):
        make_recipe({"training": {"objective": "ppo", "grader": "exact_match", "gae_lambda": 1.5}})
