"""Where training must stop, say so, and lose nothing: no room, no number, no hope; and what it costs, known before."""

import json
import subprocess
import sys
import textwrap

import pytest
import torch

from postgrad.errors import DataError, TrainingError
from postgrad.models.rendering.windows import windows
from postgrad.records import Source, Text
from postgrad.training.memory import Need, fitting, peak_bytes, refuse_what_cannot_fit
from postgrad.training.objectives import make_objective
from postgrad.training.optimizers import Optimizer, rate_at
from postgrad.training.trainer import Plan, train
from postgrad.training.weights import checkpoints
from postgrad.training_run import RunFolder
from tests.conftest import write_model
from tests.training.test_training import RECORDS, start


@pytest.fixture
def objective(tiny):
    return make_objective("sft", tiny.renderer)


def test_a_rate_of_ten_is_called_divergence_and_a_good_state_is_kept(tiny, objective, tmp_path):
    import math

    _, trainer = start(
        tiny, objective, tmp_path, learning_rate=10.0, total_steps=60, warmup=0.0, patience=50, guess=math.log(420) * 3
    )
    trainer.settings = trainer.settings.__class__(
        **{**trainer.settings.__dict__, "guess": 1.05 * trainer.validation_loss()}
    )
    with pytest.raises(TrainingError, match="diverged") as caught:
        list(trainer.run(checkpoint_every=1))
    assert "learning_rate" in (caught.value.mend or "")
    found, _ = checkpoints.newest(tmp_path / "checkpoints")
    assert found is None or all(torch.isfinite(t).all() for t in found.tensors.values())


def test_records_whose_loss_is_no_number_are_named(tiny, objective, tmp_path):
    """A token that one record alone has, with a broken embedding."""
    _, trainer = start(tiny, objective, tmp_path, batch_size=18, total_steps=1)
    unique = next(
        t for t in trainer.train[3].ids if all(t not in e.ids for e in trainer.train if e is not trainer.train[3])
    )
    with torch.no_grad():
        table = tiny.module.get_input_embeddings().weight.clone()  # apart from the head, which all examples read
        table[unique] = float("nan")
        tiny.module.set_input_embeddings(torch.nn.Embedding.from_pretrained(table))
    with pytest.raises(TrainingError, match=r"The loss of t\.csv:4 is not a number"):
        list(trainer.run())


