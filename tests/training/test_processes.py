"""Real processes: killed at any moment and resumed, paused from outside, several training as one."""

import json
import os
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postgrad.models.rendering.render import Rendered
from postgrad.training.batching import dealt
from tests.forked import Command, python
from tests.serving.running import until

ROOT = Path(__file__).parents[2]
SETTINGS = ["rank=4", "alpha=8", "epochs=6", "batch_size=3", "learning_rate=5e-3", "patience=50", "validations=8"]


@pytest.fixture
def data(tmp_path):
    rows = [
        {
            "question": f"Where is order {i}? " + "please " * (i % 7),
            "answer": f"Order {i} is {'late' if i % 3 else 'lost'}.",
        }
        for i in range(40)
    ]
    path = tmp_path / "mail.jsonl"
    path.write_text("\n".join(json.dumps(r) for r in rows))
    return path


def command(data, tiny_folder, run, *more):
    settings = [part for s in SETTINGS for part in ("--set", s)]
    return [
        "-m",
        "postgrad",
        "train",
        str(data),
        "--base",
        str(tiny_folder),
        "--folder",
        str(run),
        "--name",
        "mail",
        "--json",
        "--accept",
        "near_duplicates,contradictions,balance,too_little,cut_off",
        *settings,
        *more,
    ]


def environment(home, **more):
    return {**os.environ, "POSTGRAD_HOME": str(home), "OMP_NUM_THREADS": "1", "POSTGRAD_DTYPE": "float32", **more}


def weights(home, result):
    """Hash of the trained weights."""
    blobs = Path(home) / "blobs"
    manifest = json.loads(next(blobs.rglob(result["blob"].removeprefix("sha256:"))).read_text())
    return manifest["files"]["adapter_model.safetensors"]


def finished(done):
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [x for x in lines if x["type"] == "step"], lines[-1]


def furthest(running):
    """The step that a running command has told of last."""
    told = [line for line in running.said[0].splitlines(keepends=True) if line.endswith("\n")]
    return max((json.loads(line).get("step", 0) for line in told), default=0)


def test_killed_at_any_moment_and_resumed_gives_the_same_weights(data, tiny_folder, tmp_path):
    steps, whole = finished(python(*command(data, tiny_folder, tmp_path / "a"), env=environment(tmp_path / "h1")))
    assert len(steps) > 40 and steps[-1]["loss"] < steps[0]["loss"]
    home, run, kills = tmp_path / "h2", tmp_path / "b", 0
    for wanted in (3, 22, 41):  # before the first checkpoint, and between later ones
        running = Command(*command(data, tiny_folder, run), env=environment(home))
        until(lambda running=running, wanted=wanted: furthest(running) >= wanted or not running.runs, every=0.02)
        running.send_signal(signal.SIGKILL)
        kills += running.done().returncode == -signal.SIGKILL
    assert kills == 3
    later, result = finished(python(*command(data, tiny_folder, run, "--resume"), env=environment(home)))
    assert later[0]["step"] > 20, "it went on from a checkpoint"
    assert weights(home, result) == weights(tmp_path / "h1", whole)
    assert result["training"]["validation_loss"] == whole["training"]["validation_loss"]


def test_a_control_file_and_a_signal_pause_it_and_it_goes_on(data, tiny_folder, tmp_path):
    home, run = tmp_path / "home", tmp_path / "run"
    for stop in ("file", "signal"):
        running = Command(*command(data, tiny_folder, run), env=environment(home))
        until(lambda running=running: furthest(running), every=0.02)
        (run / "control").write_text("pause") if stop == "file" else running.send_signal(signal.SIGINT)
        ended = running.done(30)
        assert ended.returncode == 130 and "its state is kept" in ended.stderr
        assert json.loads((run / "run.json").read_text())["state"] == "paused"
    done = python(*command(data, tiny_folder, run, "--resume"), env=environment(home))
    assert finished(done)[1]["training"]["stopped_because"] == "finished"


def test_resuming_what_differs_is_refused_and_says_what(data, tiny_folder, tmp_path):
    def go(*more):
        return python(*command(data, tiny_folder, tmp_path / "run", *more), env=environment(tmp_path / "home"))

    nothing = go("--resume")
    assert nothing.returncode == 2 and "no earlier run" in nothing.stderr
    finished(go())
    other = go("--set", "rank=2")
    assert other.returncode != 0 and "other settings" in other.stderr
    with data.open("a") as file:
        file.write('\n{"question": "And order 77, the green one?", "answer": "It is on its way to you."}')
    changed = go()
    assert changed.returncode != 0 and "training data" in changed.stderr
    finished(go("--fresh"))


@given(st.lists(st.integers(1, 900), min_size=1, max_size=40), st.integers(1, 8))
def test_a_step_is_dealt_evenly(lengths, processes):
    """Every example once; nobody idle while another has two; nobody ahead by more than one example."""
    batch = [Rendered((0,) * n, (1.0,) * n, origin=str(i)) for i, n in enumerate(lengths)]
    shares = dealt(batch, processes)
    assert sorted(e.origin for share in shares for e in share) == sorted(e.origin for e in batch)
    assert all(shares) or max(map(len, shares)) == 1
    loads = [sum(len(e.ids) for e in share) for share in shares]
    assert max(loads) - min(loads) <= max(lengths)


def test_two_processes_train_as_one(data, tiny_folder, tmp_path):
    """torchrun with two processes: the same losses as one to rounding, and one model."""
    losses = []
    for size in (1, 2):
        home = tmp_path / f"home{size}"
        whole = command(data, tiny_folder, tmp_path / f"run{size}")
        if size > 1:
            port = 29500 + os.getpid() % 400
            whole = ["-m", "torch.distributed.run", "--nproc-per-node=2", f"--master-port={port}", *whole]
        done = python(*whole, env=environment(home))
        assert done.returncode == 0, done.stderr[-3000:]
        steps = [json.loads(x) for x in (tmp_path / f"run{size}" / "steps.jsonl").read_text().splitlines()]
        losses.append([s["loss"] for s in steps])
        assert len(done.stdout.splitlines()) == len(steps) + 1, "one process speaks"
    assert len(losses[0]) == len(losses[1])
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
