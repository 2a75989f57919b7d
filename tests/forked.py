"""Python in a process of its own that begins with the heavy libraries loaded.

A fresh interpreter imports torch and transformers for four seconds, and hundreds of tests run a command. Here each is
forked from a process that has imported them and done nothing else (the fork server of `multiprocessing`); what it is
given, prints and returns is that of any process. Tests of starting itself and of memory start afresh.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

HEAVY = ["torch", "transformers.models.llama.modeling_llama", "scipy.optimize", "scipy.stats"]
HEAVY += ["sqlalchemy.orm", "pydantic", "fastapi", "typer", "rich", "jinja2", "tests.forked"]
"""Loaded before: libraries alone, nothing of postgrad, which may be another one in the child."""
AT_IMPORT = ("HF_", "TRANSFORMERS_", "OMP_", "PYTHONHASHSEED", "LD_")
"""Beginnings of variables that are read when an interpreter or one of those libraries starts."""


def _read_early(env: Mapping[str, str]) -> set[str]:
    """Variables that differ here and that a process which has begun already would not read any more."""
    changed = {name for name in {*env, *os.environ} if env.get(name) != os.environ.get(name)}
    return {name for name in changed if name.startswith(AT_IMPORT)}


class Command:
    """A running `python -m MODULE …` or `python -c CODE …`.

    Args:
        env: Its whole environment; None: this one's.
    """

    def __init__(
        self,
        *command: object,
        cwd: Path | str | None = None,
        env: Mapping[str, str] | None = None,
        input: str = "",
    ) -> None:
        self.words = [str(word) for word in command]
        whole = dict(os.environ if env is None else env)
        assert not (late := _read_early(whole)), f"{late} would be read too late"
        self._folder = tempfile.TemporaryDirectory(prefix="forked-")
        self._streams = [Path(self._folder.name) / name for name in ("in", "out", "err")]
        for stream, text in zip(self._streams, (input, "", ""), strict=True):
            stream.write_text(text, "utf-8")
        forking = multiprocessing.get_context("forkserver")
        forking.set_forkserver_preload(HEAVY)
        told = (self.words, str(cwd or Path.cwd()), whole, [str(s) for s in self._streams])
        self._process = forking.Process(target=_run, args=told)
        self._process.start()

    @property
    def said(self) -> tuple[str, str]:
        """What stands on standard output and standard error by now."""
        out, err = (stream.read_text("utf-8") for stream in self._streams[1:])
        return out, err

    def send_signal(self, number: int) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    @property
    def runs(self) -> bool:
        return self._process.is_alive()

    def done(self, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Waits for its end; raises subprocess.TimeoutExpired, with the process killed, where that takes longer."""
        self._process.join(timeout)
        late = self._process.is_alive()
        if late:
            self._process.kill()
            self._process.join()
        said = self.said
        self._folder.cleanup()
        if late:
            raise subprocess.TimeoutExpired(self.words, timeout, *said)
        assert self._process.exitcode is not None
        return subprocess.CompletedProcess(self.words, self._process.exitcode, *said)


def python(
    *command: object,
    cwd: Path | str | None = None,
    env: Mapping[str, str] | None = None,
    input: str = "",
    timeout: float = 300,
) -> subprocess.CompletedProcess[str]:
    """As `subprocess.run` of this interpreter, in text; begun afresh where a variable asks for it."""
    if env is None or not _read_early(env):
        return Command(*command, cwd=cwd, env=env, input=input).done(timeout)
    words = [sys.executable, *map(str, command)]
    return subprocess.run(
        words, cwd=cwd, env=env, input=input, timeout=timeout, capture_output=True, text=True, check=False
    )


def _run(words: list[str], cwd: str, env: dict[str, str], streams: list[str]) -> None:
    """In the child: becomes what `python …` would be there."""
    for number, path in enumerate(streams):
        opened = os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_APPEND)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), encoding="utf-8")
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(io.FileIO(n, "w", closefd=False), encoding="utf-8", line_buffering=True) for n in (1, 2)
    )
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.path[:0] = [cwd, *filter(None, env.get("PYTHONPATH", "").split(os.pathsep))]
    kind, what, *arguments = words
    sys.argv = [kind, *arguments]
    if kind == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        assert kind == "-c", f"python {kind} is not run here"
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})  # a test's own program