def test_memory_that_runs_out_halves_the_microbatch_and_changes_nothing(tmp_path):
    """A real limit on a real process: with room for a part of the batch the weights come out as with room for all."""
    folder = write_model(tmp_path / "wide", layers=6, hidden=256)
    script = textwrap.dedent(
        """
        import resource, sys, json, os
        import torch
        from postgrad.models.device import Device
        from postgrad.models.language_model import LanguageModel
        from postgrad.models.base_models import find_model
        from postgrad.records import pair
        from postgrad.training_run import RunFolder
        from postgrad.training.trainer import Plan, train
        torch.set_num_threads(1)
        folder, limit, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
        model = LanguageModel(find_model(folder), Device("cpu", "t", "float32", {"float32": 1.0}, 1 << 40))
        records = [pair("where is it " * 20 + str(i), "here and there " * 12) for i in range(24)]
        plan = Plan(rank=4, alpha=8, max_steps=2, batch_size=24, token_budget=16384)
        if limit:
            used = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
            resource.setrlimit(resource.RLIMIT_AS, (used + limit, -1))
        said = []
        work = train(model, records, [], plan, RunFolder(__import__("pathlib").Path(out)), {"d": "x"}, lambda: False)
        while True:
            try:
                event = next(work)
                said.append(getattr(event, "text", ""))
            except StopIteration as done:
                result = done.value
                break
        total = sum(float(t.double().abs().sum()) for pair in result.trained.tensors.values() for t in pair)
        print(json.dumps({"sum": total, "said": [s for s in said if "cut to" in s]}))
        """
    )

    def go(limit, name):
        done = subprocess.run(
            [sys.executable, "-c", script, str(folder), str(limit), str(tmp_path / name)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout.splitlines()[-1])

    free, tight = go(0, "free"), go(110 << 20, "tight")
    assert not free["said"] and "microbatches were cut" in tight["said"][0]
    assert tight["sum"] == pytest.approx(free["sum"], rel=1e-4)


def test_what_cannot_fit_is_refused_with_what_would(tiny):
    config = tiny.base.config
    need = Need(
        {**config, "hidden_size": 2048, "num_hidden_layers": 16, "intermediate_size": 8192},
        "full",
        longest=1000,
        tokens=8000,
    )
    room = peak_bytes(need) // 3
    with pytest.raises(TrainingError, match="needs about") as caught:
        refuse_what_cannot_fit(need, room)
    ways = list(fitting(need, room))
    assert ways and all(peak_bytes(changed) <= room for _, changed in ways)
    assert ways[0][0] in (caught.value.mend or "")
    refuse_what_cannot_fit(need, peak_bytes(need))


def test_windows_predict_every_token_once(tiny):
    text = Text(text="The Haven sofa arrived with a broken leg. " * 40, source=Source("a.txt", 1))
    parts = windows(tiny.renderer, text, 32)
    begin, end = tiny.renderer.frame_ids
    whole = [*begin, *tiny.renderer.encode(text.text), *end]
    learned = [i for p in parts for i, w in zip(p.ids, p.weights, strict=True) if w]
    assert learned == whole[1:] and max(len(p.ids) for p in parts) == 32 and end


def test_pretraining_learns_raw_text(tiny, tmp_path):
    texts = [
        Text(text=f"Order {i} of the sofa arrived with a broken leg. " * 6, source=Source("a.txt", i))
        for i in range(12)
    ]
    plan = Plan(objective="pretrain", rank=4, alpha=8, epochs=4, max_length=64, learning_rate=5e-3)
    work = train(tiny, texts[:10], texts[10:], plan, RunFolder(tmp_path), {"d": "x"}, lambda: False)
    while True:
        try:
            next(work)
        except StopIteration as done:
            part = done.value.part
            break
    assert part.objective == "pretrain" and part.validation_loss[-1][1] < part.train_loss[0][1] - 0.5


def test_each_objective_refuses_the_other_kind_of_record(tiny, objective):
    with pytest.raises(DataError, match="raw text"):
        make_objective("pretrain", tiny.renderer).prepare(RECORDS[:1])
    with pytest.raises(DataError, match="conversations"):
        objective.prepare([Text(text="words")])


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_schedules_rise_to_the_peak_and_end_where_they_should(schedule):
    rates = [rate_at(s, 100, 1e-3, 0.1, schedule) for s in range(1, 101)]
    assert rates[0] == pytest.approx(1e-4) and max(rates) == pytest.approx(1e-3) and rates[9] == pytest.approx(1e-3)
    assert rates[:10] == sorted(rates[:10]) and rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx({"cosine": 1e-4, "linear": 1e-3 / 90, "constant": 1e-3}[schedule])


def test_small_steps_are_not_lost_in_few_bits():
    """A thousand steps, each too small for bfloat16 to show alone, add up in the float32 copy."""
    weight = torch.nn.Parameter(torch.ones(4, 4, dtype=torch.bfloat16))
    optimizer = Optimizer("adamw", {"w": weight}, 0.0)
    for _ in range(1000):
        weight.grad = torch.ones_like(weight)
        optimizer.gradients()
        optimizer.step(1e-4)
    assert weight.float().mean().item() == pytest.approx(0.9, abs=0.01)


def test_overfitting_is_said_in_words():
    from postgrad.training.loop_state import LoopState, in_words

    p = LoopState(
        step=40,
        best_loss=1.0,
        best_step=20,
        train_loss=[(i, 2 - i / 30) for i in range(1, 41)],
        validation_loss=[(10, 1.5), (20, 1.0), (30, 1.2), (40, 1.4)],
    )
    assert "overfit" in in_words(p) and "step 20 were kept" in in_words(p)
