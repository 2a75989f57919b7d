"""One more objective is one file and one line: a toy, brought in through its public place, works from the recipe to the
trained model."""

import json
import os
import sys

import pytest
import torch

from postgrad import objectives
from postgrad.cli import main
from postgrad.errors import UsageError
from postgrad.recipe import make_recipe
from tests.forked import python
from tests.training.test_processes import environment

FILE = '''"""Learns the answers, so far as the model is surer than a floor; a toy."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from postgrad.objectives import OPTIONS, ObjectiveSpec, Options, Rates
from postgrad.records import Conversation
from postgrad.training.compute_plan import cost_of_conversations
from postgrad.training.objectives.base import Objective
from postgrad.training.objectives.preparing import prepared


@dataclass(frozen=True, config=OPTIONS)
class FloorOptions(Options):
    """What `floor` reads."""

    strength: Annotated[float, Field(gt=0, le=10)] = 1.0
    """Factor of the loss."""


class Floor(Objective):
    """The objective `floor`."""

    def __init__(self, setup, options):
        super().__init__(["strength"])
        self.setup, self.strength = setup, options.strength

    def prepare(self, records):
        return prepared(records, Conversation, self.setup.renderer.render, "examples", "floor trains on answers", "!")

    def weight(self, example):
        return sum(example.weights)

    def loss(self, forward, batch, step=None):
        self.tally.add("strength", self.strength)
        return self.strength * forward.loss(batch, step)


SPEC = ObjectiveSpec("floor", "answers, gently", Conversation, Floor, cost_of_conversations, FloorOptions, Rates(7e-3))
'''


@pytest.fixture
def brought(tmp_path, monkeypatch):
    """The toy as another package brings it: a file, and a line among its entry points."""
    place = tmp_path / "installed"
    (place / "toys-1.dist-info").mkdir(parents=True)
    (place / "toy_floor.py").write_text(FILE)
    (place / "toys-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: toys\nVersion: 1\n")
    line = "[postgrad.objectives]\nfloor = toy_floor:SPEC\n"
    (place / "toys-1.dist-info" / "entry_points.txt").write_text(line)
    monkeypatch.syspath_prepend(place)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(place), os.environ.get("PYTHONPATH", "")]))
    yield
    sys.modules.pop("toy_floor", None)


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "asked.jsonl"
    rows = [{"prompt": f"Where is order {i}? " + "please " * (i % 5), "completion": f"At {i}."} for i in range(24)]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def trained(data, tiny_folder, tmp_path, *settings):
    command = ["train", str(data), "--objective", "floor", "--base", str(tiny_folder), "--json", "--fresh"]
    command += ["--accept", "near_duplicates,contradictions,balance,too_little,cut_off,structure"]
    options = [part for setting in ("rank=4", "epochs=2", *settings) for part in ("--set", setting)]
    done = python("-m", "postgrad", *command, *options, env=environment(tmp_path / "home"))
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])["training"]


def test_the_command_trains_it_and_its_option_counts(brought, data, tiny_folder, tmp_path):
    part = trained(data, tiny_folder, tmp_path, "strength=2.5")
    assert part["objective"] == "floor" and part["train_loss"][-1][1] < part["train_loss"][0][1]
    assert part["settings"]["strength"] == 2.5 and part["settings"]["learning_rate"] == 7e-3
    assert {value for _, value in part["metrics"]["strength"]} == {2.5}
    plain = trained(data, tiny_folder, tmp_path)
    assert part["train_loss"][0][1] == pytest.approx(2.5 * plain["train_loss"][0][1], rel=1e-3)


def test_the_recipe_knows_its_option_and_nobody_elses(brought):
    training = make_recipe({"training": {"objective": "floor", "strength": 3}}).training
    assert training.options.strength == 3.0 and training.peak_rate(32, 10) == 7e-3
    for settings, words in (
        ({"objective": "floor", "strength": 11}, "training.strength = 11: Input should be less than or equal to 10"),
        ({"objective": "floor", "beta": 0.2}, "not by floor"),
        ({"objective": "dpo", "strength": 3}, "strength is for the objective floor, not for dpo"),
        ({"objective": "floor", "strenght": 3}, "did you mean 'strength'"),
    ):
        with pytest.raises(UsageError, match="Wrong settings") as caught:
            make_recipe({"training": settings})
        assert words in str(caught.value)
    assert "floor (answers, gently)" in objectives.choices()


def test_estimate_counts_it(brought, data, tiny_folder, capsys):
    found = {}
    for name in ("sft", "floor"):
        assert main(["estimate", str(data), "--base", str(tiny_folder), "--objective", name, "--json"]) == 0
        found[name] = json.loads(capsys.readouterr().out)
    assert found["floor"]["tokens"] == found["sft"]["tokens"] > 0


def test_without_its_line_it_is_not_there():
    with pytest.raises(UsageError, match="Input should be 'sft', 'pretrain', 'dpo'"):
        make_recipe({"training": {"objective": "floor"}})


def test_a_spec_itself_will_do(brought, tiny, monkeypatch):
    """A line of `OBJECTIVES` is the name of a file, or the spec."""
    import toy_floor

    from postgrad.training.forward import Forward
    from postgrad.training.objectives import make_objective
    from tests.training.test_training import RECORDS

    monkeypatch.setitem(objectives.OBJECTIVES, "mine", toy_floor.SPEC)
    twice, once = (make_objective("mine", tiny.renderer, strength=s) for s in (2.0, 1.0))
    examples = once.prepare(RECORDS[:3]).examples
    with torch.no_grad():
        assert twice.loss(Forward(tiny), examples) == 2 * once.loss(Forward(tiny), examples)
