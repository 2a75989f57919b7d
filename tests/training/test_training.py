"""The promises of the training loop: exact loss, no effect of batching, killed and resumed equals uninterrupted."""

import json
import math
import shutil

import pytest
import torch

from postgrad.errors import DataError, Interrupted, TrainingError
from postgrad.models.adapters.lora import attach, detach, taken
from postgrad.records import Conversation, Message, Source, pair
from postgrad.training.batching import global_batch, microbatches, steps_of
from postgrad.training.forward import Forward
from postgrad.training.loop import COOLING, Settings, Trainer
from postgrad.training.objectives import make_objective
from postgrad.training.optimizers import Optimizer
from postgrad.training.trainer import Plan, train
from postgrad.training.weights import checkpoints
from postgrad.training_run import RunFolder
from tests.needs import SMALL_MOUNT

WAYS = ("fused", "packed", "padded")
RECORDS = [
    pair(
        f"Where is order {i}? " + "please " * (i % 5),
        f'{{"intent":"{"damaged" if i % 2 else "status"}","order":{i}}}',
        source=Source("t.csv", i + 1),
    )
    for i in range(24)
]


@pytest.fixture
def objective(tiny):
    return make_objective("sft", tiny.renderer)


def start(tiny, objective, folder, **changes):
    settings = Settings(
        **{
            "total_steps": 8,
            "batch_size": 4,
            "learning_rate": 5e-3,
            "validate_every": 2,
            "token_budget": 160,
            **changes,
        }
    )
    layers = attach(tiny.module, rank=4, alpha=8, seed=0)
    examples = objective.prepare(RECORDS).examples
    forward = Forward(tiny)
    forward.choose(examples)
    return layers, Trainer(forward, objective, examples[:18], examples[18:], settings, RunFolder(folder), {"data": "x"})


def weights(layers):
    return taken(layers, 8).tensors


def same(a, b):
    return all(torch.equal(x, y) for n in a for x, y in zip(a[n], b[n], strict=True))


def test_loss_is_the_plain_cross_entropy_in_float64(tiny, objective):
    examples = objective.prepare(RECORDS).examples[:5]
    loss = objective.loss(Forward(tiny), examples).item()
    expected = 0.0
    for e in examples:
        logprobs = torch.log_softmax(tiny.module(torch.tensor([e.ids])).logits[0].double(), -1)
        expected -= sum(w * logprobs[t - 1, e.ids[t]].item() for t, w in enumerate(e.weights) if w)
    assert loss == pytest.approx(expected, rel=1e-5)


def stir(layers):
    """Adapters that change something: B is zero in the beginning."""
    with torch.no_grad():
        for layer in layers.values():
            layer.lora_B.normal_(0, 0.1, generator=torch.Generator().manual_seed(1))


def gradients(module):
    return torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None])


@pytest.mark.parametrize("way", WAYS)
def test_gradient_does_not_depend_on_microbatches(tiny, objective, way):
    """Eight of one, one of eight, and what lies between: the same sum."""
    examples = objective.prepare(RECORDS).examples[:8]
    stir(attach(tiny.module, rank=4, alpha=8, seed=0))
    forward = Forward(tiny)
    forward.way = way
    found = []
    for budget in (1, 200, 10_000):
        tiny.module.zero_grad()
        for part in microbatches(examples, budget):
            (objective.loss(forward, part) / sum(objective.weight(e) for e in examples)).backward()
        found.append(gradients(tiny.module))
    assert torch.allclose(found[0], found[1], atol=1e-6) and torch.allclose(found[0], found[2], atol=1e-6)
    assert found[0].norm() > 1e-3


def test_lora_gradient_is_autograds(tiny, objective):
    """Our hand-written backward against the same product written plainly."""
    examples = objective.prepare(RECORDS).examples[:3]
    layers = attach(tiny.module, rank=4, alpha=8, seed=0)
    stir(layers)
    forward = Forward(tiny)
    objective.loss(forward, examples).backward()
    ours = {n: (m.lora_A.grad.clone(), m.lora_B.grad.clone()) for n, m in layers.items()}
    tiny.module.zero_grad()
    for layer in layers.values():
        layer.forward = lambda x, m=layer: m.base(x) + m.scale * (x @ m.lora_A.t()) @ m.lora_B.t()
    objective.loss(forward, examples).backward()
    for name, layer in layers.items():
        assert torch.allclose(ours[name][0], layer.lora_A.grad, atol=1e-4, rtol=1e-4)
        assert torch.allclose(ours[name][1], layer.lora_B.grad, atol=1e-4, rtol=1e-4)


