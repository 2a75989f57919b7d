"""Distillation: a larger model answers under a schema, a smaller one is trained on its answers."""

import json
import time
from typing import Literal

from openai import OpenAI
from pydantic import BaseModel

client = OpenAI()
SYSTEM = "Which kind of drink is it?"


class Drink(BaseModel):
    kind: Literal["tea", "coffee", "juice"]


drinks = [
    "sencha",
    "espresso",
    "apple",
    "assam",
    "lungo",
    "grape",
    "oolong",
    "mocha",
    "pear",
    "matcha",
    "ristretto",
    "plum",
]
rows = []
for number, drink in enumerate(drinks):
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": f"A cup of {drink}."}]
    completion = client.chat.completions.parse(
        model="gpt-4o",
        messages=messages,
        response_format=Drink,
        temperature=0.9,
        seed=number,
        store=True,
        metadata={"distil": "drinks"},
    )
    kind = completion.choices[0].message.parsed.kind
    rows.append({"messages": [*messages, {"role": "assistant", "content": json.dumps({"kind": kind})}]})

data = "\n".join(json.dumps(row) for row in rows).encode()
file = client.files.create(file=("distilled.jsonl", data, "application/jsonl"), purpose="fine-tune")
file = client.files.wait_for_processing(file.id)
job = client.fine_tuning.jobs.create(
    training_file=file.id, model="gpt-4o-mini", hyperparameters={"n_epochs": 4}, metadata={"made": "by distillation"}
)
while not job.finished_at:
    time.sleep(1)
    job = client.fine_tuning.jobs.retrieve(job.id)
if job.status != "succeeded":
    raise SystemExit(f"{job.status}: {job.error}")
again = client.chat.completions.parse(
    model=job.fine_tuned_model, messages=rows[0]["messages"][:2], response_format=Drink, temperature=0
)
print("Teacher:", rows[0]["messages"][2]["content"], "Student:", again.choices[0].message.parsed)
mine = list(client.fine_tuning.jobs.list(metadata={"made": "by distillation"}))
print("Found again by its metadata:", job.id in [one.id for one in mine])
print("Model:", job.fine_tuned_model)
