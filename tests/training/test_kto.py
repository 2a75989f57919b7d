"""Ratings: what is learned of them, by which formula, beside TRL, and that nothing hangs on how it is cut or killed;
and the formulas of the other newer preferences."""

from __future__ import annotations

import math
import os

import pytest
import torch

from postgrad.errors import DataError, Interrupted
from postgrad.models.adapters.lora import attach
from postgrad.models.rendering.ratings import crossed
from postgrad.records import Message, Rating, Source
from postgrad.training.batching import microbatches
from postgrad.training.forward import Forward
from postgrad.training.objectives import make_objective
from postgrad.training.parallel import World
from postgrad.training.trainer import Plan, train
from postgrad.training_run import RunFolder
from tests.needs import dev_package
from tests.training.test_against_trl import _as_trl_learns
from tests.training.test_dpo import PAIRS, begin, ended, plain_logprobs
from tests.training.test_training import gradients, stir
from tests.training.twins import give


def rating(i: int, good: bool | None = None) -> Rating:
    wanted = i % 3 != 0 if good is None else good
    answer = f"Order {i} is on its way." if wanted else "No idea." + " Ask somebody." * (i % 4)
    return Rating(
        prompt=(Message("user", f"Where is order {i}? " + "please " * (i % 4)),),
        completion=(Message("assistant", answer),),
        good=wanted,
        source=Source("r.jsonl", i + 1),
    )


RATINGS = [rating(i) for i in range(24)]


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def total(model, example) -> float:
    return sum(plain_logprobs(model, example))


def test_the_loss_is_the_papers_in_float64(tiny, tmp_path):
    objective = make_objective("kto", tiny.renderer, beta=0.3)
    examples = objective.prepare(RATINGS[:8]).examples
    others = [crossed(a, b, 512) for a, b in zip(examples, [examples[-1], *examples[:-1]], strict=True)]
    before = [(total(tiny, e), total(tiny, o)) for e, o in zip(examples, others, strict=True)]
    layers = attach(tiny.module, rank=4, alpha=8, seed=0)
    forward = Forward(tiny)
    begin(objective, forward, layers, examples, tmp_path)
    stir(layers)
    z = max(0.0, sum(total(tiny, o) - b[1] for o, b in zip(others, before, strict=True)) / 8)
    good = sum(e.good for e in examples)
    lambdas = {True: max(good, 8 - good) / good, False: max(good, 8 - good) / (8 - good)}
    wanted = 0.0
    for example, (was, _) in zip(examples, before, strict=True):
        ahead = total(tiny, example) - was - z
        wanted += lambdas[example.good] * (1 - sigmoid(0.3 * (ahead if example.good else -ahead)))
    assert objective.batch(examples, 1) == list(examples) and objective.moved == pytest.approx(z, abs=1e-3)
    assert objective.loss(forward, examples, 1).item() == pytest.approx(wanted, abs=2e-3)


def test_the_gradient_does_not_depend_on_microbatches(tiny, tmp_path):
    objective = make_objective("kto", tiny.renderer)
    examples = objective.prepare(RATINGS[:8]).examples
    layers = attach(tiny.module, rank=4, alpha=8, seed=0)
    forward = Forward(tiny)
    forward.choose(examples)
    begin(objective, forward, layers, examples, tmp_path)
    stir(layers)
    found = []
    for budget in (1, 200, 10_000):
        tiny.module.zero_grad()
        objective.batch(examples, 1)
        for part in microbatches(examples, budget):
            (objective.loss(forward, part, 1) / 8).backward()
        found.append(gradients(tiny.module))
    assert found[0].norm() > 1e-3
    assert all(torch.allclose(found[0], other, rtol=1e-3, atol=1e-6) for other in found[1:])


def test_both_kinds_count_alike_unless_told(tiny):
    kto = make_objective("kto", tiny.renderer)
    kto.prepare([rating(i, good=i < 12) for i in range(15)])
    assert kto.lambdas == pytest.approx((4.0, 1.0))
    told = make_objective("kto", tiny.renderer, desirable_weight=2.0, undesirable_weight=0.5)
    told.prepare(RATINGS)
    assert told.lambdas == (0.5, 2.0)
    kto.prepare([rating(i, good=True) for i in range(3)])  # validation may be of one kind
    with pytest.raises(DataError, match="All 12 ratings are good"):
        make_objective("kto", tiny.renderer).prepare([rating(i, good=True) for i in range(12)])


def go(tiny, folder, stopped=lambda: False, **changes):
    usual = {"objective": "kto", "rank": 4, "alpha": 8, "epochs": 6, "learning_rate": 5e-3, "beta": 0.5, "patience": 9}
    plan = Plan(**{**usual, "token_budget": 160, **changes})
    return ended(train(tiny, RATINGS[:18], RATINGS[18:], plan, RunFolder(folder), {"data": "x"}, stopped))