def test_training_learns_and_validation_is_the_mean_over_tokens(tiny, objective, tmp_path):
    _, trainer = start(tiny, objective, tmp_path)
    before = trainer.validation_loss()
    held = trainer.validation
    alone = sum(objective.loss(trainer.forward, [e]).item() for e in held) / sum(objective.weight(e) for e in held)
    assert before == pytest.approx(alone, rel=1e-5)
    steps = list(trainer.run())
    assert [s.step for s in steps] == list(range(1, 9))
    assert trainer.progress.best_loss < before - 0.2
    assert any(s.best for s in steps)


def test_same_seed_same_weights(tiny, objective, tmp_path):
    results = []
    for name in ("a", "b"):
        layers, trainer = start(tiny, objective, tmp_path / name)
        list(trainer.run())
        results.append(weights(layers))
        detach(tiny.module, layers)
    assert same(*results)


@pytest.mark.parametrize("kill_after", [1, 2, 3, 5, 7])
def test_killed_and_resumed_equals_uninterrupted(tiny, objective, tmp_path, kill_after):
    layers, trainer = start(tiny, objective, tmp_path / "whole")
    list(trainer.run(checkpoint_every=2))
    whole, curve = weights(layers), trainer.progress.validation_loss
    detach(tiny.module, layers)

    layers, trainer = start(tiny, objective, tmp_path / "parts")
    steps = trainer.run(checkpoint_every=2)
    for _ in range(kill_after):
        next(steps)
    detach(tiny.module, layers)  # the process is gone: nothing of it is used again but the folder

    layers, trainer = start(tiny, objective, tmp_path / "parts")
    list(trainer.run(checkpoint_every=2))
    assert same(whole, weights(layers))
    assert trainer.progress.validation_loss == curve
    assert [s.step for s in RunFolder(tmp_path / "parts").read_steps()] == list(range(1, 9))


def test_a_torn_checkpoint_is_passed_over(tiny, objective, tmp_path):
    _, trainer = start(tiny, objective, tmp_path)
    steps = trainer.run(checkpoint_every=2)
    for _ in range(4):
        next(steps)
    newest = sorted((tmp_path / "checkpoints").glob("step-*"))[-1]
    with (newest / "tensors-0000.safetensors").open("r+b") as file:
        file.truncate(100)
    found, damaged = checkpoints.newest(tmp_path / "checkpoints")
    assert damaged == [newest.name] and found.step == 2


def test_a_full_disk_leaves_the_last_good_checkpoint(tiny, objective, tmp_path):
    """A real small file system fills up: one clear error, and the checkpoint before is whole."""
    import subprocess

    from postgrad.errors import StorageError

    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(SMALL_MOUNT)
    try:
        _, trainer = start(tiny, objective, small)
        steps = trainer.run(checkpoint_every=1)
        next(steps)
        (small / "other").write_bytes(b"x" * (shutil.disk_usage(small).free - 20_000))
        with pytest.raises(StorageError, match="full"):
            list(steps)
        found, damaged = checkpoints.newest(small / "checkpoints")
        assert found.step == 1 and damaged == []
        assert not [p for p in (small / "checkpoints").iterdir() if p.name.startswith(".")], "nothing half-written"
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_a_pause_stops_within_a_step_and_resumes_to_the_same_weights(tiny, objective, tmp_path):
    layers, trainer = start(tiny, objective, tmp_path / "whole")
    list(trainer.run())
    whole = weights(layers)
    detach(tiny.module, layers)
    layers, trainer = start(tiny, objective, tmp_path / "paused")
    steps = trainer.run()
    for _ in range(3):
        next(steps)
    RunFolder(tmp_path / "paused").send("pause")
    assert list(steps) == [] and trainer.progress.ending == "paused"
    detach(tiny.module, layers)
    RunFolder(tmp_path / "paused").clear_command()
    layers, trainer = start(tiny, objective, tmp_path / "paused")
    list(trainer.run())
    assert same(whole, weights(layers))


def test_a_checkpoint_of_another_training_is_refused(tiny, objective, tmp_path):
    layers, trainer = start(tiny, objective, tmp_path)
    list(trainer.run())
    detach(tiny.module, layers)
    layers, trainer = start(tiny, objective, tmp_path, learning_rate=1e-4)
    with pytest.raises(TrainingError, match="other schedule"):
        list(trainer.run())


