"""How much memory a piece of code takes at most, measured in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def output_of(code: str, path) -> list[str]:
    """What a script prints in a process of its own; `peak()` in it is the most memory so far in MB.

    Not `ru_maxrss`: a process inherits that from the one that started it.
    """
    if not Path("/proc/self/status").exists():
        pytest.skip("memory is read from /proc")
    peak = (
        "import re, sys\ndef peak(): return int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) //"
        " 1024\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", peak + code, str(path)], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout.splitlines()
