"""postgrad's turn in the benchmarks of training: one LoRA training on prepared records; prints a line of JSON."""

import json
import sys
import time
from pathlib import Path

from figures import peak_memory
from rewards import digits

from postgrad.models.language_model import load_model
from postgrad.records import from_dict
from postgrad.training.rewards import Graded
from postgrad.training.trainer import Plan, train
from postgrad.training_run import RunFolder, Step


def supervised(job: dict) -> Plan:
    return Plan(
        objective=job["objective"],
        rank=job["rank"],
        alpha=job["alpha"],
        learning_rate=job["learning_rate"],
        schedule="constant",
        warmup=0.0,
        batch_size=job["batch_size"],
        max_steps=job["steps"],
        max_length=job["window"],
        validations=1,
    )


def graded(answers):
    return [Graded(digits(answer)) for _, answer in answers]


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    model = load_model(job["base"])
    plan = Plan(**job["plan"]) if "plan" in job else supervised(job)
    records = [from_dict(r) for r in job["records"]]
    work = train(model, records, [], plan, RunFolder(Path(job["out"])), {"bench": "1"}, lambda: False, reward=graded)
    ends = []
    while True:
        try:
            if isinstance(next(work), Step):
                ends.append(time.perf_counter())
        except StopIteration as done:
            outcome = done.value
            break
    outcome.trained.save(Path(job["adapter"]), job["base"])
    print(json.dumps({"ends": ends, "peak_memory_bytes": peak_memory(), "computed": outcome.part.settings["computed"]}))


main()
