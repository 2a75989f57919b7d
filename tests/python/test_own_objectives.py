"""Objectives of one's own: a spec in a call, and the entry point of an installed package."""

from __future__ import annotations

import importlib
import json
import sys

import pytest

import postgrad as pg
from postgrad.objectives import names, others_code
from postgrad.progress import Said
from postgrad.python.own import given_of
from tests.python.toys import installed, python
from tests.training.test_toy_objective import FILE
from tests.workflows.jobs import mails

OPTIONS = {"accept": ["too_little"], "settings": {"training.max_steps": 2, "training.strength": 2.5}}
POINTS = "[postgrad.objectives]\nfloor = toy_plugin:SPEC\n"


@pytest.fixture
def rows(tmp_path):
    return [json.loads(line) for line in mails(tmp_path / "mails.jsonl").read_text().splitlines()]


@pytest.fixture
def module(tmp_path, monkeypatch):
    """(source → the module of that source), as one that the user edits."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def load(source):
        (tmp_path / "my_objective.py").write_text(source)
        sys.modules.pop("my_objective", None)
        importlib.invalidate_caches()
        return importlib.import_module("my_objective")

    yield load
    sys.modules.pop("my_objective", None)


def test_a_spec_trains_in_the_call_that_it_is_given_to(rows, module, tiny_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spec = module(FILE).SPEC
    base = {"base": str(tiny_folder), "name": "gently"}
    model = pg.train.events(rows, objective=spec, **base, **OPTIONS).result
    part = model.result.part
    assert part.objective == "floor" and part.settings["strength"] == 2.5 and part.settings["learning_rate"] == 7e-3
    assert pg.load("gently@1").answer("Where?", max_tokens=2).text is not None
    assert pg.estimate(rows, base=str(tiny_folder), objective=spec).tokens > 0
    assert "floor" not in names()
    with pytest.raises(pg.UsageError, match="Input should be 'sft'"):
        pg.train.events(rows, objective="floor", **base, **OPTIONS)
    with pytest.raises(pg.UsageError, match="strength: no such setting"):
        pg.train.events(rows, **base, **OPTIONS)


def test_what_is_kept_is_of_the_same_code(rows, module, tiny_folder):
    """Trained again once the code has changed, and not before."""
    helped = (
        FILE.replace("return self.strength *", "return factor() * self.strength *")
        + "\n\ndef factor():\n    return 1\n"
    )
    done = []
    for source in (helped, helped, helped.replace("return 1\n", "return 2\n")):
        job = pg.train.events(rows, objective=module(source).SPEC, base=str(tiny_folder), **OPTIONS)
        done.append(any(isinstance(e, Said) and "was done before" in e.text for e in job))
    assert done == [False, True, False]
    assert others_code("sft") == ""


def test_names_are_not_taken(module):
    spec = module(FILE).SPEC
    taken = module(FILE.replace('ObjectiveSpec("floor"', 'ObjectiveSpec("dpo"')).SPEC
    assert given_of(objective=spec).objective == "floor" and given_of(objective="dpo").objective == "dpo"
    with pytest.raises(pg.UsageError, match="an objective named 'dpo' already"):
        given_of(objective=taken)
    with pytest.raises(pg.UsageError, match="3, which is no ObjectiveSpec"):
        given_of(objective=3)


def test_an_installed_one_may_be_given_itself(tmp_path):
    site = installed(tmp_path / "site", POINTS, FILE)
    code = (
        "import toy_plugin\nfrom dataclasses import replace\nfrom postgrad.python.own import given_of\n"
        "print(given_of(objective=toy_plugin.SPEC).objective)\ngiven_of(objective=replace(toy_plugin.SPEC))"
    )
    done = python(site, tmp_path, "-c", code)
    assert done.stdout == "floor\n" and "an objective named 'floor' already" in done.stderr


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ("sft = toy_plugin:SPEC\n", "postgrad already has one of that name"),
        ("other = toy_plugin:SPEC\n", "is an ObjectiveSpec that calls itself 'floor'"),
        ("floor = toy_plugin:Floor\n", "which is no ObjectiveSpec"),
        ("floor = toy_plugin:missing\n", "cannot be loaded"),
    ],
)
def test_a_faulty_package_is_refused_by_name(tmp_path, points, message):
    """Before anything else: the help of the command names all objectives."""
    site = installed(tmp_path / "site", f"[postgrad.objectives]\n{points}", FILE)
    done = python(site, tmp_path, "-m", "postgrad", "train", "--help")
    assert done.returncode == 2 and message in done.stderr and "toy 1.0" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_two_packages_of_one_name_are_refused(tmp_path):
    for name in ("toy", "toy-too"):
        installed(tmp_path / "site", POINTS, FILE, name)
    done = python(tmp_path / "site", tmp_path, "-m", "postgrad", "train", "--help")
    assert "toy 1.0" in done.stderr and "toy-too 1.0" in done.stderr and "the name must be unique" in done.stderr
