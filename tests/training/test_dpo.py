"""Preferences: what is learned of them, by which formula, and that nothing hangs on how it is cut, killed or
resumed."""

import json
import math

import pytest
import torch

from postgrad.errors import DataError, Interrupted
from postgrad.models.adapters.lora import attach
from postgrad.models.rendering.pairs import render_pair
from postgrad.records import Message, Preference, Source
from postgrad.training.batching import microbatches
from postgrad.training.forward import Forward, learned
from postgrad.training.methods import Attached
from postgrad.training.objectives import make_objective
from postgrad.training.objectives.base import Start
from postgrad.training.parallel import World
from postgrad.training.sequences import rows, token_logprobs
from postgrad.training.trainer import Plan, train
from postgrad.training_run import RunFolder
from tests.training.test_training import WAYS, gradients, stir


def preference(i, **changes):
    values = {
        "prompt": (Message("user", f"Where is order {i}? " + "please " * (i % 4)),),
        "chosen": (Message("assistant", f"Order {i} is on its way."),),
        "rejected": (Message("assistant", "No idea." + " Ask somebody." * (i % 3)),),
        "source": Source("p.jsonl", i + 1),
        **changes,
    }
    return Preference(**values)


PAIRS = [preference(i) for i in range(24)]


def ended(work):
    while True:
        try:
            next(work)
        except StopIteration as done:
            return done.value


def begin(objective, forward, layers, pairs, folder, stopped=lambda: False):
    attached = Attached(lambda: None, layers)
    start = Start(forward, attached, World(), RunFolder(folder), {"data": "x"}, 200, 0, stopped)
    ended(objective.begin(start, pairs, []))


@pytest.fixture
def pairs(tiny):
    return make_objective("dpo", tiny.renderer).prepare(PAIRS).examples


def plain_logprobs(model, example):
    logprobs = torch.log_softmax(model.module(torch.tensor([example.ids])).logits[0].double(), -1)
    return [logprobs[t - 1, example.ids[t]].item() for t in learned(example)]


@pytest.mark.parametrize("way", WAYS)
def test_log_probabilities_are_the_models_however_prompts_are_shared(tiny, pairs, way):
    stir(attach(tiny.module, rank=4, alpha=8, seed=0))
    forward = Forward(tiny)
    forward.way = way
    sides = [s for p in pairs[:5] for s in (p.chosen, p.rejected)]
    found = token_logprobs(forward, sides)
    for side, logps in zip(sides, found, strict=True):
        assert logps.tolist() == pytest.approx(plain_logprobs(tiny, side), abs=2e-4)
    assert len(rows(sides)) == 5, "each prompt once"


@pytest.mark.parametrize(
    ("loss", "formula"),
    [
        ("sigmoid", lambda d: -math.log(1 / (1 + math.exp(-0.3 * d)))),
        ("hinge", lambda d: max(0.0, 1 - 0.3 * d)),
        ("robust", lambda d: (0.9 * math.log1p(math.exp(-0.3 * d)) - 0.1 * math.log1p(math.exp(0.3 * d))) / 0.8),
    ],
)
def test_the_loss_is_the_papers(tiny, pairs, tmp_path, loss, formula):
    objective = make_objective("dpo", tiny.renderer, loss=loss, beta=0.3)
    before = [[sum(plain_logprobs(tiny, s)) for s in (p.chosen, p.rejected)] for p in pairs[:3]]
    layers = attach(tiny.module, rank=4, alpha=8, seed=0)
    forward = Forward(tiny)
    begin(objective, forward, layers, pairs[:3], tmp_path)
    assert objective.loss(forward, pairs[:3]).item() / 3 == pytest.approx(formula(0.0), abs=1e-4), (
        "B is zero: no margin"
    )
    stir(layers)
    expected = 0.0
    for pair, (chosen, rejected) in zip(pairs[:3], before, strict=True):
        now = [sum(plain_logprobs(tiny, s)) for s in (pair.chosen, pair.rejected)]
        expected += formula((now[0] - chosen) - (now[1] - rejected))
    assert objective.loss(forward, pairs[:3]).item() == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("loss", ["sigmoid", "ipo", "hinge"])
def test_the_gradient_does_not_depend_on_microbatches(tiny, pairs, tmp_path, loss):
    objective = make_objective("dpo", tiny.renderer, loss=loss)
    layers = attach(tiny.module, rank=4, alpha=8, seed=0)
    forward = Forward(tiny)
    forward.choose([s for p in pairs for s in objective.sequences(p)])
    begin(objective, forward, layers, pairs[:8], tmp_path)
    stir(layers)
    found = []
    for budget in (1, 200, 10_000):
        tiny.module.zero_grad()
        for part in microbatches(pairs[:8], budget):
            (objective.loss(forward, part) / 8).backward()
        found.append(gradients(tiny.module))
    assert found[0].norm() > 1e-3
    for other in found[1:]:
        assert torch.allclose(found[0], other, atol=1e-4 * found[0].abs().max().item())


