"""`faults.c`, compiled, and the numbers that say what it does to a process it is preloaded into."""

from __future__ import annotations

import json
import mmap
import os
import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

NOTHING, FULL, TORN, READ_ONLY = range(4)
_MODE, _GOOD, _BAD, _AHEAD, _CONNECTIONS, _WRITES = range(6)
_SIZE = 64


def compiler() -> str | None:
    """A C compiler."""
    return shutil.which("cc") or shutil.which("gcc")


def told_by(work: Callable[[int], None], seconds: float | None) -> tuple[list[list[str]], bool]:
    """Runs a child that tells what it does, a line of JSON each, into the file that it is given.

    Args:
        work: What it does; the number is that of the open file.
        seconds: It is ended with kill -9 after so long; None: it goes to its end.

    Returns:
        The whole lines, and whether it was killed, by whomever.
    """
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        work(theirs)
        os._exit(0)
    os.close(theirs)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(ours, "rb") as pipe:
        told = [json.loads(line) for line in pipe if line.endswith(b"\n")]
    _, status = os.waitpid(child, 0)
    return told, os.WIFSIGNALED(status)


class Faults:
    """What goes wrong in processes that were started with `environment`.

    Args:
        folder: For the library and its state.
        under: Folder whose files are meant; a process that is in several sees one.
    """

    def __init__(self, folder: Path, under: Path) -> None:
        self._library, self._state = folder / "faults.so", folder / "faults.state"
        self.connections = folder / "connections.txt"
        self._under = under
        if not self._library.exists():
            source = str(Path(__file__).parent / "faults.c")
            command = [compiler() or "cc", "-shared", "-fPIC", "-O1", "-o", str(self._library), source, "-ldl"]
            subprocess.run(command, check=True)
        if not self._state.exists():
            self._state.write_bytes(bytes(_SIZE))
        with self._state.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _SIZE)

    @property
    def environment(self) -> Mapping[str, str]:
        """For the process that is to have faults."""
        return {
            "LD_PRELOAD": str(self._library),
            "POSTGRAD_FAULTS": str(self._state),
            "POSTGRAD_FAULTS_UNDER": f"{self._under}{os.sep}",
            "POSTGRAD_CONNECTIONS": str(self.connections),
        }

    def set(self, mode: int, good: int = 0, bad: int = -1) -> None:
        """From now on: so many writes go well, then so many fail (-1: all)."""
        self._put(_MODE, NOTHING)
        self._put(_GOOD, good)
        self._put(_BAD, bad)
        self._put(_MODE, mode)

    def ahead(self, seconds: int) -> None:
        """The clock is so many seconds off."""
        self._put(_AHEAD, seconds)

    @property
    def writes(self) -> int:
        """Writes of regular files that were seen while a mode was set."""
        return self._get(_WRITES)

    def _put(self, place: int, value: int) -> None:
        self._map[8 * place : 8 * place + 8] = struct.pack("q", value)

    def _get(self, place: int) -> int:
        return struct.unpack("q", self._map[8 * place : 8 * place + 8])[0]
