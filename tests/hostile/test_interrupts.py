"""Ctrl-C in every command, once while it is loaded and once while it works: it ends soon, with 130 and without a
traceback. Ten moments of each: `bench/interrupts.py`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from postgrad.cli import COMMANDS

ROOT = Path(__file__).parents[2]
SLOW = {"demo"}  # minutes; the bench takes it with --only demo


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - SLOW))
def test_a_command_ends_when_it_is_interrupted(command):
    bench = [sys.executable, str(ROOT / "bench" / "interrupts.py"), "--moments", "2", "--longest", "15"]
    done = subprocess.run([*bench, "--only", command], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert f"| {command} |" in done.stdout