def test_only_the_answers_after_the_prompt_are_learned_and_tools_are_shown(tiny):
    prompt = (Message("user", "Hi"), Message("assistant", "Hello"), Message("user", "Where is it?"))
    tool = {"type": "function", "function": {"name": "find", "description": "finds", "parameters": {"type": "object"}}}
    call = {"id": "c", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    record = preference(1, prompt=prompt, chosen=(Message("assistant", "", tool_calls=(call,)),), tools=(tool,))
    pair = render_pair(tiny.renderer, record)
    assert "Hello" not in tiny.renderer.decode([pair.chosen.ids[t] for t in learned(pair.chosen)])
    assert "find" in tiny.renderer.decode([pair.chosen.ids[t] for t in learned(pair.chosen)])
    assert "finds" in tiny.renderer.decode(pair.rejected.ids)
    first = learned(pair.chosen)[0]
    assert pair.chosen.ids[:first] == pair.rejected.ids[:first]


def test_a_prompt_too_long_is_cut_alike_on_both_sides_and_answers_never(tiny):
    record = preference(
        1, prompt=(Message("user", "word " * 80 + "end"),), rejected=(Message("assistant", "no " * 20),)
    )
    with pytest.raises(DataError, match=r"p\.jsonl:2"):
        render_pair(tiny.renderer, record, 100)
    assert render_pair(tiny.renderer, record, 100, "drop") is None
    pair = render_pair(tiny.renderer, record, 100, "truncate_prompt")
    first = learned(pair.chosen)[0]
    assert pair.chosen.ids[:first] == pair.rejected.ids[:first] and pair.truncated > 0
    assert max(len(pair.chosen.ids), len(pair.rejected.ids)) <= 100
    assert "no " * 20 in tiny.renderer.decode(pair.rejected.ids)


def test_useless_pairs_are_all_named(tiny):
    bad = [preference(2, rejected=preference(2).chosen), preference(7, chosen=(Message("assistant", "x", 0.0),))]
    with pytest.raises(DataError) as caught:
        make_objective("dpo", tiny.renderer).prepare([*PAIRS[:2], *bad])
    assert "p.jsonl:3" in str(caught.value) and "p.jsonl:8" in str(caught.value)


def go(tiny, folder, stopped=lambda: False, **changes):
    plan = Plan(
        **{
            "objective": "dpo",
            "rank": 4,
            "alpha": 8,
            "epochs": 3,
            "learning_rate": 5e-3,
            "beta": 0.5,
            "token_budget": 160,
            "patience": 9,
            **changes,
        }
    )
    return ended(train(tiny, PAIRS[:18], PAIRS[18:], plan, RunFolder(folder), {"data": "x"}, stopped))


@pytest.mark.parametrize("method", ["lora", "qlora", "dora", "full"])
def test_it_learns_to_prefer_with_every_method(tiny, tmp_path, method):
    part = go(tiny, tmp_path, method=method, learning_rate=1e-3 if method == "full" else 5e-3).part
    assert part.train_loss[0][1] == pytest.approx(math.log(2), abs=1e-3)
    assert part.validation_loss[-1][1] < 0.4
    assert part.metrics["eval_rewards/accuracies"][-1][1] == 1.0 and part.metrics["eval_rewards/margins"][-1][1] > 1
    assert "100.0 % of the pairs" in part.in_words and part.settings["computed"] != "padded"


def test_killed_before_and_in_the_training_it_ends_with_the_same_weights(tiny, tmp_path):
    whole = go(tiny, tmp_path / "whole").trained.tensors
    for stops in (1, 3, 12, 30):  # the first of these while the starting model is asked
        asked = iter([False] * stops + [True] * 1000)
        with pytest.raises(Interrupted):
            go(tiny, tmp_path / "parts", lambda asked=asked: next(asked))
        assert json.loads((tmp_path / "parts" / "run.json").read_text())["state"] == "paused"
    with (tmp_path / "parts" / "reference.jsonl").open("a") as file:
        file.write("[3, -1.")  # a torn line
    parts = go(tiny, tmp_path / "parts").trained.tensors
    assert all(torch.equal(x, y) for n in whole for x, y in zip(whole[n], parts[n], strict=True))


def test_what_was_kept_of_another_training_is_not_taken(tiny, tmp_path):
    objective = make_objective("dpo", tiny.renderer)
    pairs = objective.prepare(PAIRS[:4]).examples
    layers = attach(tiny.module, rank=4, alpha=8, seed=0)
    (tmp_path / "reference.jsonl").write_text('{"of": "sha256:other"}\n[0, 1.0, 2.0]\n')
    begin(objective, Forward(tiny), layers, pairs, tmp_path)
    assert all(value < 0 for values in objective.reference.values() for value in values)


@pytest.mark.parametrize(
    ("name", "options", "formula"),
    [
        (
            "orpo",
            {"beta": 0.3},
            lambda c, r: (
                -c
                - 0.3 * math.log(1 / (1 + math.exp(-(c - math.log(1 - math.exp(c)) - r + math.log(1 - math.exp(r))))))
            ),
        ),
        ("simpo", {"beta": 1.5, "margin": 0.4}, lambda c, r: math.log1p(math.exp(-(1.5 * (c - r) - 0.4)))),
    ],
)
def test_objectives_without_reference_are_their_papers_and_learn(tiny, pairs, tmp_path, name, options, formula):
    objective = make_objective(name, tiny.renderer, **options)
    expected = 0.0
    for pair in pairs[:3]:
        means = [plain_logprobs(tiny, side) for side in (pair.chosen, pair.rejected)]
        expected += formula(*(sum(m) / len(m) for m in means))
    assert objective.loss(Forward(tiny), pairs[:3]).item() == pytest.approx(expected, abs=1e-3)
    part = go(tiny, tmp_path, objective=name, **options).part
    assert part.metrics["eval_rewards/accuracies"][-1][1] == 1.0 and not (tmp_path / "reference.jsonl").exists()
