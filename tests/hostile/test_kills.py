"""Kills, full and read-only disks, torn writes, clocks that jump: the short forms of the benches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from bench import faults

from tests.needs import service_missing

BENCH = Path(__file__).parents[2] / "bench"


@pytest.mark.parametrize(
    "command",
    [
        ["kill_writes.py", "--kills", "16", "--full", "6", "--torn", "6", "--damaged", "5", "--clock", "2"],
        ["disk_trouble.py", "--seconds", "2", "--jobs", "0"],
        ["kill_exports.py", "--kills", "2", "--full", "1", "--torn", "1", "--formats", "peft,gguf"],
    ],
    ids=lambda c: c[0],
)
def test_nothing_is_lost(command):
    if faults.compiler() is None:
        service_missing("no C compiler", "gcc")
    run = [sys.executable, str(BENCH / command[0]), *command[1:]]
    done = subprocess.run(run, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert not told.get("faults") and not told.get("wrong")


READ_ONLY_FOR_A_WHILE = """
import contextlib, os, sys
from pathlib import Path
from bench import faults
from postgrad.errors import StorageError
from postgrad.registry import Catalogue
from postgrad.registry.keys import Keys
keys = Keys(Catalogue())
keys.create("before")
other = Catalogue().engine.connect()  # as another process has one: SQLite's own files beside the database stay
other.exec_driver_sql("select * from api_keys").fetchall()
keys._catalogue.engine.dispose()
state = faults.Faults(Path(sys.argv[1]), Path(os.environ["POSTGRAD_HOME"]))
state.set(faults.READ_ONLY)
assert len(keys.list()) == 1, "what is there can be read"
state.set(faults.NOTHING)
with contextlib.suppress(StorageError):  # over the connection that was opened meanwhile
    keys.create("first")
keys.create("second")
print([key.name for key in keys.list()])
"""


def test_a_disk_that_was_read_only_is_written_to_again(tmp_path, own_home):
    """SQLite opens a file for reading alone where it may not write, and the connection would stay so."""
    if faults.compiler() is None:
        service_missing("no C compiler", "gcc")
    own_home.mkdir()
    state = faults.Faults(tmp_path, own_home)
    done = subprocess.run(
        [sys.executable, "-c", READ_ONLY_FOR_A_WHILE, str(tmp_path)],
        env={**os.environ, **state.environment, "PYTHONPATH": f"{BENCH.parent / 'src'}:{BENCH.parent}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and "second" in done.stdout, done.stdout + done.stderr[-1500:]


def test_a_bench_that_loses_something_says_so(tmp_path, monkeypatch):
    """The reckoning sees a model that is gone."""
    monkeypatch.syspath_prepend(str(BENCH))
    import kill_writes

    before = {"models": {"m0@1": ["sha256:x", 1]}, "aliases": {"m0": {}}}
    ledger = kill_writes.Ledger(before)
    state = faults.Faults(tmp_path, tmp_path)
    monkeypatch.setattr(kill_writes, "work", lambda *_: None)
    monkeypatch.setattr(kill_writes, "read", lambda _: {"models": {}, "aliases": {}})
    import random

    kill_writes.cycle(ledger, state, "clock", random.Random(0))
    assert any("lost" in fault for fault in ledger.faults)
