"""Real servers for tests: one in a thread of the test's own process, one as a process of its own that can be killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import uvicorn

SOURCE = Path(__file__).parent.parent.parent / "src"


@contextmanager
def in_thread(app):
    """Serves the application on loopback; gives its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        thread.join()


class Process:
    """`postgrad serve` as a process of its own, with a home of its own."""

    def __init__(self, home: Path, base: Path | str, *options: str, threads: int = 1, dtype: str = "float32") -> None:
        self.home, self.base, self.options, self.threads, self.dtype = home, base, options, threads, dtype
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}/v1"
        self.child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {
            **os.environ,
            "POSTGRAD_HOME": str(self.home),
            "PYTHONPATH": str(SOURCE),
            "OMP_NUM_THREADS": str(self.threads),
            **({"POSTGRAD_DTYPE": self.dtype} if self.dtype else {}),
        }
        command = [
            sys.executable,
            "-m",
            "postgrad",
            "serve",
            "--port",
            str(self.port),
            "--base",
            str(self.base),
            *self.options,
        ]
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "server.log").open("ab") as log:
            self.child = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        for _ in range(600):
            assert self.child.poll() is None, (self.home / "server.log").read_text()
            try:
                httpx.get(self.address.removesuffix("/v1") + "/health")
                return
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError("the server does not answer")

    def kill(self) -> None:
        """kill -9."""
        assert self.child is not None
        self.child.kill()
        self.child.wait()

    def workers(self) -> list[int]:
        """Ids of the training processes of this home."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                command = (folder / "cmdline").read_bytes()
                mine = f"POSTGRAD_HOME={self.home}".encode() in (folder / "environ").read_bytes().split(b"\0")
                alive = (folder / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
            except (OSError, IndexError):
                continue
            if b"postgrad.serving.jobs.worker" in command and mine and alive:
                found.append(int(folder.name))
        return found

    def end(self) -> None:
        if self.child is not None and self.child.poll() is None:
            self.kill()
        for pid in self.workers():
            os.kill(pid, signal.SIGKILL)


def examples(count: int = 12) -> bytes:
    """A training file of short, different conversations."""
    things = ["sofa", "lamp", "chair", "table", "bed", "shelf", "rug", "desk", "mirror", "stool"]
    lines = []
    for i in range(count):
        thing = things[i % len(things)]
        asked = {"role": "user", "content": f"Where is my {thing} number {i}?"}
        lines.append(
            json.dumps({"messages": [asked, {"role": "assistant", "content": f"The {thing} {i} is on its way."}]})
        )
    return "\n".join(lines).encode()


def until(what, seconds: float = 120, every: float = 0.2):
    """Asks until the answer is true, and gives it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := what():
            return answer
        time.sleep(every)
    raise AssertionError("it did not come about in time")
