"""Ctrl-C in every command while it works: it ends soon, with 130 and without a traceback. Ten moments of each:
`bench/interrupts.py`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from postgrad.cli import COMMANDS

ROOT = Path(__file__).parents[2]


def test_every_command_ends_when_it_is_interrupted():
    bench = [sys.executable, str(ROOT / "bench" / "interrupts.py"), "--at", "2"]
    done = subprocess.run(bench, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert all(f"| {command} |" in done.stdout for command in COMMANDS if command != "demo")  # the bench takes it
