"""The process that reads files for `apart`: a request a line, answers as JSON, until nobody asks any more."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from postgrad.data.sources.bytestream import ByteStream
from postgrad.data.sources.spoilt import unspoilt
from postgrad.errors import PostgradError

LEAST_MEMORY = 4 << 30
"""Bytes of addresses that a reader may use at least; else half of the machine's memory."""


class _File(ByteStream):
    """The unpacked bytes that the other process named."""

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self._opened = path.open("rb")
        notes = tuple(about["notes"])
        super().__init__(self._opened, about["file"], about["name"], path=path, packed=about["packed"], notes=notes)

    @contextmanager
    def as_file(self) -> Iterator[IO[bytes]]:
        self._opened.seek(0)
        yield self._opened


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asks decides
    with suppress(ImportError, ValueError, OSError, AttributeError):  # not on Windows
        import resource

        most = max(LEAST_MEMORY, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    out, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer
    for line in sys.stdin:
        asked = json.loads(line)
        _limit(asked["seconds"])
        os.chdir(asked["folder"])
        for answer in _answers(asked):
            out.write(json.dumps(answer) + "\n")
        out.flush()


def _limit(seconds: float) -> None:
    """Computes for so long more at most; then the system ends this process, also where nobody asks any more."""
    with suppress(ImportError, ValueError, OSError, AttributeError):
        import resource

        spent = resource.getrusage(resource.RUSAGE_SELF)
        most = int(spent.ru_utime + spent.ru_stime + seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))


def _answers(asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    module, _, name = asked["call"].partition(":")
    file = asked["stream"]["file"] if "stream" in asked else repr(asked["path"])
    try:
        with unspoilt(file):
            call = getattr(importlib.import_module(module), name)
            if "stream" not in asked:
                yield {"text": call(Path(asked["path"]))}
            else:
                for rows in call(_File(Path(asked["path"]), asked["stream"]), *asked["arguments"]):
                    yield {
                        "file": rows.file,
                        "format": rows.format,
                        "rows": rows.rows,
                        "columns": rows.columns,
                        "notes": rows.notes,
                    }
    except PostgradError as error:
        yield {"error": [error.message, error.mend]}
        return
    except OSError as error:
        yield {"error": [f"{file} cannot be read: {error.strerror}.", ""]}
        return
    yield {"end": True}


if __name__ == "__main__":
    main()
