"""A server that is asked for more than it can give, by six keys of three projects at once: chat, streams, long prompts,
uploads, evaluations, and a training beside them.

    python bench/saturation.py [--minutes 10] [--clients 3] [--out F.json]

Each project trains a model of its own first; then every key has `--clients` clients that ask without a pause, half of
them streaming, one request in twenty with a long prompt; one more client per key uploads and deletes files, and one
evaluates. A training runs all the while. Wanted: no 5xx, every greedy answer as it is without load and by the right
model, shares of the keys within 20 % of one another, bounded memory, and afterwards no more open files and processes
than before. Exit code 1 where one of these is not so.
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openai
import psutil

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent))

from load import MANNERS, QUESTIONS, job, steps
from own_home import own_home
from tests.serving.running import Process, examples

PROJECTS = dict(zip(("north", "south", "west"), MANNERS, strict=True))
TOKENS = 24
LONG = "The parcel with the green lamp was sent to the wrong address again. " * 60
SHARES, GROWTH = 0.20, 1.5
GRADER = {
    "type": "string_check", "name": "same", "operation": "eq",
    "input": "{{sample.output_text}}", "reference": "{{item.right}}",
}  # fmt: skip


@dataclass
class Key:
    """One key and what it got."""

    name: str
    client: openai.OpenAI
    model: str
    alone: dict[str, str] = field(default_factory=dict)
    statuses: Counter[str] = field(default_factory=Counter)
    answers: int = 0
    tokens: int = 0
    firsts: list[float] = field(default_factory=list)

    def ask(self, question: str, stream: bool) -> str:
        said: list[Any] = [{"role": "user", "content": question}]
        begin = time.perf_counter()
        if not stream:
            whole = self.client.chat.completions.create(
                model=self.model, messages=said, max_tokens=TOKENS, temperature=0
            )
            assert whole.usage is not None
            self.tokens += whole.usage.completion_tokens
            self.firsts.append(time.perf_counter() - begin)
            return whole.choices[0].message.content or ""
        text, first = "", 0.0
        options = {"include_usage": True}
        for chunk in self.client.chat.completions.create(
            model=self.model, messages=said, max_tokens=TOKENS, temperature=0, stream=True, stream_options=options
        ):
            if chunk.choices and (piece := chunk.choices[0].delta.content):
                first = first or time.perf_counter() - begin
                text += piece
            if chunk.usage:
                self.tokens += chunk.usage.completion_tokens
        self.firsts.append(first)
        return text

    def guarded(self, what: str, call: Any) -> Any:
        """Runs a request and counts what came of it."""
        try:
            out = call()
        except openai.APIStatusError as error:
            self.statuses[f"{what} {error.status_code}"] += 1
            if error.status_code == 429:
                time.sleep(float(error.response.headers.get("retry-after", 1)) * random.uniform(0.5, 1))
            return None
        except Exception as error:  # noqa: BLE001 - a stream that breaks raises what the client's transport raises
            self.statuses[f"{what} {type(error).__name__}"] += 1
            return None
        self.statuses[f"{what} fine"] += 1
        return out

    def chat(self, seed: int, end: float) -> None:
        chance = random.Random(seed)
        while time.monotonic() < end:
            question = chance.choice(QUESTIONS)
            long = chance.random() < 0.05
            asked = LONG + f"{chance.random()} {question}" if long else question
            text = self.guarded("long" if long else "chat", lambda a=asked: self.ask(a, chance.random() < 0.5))
            if text is not None and not long:
                self.answers += 1
                if text != self.alone[question]:
                    self.statuses["chat WRONG"] += 1

    def upload(self, end: float) -> None:
        while time.monotonic() < end:
            content = (examples(200) + b"\n") * 20
            file = self.guarded(
                "upload", lambda c=content: self.client.files.create(file=io.BytesIO(c), purpose="fine-tune")
            )
            if file is not None:
                self.guarded("delete", lambda f=file: self.client.files.delete(f.id))
            time.sleep(2)

    def evaluate(self, end: float) -> None:
        schema = {"type": "object", "properties": {"right": {"type": "string"}, "q": {"type": "string"}}}
        made = self.guarded(
            "eval",
            lambda: self.client.evals.create(
                data_source_config={"type": "custom", "item_schema": schema, "include_sample_schema": True},
                testing_criteria=[GRADER],  # type: ignore[list-item]
            ),
        )
        source = {
            "type": "completions",
            "model": self.model,
            "source": {"type": "file_content", "content": [{"item": {"right": "x", "q": q}} for q in QUESTIONS * 2]},
            "input_messages": {"type": "template", "template": [{"role": "user", "content": "{{item.q}}"}]},
            "sampling_params": {"max_completion_tokens": 8, "temperature": 0},
        }
        while made is not None and time.monotonic() < end:
            run = self.guarded("run", lambda: self.client.evals.runs.create(made.id, data_source=source))  # type: ignore[arg-type]
            while run is not None and time.monotonic() < end and run.status in ("queued", "in_progress"):
                time.sleep(1)
                run = self.guarded("look", lambda r=run: self.client.evals.runs.retrieve(r.id, eval_id=made.id))
            time.sleep(1)


def resources(process: psutil.Process) -> dict[str, int]:
    return {
        "memory_mb": process.memory_info().rss // 1_000_000,
        "files": process.num_fds(),
        "threads": process.num_threads(),
        "children": len(process.children(recursive=True)),
    }


def prepared(server: Process, fresh: Path) -> list[Key]:
    """Two keys of each project, and a model that each project has trained."""
    from postgrad.registry import Catalogue
    from postgrad.registry.keys import Keys

    keys, out = Keys(Catalogue(f"sqlite:///{fresh / 'catalogue.db'}")), []
    secrets = {(p, n): keys.create(f"{p}-{n}", project=p)[0] for p in PROJECTS for n in "ab"}
    time.sleep(2.5)
    trained = {}
    for project, manner in PROJECTS.items():
        client = openai.OpenAI(base_url=server.address, api_key=secrets[project, "a"], timeout=300, max_retries=2)
        trained[project] = (client, job(client, manner, hyperparameters={"n_epochs": 3}))
    for client, one in trained.values():
        while not client.fine_tuning.jobs.retrieve(one).finished_at:
            time.sleep(1)
    for (project, n), secret in secrets.items():
        client, one = trained[project]
        model = str(client.fine_tuning.jobs.retrieve(one).fine_tuned_model)
        own = openai.OpenAI(base_url=server.address, api_key=secret, timeout=600, max_retries=0)
        key = Key(f"{project}-{n}", own, model)
        key.alone = {q: key.ask(q, False) for q in QUESTIONS}
        key.tokens, key.firsts = 0, []
        out.append(key)
    return out


def main() -> int:
    given = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    given.add_argument("--minutes", type=float, default=10)
    given.add_argument("--clients", type=int, default=3)
    given.add_argument("--out", type=Path)
    options = given.parse_args()
    with own_home() as fresh:
        server = Process(fresh, "smollm2-135m-instruct", threads=2, dtype="")
        server.start()
        try:
            return measured(server, fresh, options)
        finally:
            server.end()


def measured(server: Process, fresh: Path, options: argparse.Namespace) -> int:
    keys = prepared(server, fresh)
    assert server.child is not None
    process = psutil.Process(server.child.pid)
    beside = job(keys[0].client, "polite", 20, hyperparameters={"n_epochs": 50, "batch_size": 4})
    while not steps(keys[0].client, beside):
        time.sleep(1)
    begun, before = steps(keys[0].client, beside), resources(process)
    end, seen = time.monotonic() + 60 * options.minutes, [before]
    threads = []
    for number, key in enumerate(keys):
        threads += [threading.Thread(target=key.chat, args=(100 * number + i, end)) for i in range(options.clients)]
        threads += [
            threading.Thread(target=key.upload, args=(end,)),
            threading.Thread(target=key.evaluate, args=(end,)),
        ]
    for thread in threads:
        thread.start()
    while any(t.is_alive() for t in threads):
        seen.append(resources(process))
        time.sleep(1)
    trained = steps(keys[0].client, beside) - begun
    keys[0].client.fine_tuning.jobs.cancel(beside)
    time.sleep(20)  # what was left of runs, and connections that are kept
    for key in keys:
        key.client.close()
    time.sleep(5)
    after = resources(process)
    shares = {key.name: key.tokens for key in keys}
    off = max(abs(n / statistics.mean(shares.values()) - 1) for n in shares.values())
    statuses = sum((key.statuses for key in keys), Counter())
    firsts = sorted(f for key in keys for f in key.firsts)
    faults = [
        s
        for s in statuses
        if "WRONG" in s or s.split()[-1].startswith("5") or (not s.split()[-1].isdigit() and not s.endswith(" fine"))
    ]
    faults += [f"shares are {off:.0%} off"] if off > SHARES else []
    quarters = [seen[n * len(seen) // 4 : (n + 1) * len(seen) // 4] for n in range(4)]
    memory = [max(s["memory_mb"] for s in part) for part in quarters]
    faults += [f"memory still grows: {memory} MB"] if memory[3] > GROWTH * max(memory[:3]) else []
    faults += [f"{after['files'] - before['files']} more open files"] if after["files"] > before["files"] + 8 else []
    faults += ["processes are left"] if after["children"] > before["children"] else []
    result = {
        "statuses": dict(sorted(statuses.items())),
        "tokens by key": shares,
        "largest difference from the mean": round(off, 3),
        "answers": sum(key.answers for key in keys),
        "first piece s": {"p50": round(statistics.median(firsts), 2), "p95": round(firsts[int(0.95 * len(firsts))], 2)},
        "training steps meanwhile": trained,
        "before": before,
        "most memory_mb by quarter": memory,
        "after": after,
        "faults": faults,
    }
    print(json.dumps(result, indent=1))
    if options.out:
        options.out.write_text(json.dumps(result, indent=1))
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
