"""What is too much for a server: files beyond the limit and at it, two thousand jobs, clients that leave in mid-stream.

`python bench/strain.py` from the checkout; a tiny model, a server process of its own. Prints what became of each, with
seconds and the server's memory; exit code 1 where the server was at fault.
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import psutil

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.conftest import write_model
from tests.serving.running import Process, examples

JOBS, LEAVERS = 2000, 200
LINE = b'{"messages": [{"role": "user", "content": "%s"}, {"role": "assistant", "content": "fine"}]}\n' % (
    b"word " * 2000
)
ASK = [{"role": "user", "content": "Where is my sofa?"}]


def lines(size: int) -> Iterator[bytes]:
    """A training file of about `size` bytes, made while it is sent."""
    for _ in range(size // len(LINE)):
        yield LINE


def form(size: int) -> Iterator[bytes]:
    """A multipart body with one large file: what the SDK sends, without holding it in memory."""
    head = '--x\r\ncontent-disposition: form-data; name="{}"{}\r\n\r\n'
    yield head.format("purpose", "").encode() + b"fine-tune\r\n" + head.format("file", '; filename="f.jsonl"').encode()
    yield from lines(size)
    yield b"\r\n--x--\r\n"


class Strain:
    """A server under strain."""

    def __init__(self, server: Process) -> None:
        assert server.child is not None
        self.url, self.process = server.address, psutil.Process(server.child.pid)
        self.client = openai.OpenAI(base_url=self.url, api_key="x", max_retries=0, timeout=300)
        self.faults: list[str] = []

    def told(self, what: str, start: float, came: str, right: bool) -> None:
        megabytes = self.process.memory_info().rss / 1e6
        print(f"| {what} | {came} | {time.monotonic() - start:.1f} | {megabytes:.0f} |", flush=True)
        if not right:
            self.faults.append(what)

    def upload(self, megabytes: int, status: int) -> None:
        start = time.monotonic()
        try:
            answer = httpx.post(
                f"{self.url}/files",
                content=form(megabytes * 10**6),
                timeout=300,
                headers={"content-type": "multipart/form-data; boundary=x"},
            )
            came, right = (
                f"{answer.status_code} {answer.json().get('error', {}).get('code') or ''}",
                answer.status_code == status,
            )
            if answer.status_code == 200:
                self.client.files.delete(answer.json()["id"])
        except httpx.TransportError as error:  # the server said no and hung up before all was sent
            came, right = type(error).__name__, status == 413
        self.told(f"a training file of {megabytes} MB", start, came, right)

    def jobs(self) -> None:
        start = time.monotonic()
        file = self.client.files.create(file=io.BytesIO(examples(12)), purpose="fine-tune").id
        long = {"n_epochs": 50, "batch_size": 1}
        made = [
            self.client.fine_tuning.jobs.create(model="gpt-4o", training_file=file, hyperparameters=long).id
            for _ in range(JOBS)
        ]  # type: ignore[arg-type]
        self.told(f"{JOBS} jobs created", start, "200 each", True)
        start = time.monotonic()
        listed = [job.id for job in self.client.fine_tuning.jobs.list(limit=100)]
        self.told("listed to the end", start, f"{len(listed)} jobs", listed == made[::-1])
        start = time.monotonic()
        states = {self.client.fine_tuning.jobs.cancel(job).status for job in made[::-1] if self.open(job)}
        self.told("cancelled, newest first", start, " ".join(sorted(states)), states <= {"cancelled"})

    def open(self, job: str) -> bool:
        return self.client.fine_tuning.jobs.retrieve(job).finished_at is None

    def leavers(self, model: str) -> None:
        start = time.monotonic()
        for _ in range(LEAVERS):
            stream = self.client.chat.completions.create(model=model, messages=ASK, max_tokens=400, stream=True)  # type: ignore[arg-type]
            next(iter(stream))
            stream.close()
        answer = self.client.chat.completions.create(model=model, messages=ASK, max_tokens=4, timeout=30)  # type: ignore[arg-type]
        self.told(
            f"{LEAVERS} clients that leave after the first piece, then one that stays",
            start,
            "answered",
            bool(answer.choices),
        )


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="postgrad-strain-") as scratch:
        model = write_model(Path(scratch) / "tiny")
        server = Process(Path(scratch) / "home", model)
        server.start()
        try:
            strain = Strain(server)
            print("| What | Answer | Seconds | Memory of the server, MB |\n|---|---|---|---|")
            strain.told("start", time.monotonic(), "", True)
            strain.upload(500, 200)
            strain.upload(600, 413)
            strain.leavers(str(model))
            strain.jobs()
            return int(bool(strain.faults))
        finally:
            server.end()


if __name__ == "__main__":
    sys.exit(main())
