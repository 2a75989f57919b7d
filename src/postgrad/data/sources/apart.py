"""Files of heavy formats are read in a process of its own, with limits of memory and time: what is made to do harm, or
is damaged in a way that its reader never thought of, ends that process and not this one.

The processes are kept for further files. What they say is JSON, never anything that could be run.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from postgrad.data.sources.bytestream import ByteStream
from postgrad.data.sources.rows import Rows
from postgrad.errors import DataError
from postgrad.json_types import JsonObject

COMPUTING_S, BYTES_A_SECOND = 120.0, 1 << 18
"""A file may take so many seconds of computing, and four more for each megabyte."""
PATIENCE = 10
"""Times that, by the clock, after which a reader that says nothing is ended."""
_KEPT, _TOO_LONG = 2, 24
"""Processes that wait for further files; the signal that ends one which has computed for too long (SIGXCPU)."""
_free: list[_Child] = []
_lock = threading.Lock()


def rows_apart(call: str, stream: ByteStream, *arguments: str | int) -> Iterator[Rows]:
    """What a reading function gives for a stream, read elsewhere.

    Args:
        call: `module:function` of this package; it is called with the stream and the arguments, and yields `Rows`.

    Raises:
        DataError: as the function does; or it needed too much memory or time.
    """
    about = {"file": stream.file, "name": stream.name, "packed": stream.packed, "notes": stream.notes}
    with stream.as_file() as file, _named(file) as path:
        for said in _said({"call": call, "path": str(path), "stream": about, "arguments": arguments}, stream.file):
            rows = tuple((number, values) for number, values in said["rows"])
            yield Rows(said["file"], said["format"], rows, tuple(said["columns"]), tuple(said["notes"]))


def text_apart(call: str, path: Path) -> str:
    """What a function gives for a document, read elsewhere.

    Args:
        call: `module:function` of this package; it is called with the path.

    Raises:
        DataError: as the function does; or it needed too much memory or time.
    """
    return "".join(said["text"] for said in _said({"call": call, "path": str(path)}, repr(str(path))))


@contextmanager
def _named(file: Any) -> Iterator[Path]:
    """The path of an open file; of one without a name that of a copy."""
    if isinstance(file.name, str):
        yield Path(file.name)
        return
    with tempfile.NamedTemporaryFile() as copy:
        shutil.copyfileobj(file, copy, 1 << 20)
        copy.flush()
        yield Path(copy.name)


def _said(asked: JsonObject, file: str) -> Iterator[JsonObject]:
    with _lock:
        child = _free.pop() if _free else None
    if child is None or not child.lives:
        child = _Child()
    whole = False
    try:
        yield from child.said(asked, file)
        whole = True
    except DataError:
        whole = child.lives
        raise
    finally:
        with _lock:
            if whole and len(_free) < _KEPT:
                _free.append(child)
                child = None
        if child is not None:
            child.end()


class _Child:
    def __init__(self) -> None:
        command = [sys.executable, "-P", "-m", "postgrad.data.sources.apart_child"]  # nothing from the current folder
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    def said(self, asked: JsonObject, file: str) -> Iterator[JsonObject]:
        """Its answers to one request, until it says that this was all."""
        assert self._process.stdin is not None and self._process.stdout is not None
        seconds = COMPUTING_S + Path(asked["path"]).stat().st_size / BYTES_A_SECOND
        request = {**asked, "folder": os.getcwd(), "seconds": seconds}
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        while True:
            late = threading.Event()
            timer = threading.Timer(PATIENCE * seconds, lambda late=late: (late.set(), self._process.kill()))
            timer.daemon = True
            timer.start()
            line = self._process.stdout.readline()
            timer.cancel()
            if not line.endswith("\n"):
                self.end()
                long = late.is_set() or self._process.returncode == -_TOO_LONG
                why = f"did not end within {seconds:.0f} seconds of computing" if long else "died of it"
                raise DataError(
                    f"{file} cannot be read: its reader {why}.",
                    "The file is damaged, or too large: save it anew by the program that made it, or in parts.",
                )
            said = json.loads(line)
            if "error" in said:
                raise DataError(*said["error"])
            if said.get("end"):
                return
            yield said

    def end(self) -> None:
        """Lets go of the process."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def _end_all() -> None:
    with _lock:
        waiting: Sequence[_Child] = tuple(_free)
        _free.clear()
    for child in waiting:
        child.end()


atexit.register(_end_all)
