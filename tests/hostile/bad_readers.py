"""Readers as damaged files make them: endless, greedy, dying; named by the tests of readers that are kept apart."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path


def endless(_: Path) -> str:
    time.sleep(600)
    return ""


def busy(_: Path) -> str:
    while True:
        pass


def greedy(_: Path) -> str:
    return "x" * (1 << 45)


def dying(_: Path) -> str:
    os.kill(os.getpid(), 11)
    return ""


def wrong(_: Path) -> str:
    raise IndexError("tuple index out of range")


def chatty(path: Path) -> str:
    print("a library's remark on stdout")
    sys.stdout.flush()
    return path.read_text()