def test_divergence_is_said_and_the_last_good_state_kept(tiny, objective, tmp_path):
    layers, trainer = start(tiny, objective, tmp_path)
    steps = trainer.run(checkpoint_every=1)
    next(steps)
    with torch.no_grad():
        next(iter(layers.values())).lora_A.fill_(float("nan"))
    with pytest.raises(TrainingError, match="diverged"):
        next(steps)
    found, _ = checkpoints.newest(tmp_path / "checkpoints")
    assert found.step == 1 and all(torch.isfinite(t).all() for t in found.tensors.values())


def test_early_stopping_keeps_the_best(tiny, objective, tmp_path):
    _, trainer = start(tiny, objective, tmp_path, total_steps=60, learning_rate=0.05, patience=2)
    steps = list(trainer.run())
    p = trainer.progress
    assert p.ending == "stopped early" and p.step < 60
    trainer.use_best()
    assert trainer.validation_loss() == pytest.approx(p.best_loss, rel=1e-6)
    after, upto, rate = p.cooling
    cooled = [s for s in steps if s.step > after]
    best = min((v, n) for n, v in p.validation_loss if n <= after)[1]
    assert upto == p.step == after + min(60 - after, math.ceil(COOLING * best)) and len(cooled) >= 2
    assert rate == steps[best - 1].learning_rate > cooled[0].learning_rate > cooled[-1].learning_rate > 0
    assert cooled[0].loss < steps[after - 1].loss * 3, "it goes on from the best weights"


def test_weights_that_are_put_are_those_that_the_next_step_begins_with():
    """Of parameters in bfloat16 a float32 copy is stepped: both are set."""
    parameter = torch.nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
    optimizer = Optimizer("adamw", {"w": parameter}, 0.0)
    optimizer.put({"w": torch.full((3,), 0.5)})
    parameter.grad = torch.ones(3, dtype=torch.bfloat16)
    optimizer.gradients()
    optimizer.step(1e-3)
    assert parameter.tolist() == pytest.approx([0.5] * 3, abs=0.01)


@pytest.mark.parametrize("more", [1, 3])
def test_killed_while_it_ends_from_its_best_weights(tiny, objective, tmp_path, more):
    settings = {"total_steps": 60, "learning_rate": 0.05, "patience": 2}
    layers, trainer = start(tiny, objective, tmp_path / "whole", **settings)
    list(trainer.run(checkpoint_every=1))
    trainer.use_best()
    whole, cooling = taken(layers, 8).tensors, trainer.progress.cooling
    detach(tiny.module, layers)
    layers, trainer = start(tiny, objective, tmp_path / "parts", **settings)
    steps = trainer.run(checkpoint_every=1)
    while trainer.progress.cooling is None or trainer.progress.step < cooling[0] + more:
        next(steps)
    detach(tiny.module, layers)
    layers, trainer = start(tiny, objective, tmp_path / "parts", **settings)
    list(trainer.run(checkpoint_every=1))
    trainer.use_best()
    assert same(whole, taken(layers, 8).tensors) and trainer.progress.cooling == cooling


def test_records_without_anything_to_learn_are_all_named(objective):
    bad = [
        Conversation(messages=(Message("user", "u"), Message("assistant", "a", 0.0)), source=Source("x.jsonl", n))
        for n in (3, 9)
    ]
    with pytest.raises(DataError) as caught:
        objective.prepare([RECORDS[0], *bad])
    assert "x.jsonl:3" in str(caught.value) and "x.jsonl:9" in str(caught.value)


def test_an_interrupted_training_goes_on_where_it_stopped(tiny, tmp_path):
    plan = Plan(rank=4, alpha=8, epochs=2, batch_size=4, learning_rate=5e-3)

    def go(folder, stopped=lambda: False):
        work = train(tiny, RECORDS[:18], RECORDS[18:], plan, RunFolder(folder), {"data": "x"}, stopped)
        while True:
            try:
                next(work)
            except StopIteration as done:
                return done.value

    whole = go(tmp_path / "whole").trained.tensors
    asked = iter([False] * 4 + [True] * 100)
    with pytest.raises(Interrupted):
        go(tmp_path / "parts", lambda: next(asked))
    assert json.loads((tmp_path / "parts" / "run.json").read_text())["state"] == "paused"
    assert same(whole, go(tmp_path / "parts").trained.tensors)
    assert not any("LoraLinear" in type(m).__name__ for m in tiny.module.modules()), "the model is as before"
    shutil.rmtree(tmp_path / "parts")


def test_every_epoch_shows_every_example_once():
    seen = [i for step in range(1, steps_of(10, 4, 2.0) + 1) for i in global_batch(10, 4, 7, step)]
    assert sorted(seen) == sorted(list(range(10)) * 2)
    assert seen[:10] != seen[10:], "in a fresh order"