@pytest.mark.parametrize("method", ["lora", "full"])
def test_it_learns_what_is_wanted_with_every_method(tiny, tmp_path, method):
    part = go(tiny, tmp_path, method=method, learning_rate=1e-3 if method == "full" else 5e-3).part
    assert part.validation_loss[-1][1] < 0.5 * part.train_loss[0][1]
    chosen, rejected = (part.metrics[f"rewards/{side}"][-1][1] for side in ("chosen", "rejected"))
    assert chosen > rejected + 0.5 and part.metrics["eval_rewards/accuracies"][-1][1] > 0.8


def test_killed_before_and_in_the_training_it_ends_with_the_same_weights(tiny, tmp_path):
    whole = go(tiny, tmp_path / "whole").trained.tensors
    for stops in (1, 3, 12, 30):  # the first of these while the starting model is asked
        asked = iter([False] * stops + [True] * 1000)
        with pytest.raises(Interrupted):
            go(tiny, tmp_path / "parts", lambda asked=asked: next(asked))
    parts = go(tiny, tmp_path / "parts").trained.tensors
    assert all(torch.equal(x, y) for n in whole for x, y in zip(whole[n], parts[n], strict=True))


@pytest.mark.parametrize(
    ("name", "options", "formula"),
    [
        ("cpo", {"beta": 0.3, "cpo_alpha": 0.5}, lambda c, r, n, m, b: -math.log(sigmoid(0.3 * (c - r))) - 0.5 * c / n),
        (
            "dpo",
            {"beta": 0.3, "length_normalised": True},
            lambda c, r, n, m, b: -math.log(sigmoid(0.3 * ((c - b[0]) / n - (r - b[1]) / m))),
        ),
        (
            "dpo",
            {"beta": 0.3, "rpo_alpha": 0.7},
            lambda c, r, n, m, b: -math.log(sigmoid(0.3 * ((c - b[0]) - (r - b[1])))) - 0.7 * c / n,
        ),
    ],
)
def test_other_preferences_are_their_papers(tiny, tmp_path, name, options, formula):
    objective = make_objective(name, tiny.renderer, **options)
    pairs = objective.prepare(PAIRS[:3]).examples
    before = [[total(tiny, s) for s in (p.chosen, p.rejected)] for p in pairs]
    layers = attach(tiny.module, rank=4, alpha=8, seed=0)
    forward = Forward(tiny)
    begin(objective, forward, layers, pairs, tmp_path)
    stir(layers)
    wanted = 0.0
    for pair, was in zip(pairs, before, strict=True):
        c, r = (total(tiny, s) for s in (pair.chosen, pair.rejected))
        wanted += formula(c, r, pair.chosen.supervised, pair.rejected.supervised, was)
    assert objective.loss(forward, pairs).item() == pytest.approx(wanted, abs=3e-3)


def test_one_step_has_trls_loss_and_gradient(tiny, tiny_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    trl = dev_package("trl")
    from dataclasses import replace

    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer

    seen = {}

    class Watched(trl.KTOTrainer):
        def log(self, logs, *rest):
            seen.update({k: float(v) for k, v in logs.items() if isinstance(v, int | float)} if "loss" in logs else {})

    rows = [
        {
            "prompt": [m.to_dict() for m in r.prompt],
            "completion": [m.to_dict() for m in r.completion],
            "label": r.good,
        }
        for r in RATINGS[:8]
    ]
    settings = trl.KTOConfig(
        output_dir=str(tmp_path / "trl"),
        per_device_train_batch_size=8,
        max_steps=1,
        bf16=False,
        logging_steps=1,
        report_to="none",
        save_strategy="no",
        use_cpu=True,
        max_length=512,
        beta=0.5,
        desirable_weight=1.0,
        undesirable_weight=1.5,
        gradient_checkpointing=False,
        max_grad_norm=1e9,
        learning_rate=1e-9,
        disable_tqdm=True,
        **({"train_sampling_strategy": "sequential"} if hasattr(trl.KTOConfig, "train_sampling_strategy") else {}),
    )
    layers = attach(tiny.module, rank=4, alpha=8, seed=0)
    trainer = Watched(
        model=AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32),
        args=settings,
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(tiny_folder),
        peft_config=LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    stir(layers)
    give(trainer.model, layers)
    trainer.train()

    objective = make_objective("kto", tiny.renderer, beta=0.5, desirable_weight=1.0, undesirable_weight=1.5)
    examples = [replace(_as_trl_learns(e), good=e.good) for e in objective.prepare(RATINGS[:8]).examples]
    forward = Forward(tiny)
    forward.choose(examples)
    begin(objective, forward, layers, examples, tmp_path / "run")
    objective.batch(examples, 1)
    value = 0.0
    for part in microbatches(examples, 200):
        loss = objective.loss(forward, part, 1) / len(examples)
        loss.backward()
        value += loss.item()
    norm = torch.cat([p.grad.flatten() for p in tiny.module.parameters() if p.grad is not None]).norm().item()
    figures = objective.tally.taken(World())
    assert seen["loss"] == pytest.approx(value, rel=2e-3), (seen, figures)
    assert seen["grad_norm"] == pytest.approx(norm, rel=3e-3)
    assert os.environ["TRL_EXPERIMENTAL_SILENCE"] == "1"
