"""Python in a process of its own that begins with the heavy libraries loaded.

A fresh interpreter imports torch and transformers for four seconds, and hundreds of tests run a command. Here each is
forked from a process that has imported them and done nothing else (the fork server of `multiprocessing`); what it is
given, prints and returns is that of any process. Tests of starting itself, of signals and of memory start afresh.
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


def python(
    *command: object,
    cwd: Path | str | None = None,
    env: Mapping[str, str] | None = None,
    input: str = "",
    timeout: float = 300,
) -> subprocess.CompletedProcess[str]:
    """As `subprocess.run` of this interpreter with `-m MODULE …` or `-c CODE …`, in text.

    Args:
        env: Its whole environment; None: this one's.
    """
    words = [str(word) for word in command]
    whole = dict(os.environ if env is None else env)
    if any(whole.get(name) != os.environ.get(name) for name in {*whole, *os.environ} if name.startswith(AT_IMPORT)):
        return subprocess.run(
            [sys.executable, *words],
            cwd=cwd,
            env=whole,
            input=input,
            timeout=timeout,
            capture_output=True,
            text=True,
            check=False,
        )
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload(HEAVY)
    with tempfile.TemporaryDirectory(prefix="forked-") as folder:
        streams = [Path(folder) / name for name in ("in", "out", "err")]
        streams[0].write_text(input, "utf-8")
        child = forking.Process(target=_run, args=(words, str(cwd or Path.cwd()), whole, [str(s) for s in streams]))
        child.start()
        child.join(timeout)
        if child.is_alive():
            child.kill()
            child.join()
            raise subprocess.TimeoutExpired(words, timeout, *(s.read_bytes() for s in streams[1:] if s.exists()))
        assert child.exitcode is not None
        said = [s.read_text("utf-8") if s.exists() else "" for s in streams[1:]]
        return subprocess.CompletedProcess(words, child.exitcode, *said)


def _run(words: list[str], cwd: str, env: dict[str, str], streams: list[str]) -> None:
    """In the child: becomes what `python …` would be there."""
    for number, path in enumerate(streams):
        opened = os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND)
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
