"""Where programs that a model wrote may run: no network, no files of yours, little memory, little time. Or not at all.

`bubblewrap` (the Debian package of that name, command `bwrap`) is used where it works; `POSTGRAD_SANDBOX` may name a
container instead (`docker:python:3.12-slim`, `podman:…`). There is no third way: without a sandbox nothing is run.
A program gets Python's standard library alone, one process (threads are allowed), and what it prints is cut.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from postgrad.errors import UsageError
from postgrad.sandbox.seccomp import one_process_filter

_BEGINNING = """import resource as _r
_limits = (_r.RLIMIT_AS, {memory}), (_r.RLIMIT_CPU, {cpu}), (_r.RLIMIT_FSIZE, {output}), (_r.RLIMIT_CORE, 0)
for _what, _most in _limits:
    _r.setrlimit(_what, (_most, _most))
del _r, _limits, _what, _most
"""
_SCRATCH, _SCRATCH_BYTES = "/tmp", 64 << 20  # noqa: S108 - inside the sandbox
_MEND = (
    "Install bubblewrap (apt install bubblewrap), or name a container: POSTGRAD_SANDBOX=docker:python:3.12-slim. "
    "Programs are never run without a sandbox."
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use: wall-clock seconds, bytes of memory, bytes of output."""

    seconds: float = 10.0
    memory_bytes: int = 512 << 20
    output_bytes: int = 1 << 20


@dataclass(frozen=True, slots=True)
class ProgramResult:
    """How a program ended: its exit code (negative: killed), what it printed, and whether its time was over."""

    code: int
    output: str
    errors: str
    timed_out: bool


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A way to run Python apart from everything else; made by `find_sandbox`.

    Attributes:
        name: For sentences.
        engine: Program that starts a container; empty for bubblewrap.
        image: Of the container.
    """

    name: str
    engine: str = ""
    image: str = ""

    def run(self, source: str, stdin: str = "", limits: Limits | None = None) -> ProgramResult:
        """Runs a Python program to its end, or to the end of its time; never raises on what the program does."""
        limits = limits or Limits()
        cpu = max(1, int(limits.seconds) + 1)
        text = _BEGINNING.format(memory=limits.memory_bytes, cpu=cpu, output=limits.output_bytes) + source
        box = f"postgrad-{uuid.uuid4().hex[:12]}"
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as rules:
            rules.write(one_process_filter() if not self.engine else b"")
            rules.seek(0)
            command = self._container(box, limits) if self.engine else _bubblewrap(rules.fileno())
            with subprocess.Popen(
                [*command, "-c", text], stdin=subprocess.PIPE, stdout=out, stderr=err, pass_fds=(rules.fileno(),)
            ) as process:
                timed_out = _feed(process, stdin, limits.seconds)
                if timed_out and self.engine:
                    subprocess.run([self.engine, "rm", "-f", box], capture_output=True, check=False)
            return ProgramResult(process.returncode, _read(out, limits), _read(err, limits), timed_out)

    def _container(self, box: str, limits: Limits) -> list[str]:
        return [
            self.engine,
            "run",
            "--rm",
            "-i",
            "--name",
            box,
            "--network",
            "none",
            "--read-only",
            "--cap-drop",
            "ALL",
            "--security-opt",
            "no-new-privileges",
            "--user",
            "65534:65534",
            "--pids-limit",
            "16",
            "--memory",
            str(2 * limits.memory_bytes),
            "--tmpfs",
            f"{_SCRATCH}:size={_SCRATCH_BYTES}",
            "--workdir",
            _SCRATCH,
            self.image,
            "python3",
            "-I",
            "-S",
        ]


def find_sandbox() -> Sandbox:
    """The sandbox that works on this machine; tried once.

    Raises:
        UsageError: None works; the message says why and how to get one.
    """
    return _found(os.environ.get("POSTGRAD_SANDBOX", ""))


@functools.cache
def _found(wanted: str) -> Sandbox:
    engine, _, image = wanted.partition(":")
    if engine in ("docker", "podman") and image:
        sandbox = Sandbox(wanted, engine, image)
    elif wanted in ("", "bwrap"):
        sandbox = Sandbox("bubblewrap")
    else:
        raise UsageError(f"POSTGRAD_SANDBOX={wanted!r} names no sandbox.", _MEND)
    program = sandbox.engine or "bwrap"
    if shutil.which(program) is None:
        raise UsageError(f"Programs need a sandbox to run in, and {program!r} is not installed.", _MEND)
    tried = sandbox.run("print('ready')", limits=Limits(60.0))
    if tried.output.strip() != "ready":
        why = (tried.errors.strip().splitlines() or ["no answer within a minute"])[-1]
        raise UsageError(f"The sandbox {sandbox.name} does not work on this machine: {why}", _MEND)
    return sandbox


def _bubblewrap(rules: int) -> list[str]:
    """The command that runs this Python's interpreter with nothing but the system's libraries in sight."""
    python = os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable)
    shown = ["/usr", *[p for p in (sys.base_prefix, str(Path(python).parents[1])) if not p.startswith("/usr")]]
    command = ["bwrap", "--unshare-all", "--uid", "65534", "--gid", "65534", "--die-with-parent", "--new-session"]
    command += ["--clearenv", "--cap-drop", "ALL"]
    for path in dict.fromkeys(shown):
        command += ["--ro-bind", path, path]
    for link in ("/lib", "/lib64", "/bin", "/sbin"):
        if os.path.islink(link):
            command += ["--symlink", os.readlink(link), link]
        elif os.path.isdir(link):
            command += ["--ro-bind", link, link]
    command += [
        "--ro-bind-try",
        "/etc/ld.so.cache",
        "/etc/ld.so.cache",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--remount-ro",
        "/dev",
    ]
    command += ["--size", str(_SCRATCH_BYTES), "--tmpfs", _SCRATCH, "--remount-ro", "/", "--chdir", _SCRATCH]
    if one_process_filter():
        command += ["--seccomp", str(rules)]
    return [*command, python, "-I", "-S"]


def _feed(process: subprocess.Popen[bytes], stdin: str, seconds: float) -> bool:
    """Waits for the end; kills what is not done in time. Returns whether it had to."""
    try:
        process.communicate(stdin.encode("utf-8", "replace"), timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return True
    return False


def _read(stream: IO[bytes], limits: Limits) -> str:
    stream.seek(0)
    return stream.read(limits.output_bytes).decode("utf-8", "replace")


def lines_after(output: str, token: str) -> Sequence[str]:
    """The lines that begin with a token, without it: what a runner wrote, whatever the program printed besides."""
    return [line.removeprefix(token) for line in output.splitlines() if line.startswith(token)]
