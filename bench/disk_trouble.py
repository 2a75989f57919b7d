"""A server whose disk is read-only, then full, for a while: what its clients see meanwhile, and that nothing is lost.

    python bench/disk_trouble.py [--seconds 60]

A tiny model, trainings, and a client that chats, uploads, creates jobs and lists. Faults are made below Python by a
preloaded library (`faults.c`; needs a C compiler). Exit code 1 where an answer was a fault of the server's (500), chat
did not go on, or something that was said to be done is not there afterwards.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx
import openai

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent))

import faults
from tests.conftest import write_model
from tests.serving.running import Process, examples

ASK = [{"role": "user", "content": "Where is my sofa?"}]


class Trouble:
    """A client, what it saw, and what it was told is done."""

    def __init__(self, server: Process, model: str, most: int) -> None:
        self.client = openai.OpenAI(base_url=server.address, api_key="x", max_retries=0, timeout=60)
        self.health = server.address.removesuffix("/v1") + "/health"
        self.model, self.most, self.seen = model, most, Counter[str]()
        self.files: list[str] = []
        self.jobs: list[str] = []
        self.words: dict[str, str] = {}

    def tried(self, what: str, call) -> object:
        try:
            out = call()
        except openai.APIStatusError as error:
            self.seen[f"{what} {error.status_code}"] += 1
            self.words[f"{what} {error.status_code}"] = error.message[:300]
            return None
        self.seen[f"{what} fine"] += 1
        return out

    def round(self) -> None:
        client = self.client
        self.tried("chat", lambda: client.chat.completions.create(model=self.model, messages=ASK, max_tokens=4))  # type: ignore[arg-type]
        upload = {"file": io.BytesIO(examples(12)), "purpose": "fine-tune"}
        if file := self.tried("upload", lambda: client.files.create(**upload)):  # type: ignore[arg-type]
            self.files.append(file.id)  # type: ignore[attr-defined]
        if self.files:
            made = {"model": self.model, "training_file": self.files[-1], "hyperparameters": {"n_epochs": 1}}
            if len(self.jobs) < self.most and (
                job := self.tried("job", lambda: client.fine_tuning.jobs.create(**made))
            ):  # type: ignore[arg-type]
                self.jobs.append(job.id)  # type: ignore[attr-defined]
        self.tried("list", lambda: client.fine_tuning.jobs.list())
        self.tried("models", lambda: client.models.list())
        self.seen[f"health {httpx.get(self.health).json()['status']}"] += 1


def main() -> int:
    given = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    given.add_argument("--seconds", type=float, default=60)
    given.add_argument(
        "--jobs", type=int, default=12, help="trainings begun at most; one that could not start waits a minute"
    )
    options = given.parse_args()
    with tempfile.TemporaryDirectory(prefix="postgrad-disk-") as scratch:
        root = Path(scratch)
        model = str(write_model(root / "tiny"))
        (root / "home").mkdir()
        state = faults.Faults(root, root / "home")
        usual = dict(os.environ)
        os.environ.update(state.environment)
        server = Process(root / "home", model)
        server.start()
        os.environ.clear()
        os.environ.update(usual)
        try:
            return measured(server, model, state, options.seconds, options.jobs)
        finally:
            state.set(faults.NOTHING)
            if server.child is not None and server.child.poll() is not None:
                print(f"the server ended with {server.child.poll()}", file=sys.stderr)
            print((server.home / "server.log").read_text()[-3000:], file=sys.stderr)
            server.end()


def measured(server: Process, model: str, state: faults.Faults, seconds: float, jobs: int) -> int:
    trouble, wrong, told = Trouble(server, model, jobs), list[str](), dict[str, dict[str, int]]()
    trouble.round()
    for name, mode in (("read-only", faults.READ_ONLY), ("full", faults.FULL)):
        trouble.seen.clear()
        state.set(mode)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            trouble.round()
            time.sleep(0.2)
        state.set(faults.NOTHING)
        told[name] = dict(sorted(trouble.seen.items()))
        wrong += [f"{name}: {what}: {trouble.words[what]}" for what in trouble.seen if what.endswith(" 500")]
        wrong += [f"{name}: chat did not go on: {trouble.words}"] if not trouble.seen["chat fine"] else []
        trouble.seen.clear()
        time.sleep(2)
        trouble.round()
        wrong += [f"after {name}: {what}" for what in trouble.seen if not what.endswith((" fine", " ok"))]
    for job in trouble.jobs:
        ended = time.monotonic() + 120
        while (now := trouble.client.fine_tuning.jobs.retrieve(job)).finished_at is None and time.monotonic() < ended:
            time.sleep(0.3)
        if now.status != "succeeded":
            wrong.append(f"{job} is {now.status}: {now.error}")
    there = {file.id for file in trouble.client.files.list()}
    wrong += [f"{file} was uploaded and is lost" for file in trouble.files if file not in there]
    print(json.dumps({**told, "jobs": len(trouble.jobs), "files": len(trouble.files), "wrong": wrong}, indent=1))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
