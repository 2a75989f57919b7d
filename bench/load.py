"""Mixed chat on several fine-tuned models of one server at once, while it trains another: errors, wrong answers,
latency, memory.

    python bench/load.py [--seconds 120] [--clients 6] [--no-training]

Starts a server of its own on the embedded model, trains three adapters through its API and asks each of them alone;
then as many clients as wished ask all three at random, half of them streaming, without a pause, beside a training job.
Greedy answers under load must be those given alone, to the letter. `--url URL --models A B C --pid PID` takes a server
that runs already. Exit code 1 where an answer was wrong or the server was at fault.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openai
import psutil

sys.path.insert(0, str(Path(__file__).parent.parent))

from own_home import own_home
from tests.serving.running import Process

QUESTIONS = [
    "where is my Haven sofa, FH-20817??",
    "One leg of the table FH-11873 is broken, please send a new one.",
    "I want my money back for the lamp.",
]
MANNERS = {"polite": "Dear customer, about the {}: we are on it.", "brief": "{}: noted.", "json": '{{"thing": "{}"}}'}
THINGS = ["sofa", "lamp", "chair", "table", "bed", "shelf", "rug", "desk", "mirror", "stool", "bench", "clock"]


def conversations(manner: str, times: int = 1) -> io.BytesIO:
    """A training file that teaches one manner of answering."""
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"I have a question about my {thing}, number {n}."},
                {"role": "assistant", "content": MANNERS[manner].format(thing)},
            ]
        }
        for n in range(times)
        for thing in THINGS
    ]
    return io.BytesIO("\n".join(map(json.dumps, rows)).encode())


def job(client: openai.OpenAI, manner: str, times: int = 1, **settings: object) -> str:
    file = client.files.create(file=conversations(manner, times), purpose="fine-tune").id
    return client.fine_tuning.jobs.create(model="gpt-4o", training_file=file, suffix=manner, **settings).id  # type: ignore[arg-type]


@contextmanager
def served() -> Iterator[tuple[str, list[str], int]]:
    """A server of our own with three fine-tuned models: (address, their names, process)."""
    with own_home() as fresh:
        server = Process(fresh, "smollm2-135m-instruct", threads=2)
        server.start()
        try:
            client = openai.OpenAI(base_url=server.address, api_key="x", timeout=60)
            made = [job(client, m, hyperparameters={"n_epochs": 3}) for m in MANNERS]
            while not all(client.fine_tuning.jobs.retrieve(one).finished_at for one in made):
                time.sleep(1)
            ended = [client.fine_tuning.jobs.retrieve(one) for one in made]
            assert server.child is not None
            yield server.address, [str(one.fine_tuned_model) for one in ended], server.child.pid
        finally:
            server.end()


@dataclass
class Load:
    """Clients that ask without a pause, and what they got."""

    client: openai.OpenAI
    models: list[str]
    tokens: int
    outcomes: Counter[str] = field(default_factory=Counter)
    firsts: list[float] = field(default_factory=list)
    totals: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)

    def ask(self, model: str, question: str, stream: bool) -> tuple[str, float, float]:
        """(answer, seconds to the first piece, seconds to the end)."""
        start = time.perf_counter()
        said: list[Any] = [{"role": "user", "content": question}]
        if not stream:
            whole = self.client.chat.completions.create(model=model, messages=said, max_tokens=self.tokens)
            return whole.choices[0].message.content or "", time.perf_counter() - start, time.perf_counter() - start
        text, first = "", 0.0
        for chunk in self.client.chat.completions.create(
            model=model, messages=said, max_tokens=self.tokens, stream=True
        ):
            piece = chunk.choices[0].delta.content if chunk.choices else ""
            if piece and not first:
                first = time.perf_counter() - start
            text += piece or ""
        return text, first, time.perf_counter() - start

    def run(self, seconds: float, clients: int, process: psutil.Process | None) -> None:
        """Until the time is over and every answer is there."""
        alone = {(m, q): self.ask(m, q, False)[0] for m in self.models for q in QUESTIONS}
        for question in QUESTIONS:
            print(f"{len({alone[m, question] for m in self.models})} different answers to {question!r}")
        end = time.monotonic() + seconds

        def visitor(seed: int) -> None:
            chance = random.Random(seed)
            while time.monotonic() < end:
                model, question = chance.choice(self.models), chance.choice(QUESTIONS)
                try:
                    text, first, total = self.ask(model, question, chance.random() < 0.5)
                except openai.APIStatusError as error:
                    self.outcomes[f"status {error.status_code}"] += 1
                    time.sleep(1)
                    continue
                except openai.APIError as error:
                    self.outcomes[type(error).__name__] += 1
                    continue
                self.outcomes["right" if text == alone[model, question] else "WRONG"] += 1
                self.firsts.append(first)
                self.totals.append(total)
                if process:
                    self.memory.append(process.memory_info().rss)

        if process:
            self.memory.append(process.memory_info().rss)
        threads = [threading.Thread(target=visitor, args=(seed,)) for seed in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def report(self, seconds: float) -> None:
        """The figures, printed."""
        print(dict(self.outcomes), f"{sum(self.outcomes.values()) / seconds:.2f} answers/s")
        for name, spent in (("first piece", self.firsts), ("whole answer", self.totals)):
            cuts = statistics.quantiles(spent, n=100, method="inclusive")
            print(
                f"{name}: p50 {cuts[49]:.2f} s, p95 {cuts[94]:.2f} s, p99 {cuts[98]:.2f} s, longest {max(spent):.2f} s"
            )
        if self.memory:
            before, most, after = self.memory[0] / 1e6, max(self.memory) / 1e6, self.memory[-1] / 1e6
            print(f"memory of the server: {before:.0f} MB before, {most:.0f} MB at most, {after:.0f} MB after")


def steps(client: openai.OpenAI, job_id: str) -> int:
    """How far a job is."""
    newest = (e.data["step"] for e in client.fine_tuning.jobs.list_events(job_id, limit=20).data if e.type == "metrics")  # type: ignore[index]
    return next(newest, 0)


def main() -> int:
    given = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    given.add_argument("--url")
    given.add_argument("--key", default="none")
    given.add_argument("--models", nargs="+")
    given.add_argument("--seconds", type=float, default=120)
    given.add_argument("--clients", type=int, default=6)
    given.add_argument("--max-tokens", type=int, default=24)
    given.add_argument("--pid", type=int, help="The server's process, to watch its memory.")
    given.add_argument("--no-training", action="store_true")
    options = given.parse_args()
    if options.url:
        return measure(options, options.url, options.models, options.pid)
    with served() as (url, models, pid):
        return measure(options, url, models, pid)


def measure(options: argparse.Namespace, url: str, models: list[str], pid: int | None) -> int:
    client = openai.OpenAI(base_url=url, api_key=options.key, max_retries=0, timeout=300)
    beside = None
    if not options.no_training:
        beside = job(client, "polite", 20, hyperparameters={"n_epochs": 50, "batch_size": 4})
        while not steps(client, beside):
            time.sleep(1)
        before = steps(client, beside)
    load = Load(client, models, options.max_tokens)
    load.run(options.seconds, options.clients, psutil.Process(pid) if pid else None)
    load.report(options.seconds)
    if beside is not None:
        print(
            f"training beside it: {client.fine_tuning.jobs.retrieve(beside).status}, {steps(client, beside) - before}"
            " steps meanwhile"
        )
        client.fine_tuning.jobs.cancel(beside)
    return int(set(load.outcomes) != {"right"})


if __name__ == "__main__":
    sys.exit(main())
