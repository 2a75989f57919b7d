"""Kills server and training processes at random moments (kill -9) and looks whether any job is lost or done twice.

`python bench/kill_jobs.py --cycles 200` from the checkout; jobs of a tiny model run all the while. Prints one line a
cycle to stderr and a summary as JSON to stdout; exit code 1 if anything is wrong. A training that dies ten times
without a step is given up on purpose, so that after five kills without a step the next one waits for one.
"""

from __future__ import annotations

import argparse
import collections
import io
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import openai

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.conftest import write_model
from tests.serving.running import Process, examples


def main() -> int:
    """The run."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--cycles", type=int, default=200)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--longest", type=float, default=25.0, help="longest pause between two kills, in seconds")
    chosen = options.parse_args()
    draw = random.Random(chosen.seed)
    with tempfile.TemporaryDirectory() as scratch:
        server = Process(Path(scratch) / "home", write_model(Path(scratch) / "tiny"))
        server.start()
        try:
            return run(server, chosen.cycles, chosen.longest, draw)
        finally:
            server.end()


def run(server: Process, cycles: int, longest: float, draw: random.Random) -> int:
    """The cycles, and the reckoning."""
    client = openai.OpenAI(base_url=server.address, api_key="x", max_retries=5, timeout=60)
    file = client.files.create(file=io.BytesIO(examples(20)), purpose="fine-tune").id
    made: list[str] = []
    killed: collections.Counter[str] = collections.Counter()
    began, patience, before = time.monotonic(), 0, 0
    for cycle in range(cycles):
        while sum(client.fine_tuning.jobs.retrieve(j).finished_at is None for j in made[-3:]) < 2:
            hard = {"batch_size": 1, "n_epochs": draw.randint(5, 50)}
            made.append(client.fine_tuning.jobs.create(model="gpt-4o", training_file=file, hyperparameters=hard).id)
        time.sleep(draw.uniform(0.2, longest))
        while (after := progress(client, made)) == before and patience >= 5:
            time.sleep(0.5)
        patience, before = (0 if after > before else patience) + 1, after
        what = draw.choice(["worker", "worker", "server", "both"])
        workers = server.workers()
        if what in ("server", "both"):
            server.kill()
        if what in ("worker", "both"):
            for pid in workers:
                os.kill(pid, signal.SIGKILL)
        killed[what if workers or what == "server" else f"{what} (none was there)"] += 1
        if what in ("server", "both"):
            time.sleep(draw.uniform(0, 3))
            server.start()
        if len(server.workers()) > 1:
            print(f"two training processes at once: {server.workers()}", file=sys.stderr)
            killed["WRONG: two at once"] += 1
        states = collections.Counter(client.fine_tuning.jobs.retrieve(j).status for j in made)
        print(f"{cycle + 1}: {what}; {dict(states)}", file=sys.stderr, flush=True)
    while any(client.fine_tuning.jobs.retrieve(j).finished_at is None for j in made):
        time.sleep(1)
    faults = [fault for job in made for fault in wrong(client, job)]
    time.sleep(2)
    if orphans := server.workers():
        faults.append(f"processes without a job: {orphans}")
    models = [m.id for m in client.models.list() if m.id.startswith("ft:") and "@" not in m.id and "ckpt" not in m.id]
    if len(models) != len(made):
        faults.append(f"{len(models)} models of {len(made)} jobs")
    minutes = (time.monotonic() - began) / 60
    result = {"cycles": cycles, "kills": killed, "jobs": len(made), "minutes": round(minutes, 1), "faults": faults}
    print(json.dumps(result, indent=1))
    return 1 if faults or any("WRONG" in k for k in killed) else 0


def progress(client: openai.OpenAI, made: list[str]) -> int:
    """Grows with every step told of the newest jobs and every job that ends."""
    jobs = [client.fine_tuning.jobs.retrieve(job) for job in made[-3:]]
    told = [client.fine_tuning.jobs.list_events(job.id, limit=1).data for job in jobs if job.status == "running"]
    steps = [int(event.data["step"]) for some in told for event in some if event.type == "metrics"]  # type: ignore[index]
    return 10_000 * (len(made) - sum(job.finished_at is None for job in jobs)) + max(steps, default=0)


def wrong(client: openai.OpenAI, job_id: str) -> list[str]:
    """What is wrong with a job that has ended."""
    job = client.fine_tuning.jobs.retrieve(job_id)
    if job.status != "succeeded":
        return [f"{job_id} is {job.status}: {job.error}"]
    events = list(client.fine_tuning.jobs.list_events(job_id, limit=100))
    steps = [e.data["step"] for e in events if e.type == "metrics"][::-1]
    ends = sum(e.message == "The job has successfully completed" for e in events)
    faults = [] if ends == 1 else [f"{job_id} ended {ends} times"]
    if steps != sorted(set(steps)):
        faults.append(f"{job_id} tells steps twice or out of order")
    rows = client.files.content(job.result_files[0]).text.splitlines()
    if len(rows) - 1 != 20 * job.hyperparameters.n_epochs:
        faults.append(f"{job_id} has {len(rows) - 1} rows in its result file, not {20 * job.hyperparameters.n_epochs}")
    return faults


if __name__ == "__main__":
    sys.exit(main())
