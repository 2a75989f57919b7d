"""Classification with prompt and completion pairs, and the completions API."""

import csv
import io
import json
import math
import time

from openai import OpenAI

client = OpenAI()
STREET = [
    "The tram is late again",
    "A bus stopped in the rain",
    "Bikes have a lane of their own",
    "The bridge is closed to cars",
]
KITCHEN = ["The soup wants more salt", "Bread rises overnight", "A pan of onions is on the fire", "The oven is too hot"]

pairs = []
for number in range(6):
    for text in STREET:
        pairs.append({"prompt": f"{text} ({number})\n\n###\n\n", "completion": " street"})
    for text in KITCHEN:
        pairs.append({"prompt": f"{text} ({number})\n\n###\n\n", "completion": " kitchen"})


def upload(rows: list[dict], name: str) -> str:
    data = "\n".join(json.dumps(row) for row in rows).encode()
    return client.files.create(file=(name, io.BytesIO(data)), purpose="fine-tune").id


job = client.fine_tuning.jobs.create(
    model="babbage-002",
    training_file=upload(pairs[:40], "train.jsonl"),
    validation_file=upload(pairs[40:], "valid.jsonl"),
    hyperparameters={"n_epochs": 3, "batch_size": 8, "learning_rate_multiplier": 1},
)
while job.finished_at is None:
    time.sleep(1)
    job = client.fine_tuning.jobs.retrieve(job.id)
if job.status != "succeeded":
    raise SystemExit(f"{job.status}: {job.error}")

result = client.files.retrieve(job.result_files[0])
table = list(csv.DictReader(io.StringIO(client.files.content(result.id).text)))
print("Result file:", result.filename, len(table), "steps, last training loss", table[-1]["train_loss"])

right = 0
for pair in pairs[40:]:
    choice = client.completions.create(
        model=job.fine_tuned_model, prompt=pair["prompt"], max_tokens=1, temperature=0, logprobs=2
    ).choices[0]
    best = choice.logprobs.top_logprobs[0]
    assert len(best) == 2 and math.isclose(max(best.values()), choice.logprobs.token_logprobs[0])
    right += pair["completion"].startswith(choice.text) and bool(choice.text.strip())
print("Right:", right, "of", len(pairs[40:]))
print("Model:", job.fine_tuned_model)
