"""Preference fine-tuning: supervised on the preferred answers first, then direct preference optimisation."""

import io
import json
import time

from openai import OpenAI

client = OpenAI()
TOPICS = [
    "the tides",
    "a violin",
    "yeast",
    "the moon",
    "a lock",
    "rust",
    "glass",
    "wool",
    "salt",
    "an echo",
    "frost",
    "ink",
]


def upload(rows: list[dict]) -> str:
    data = "\n".join(json.dumps(row) for row in rows).encode()
    return client.files.create(file=io.BytesIO(data), purpose="fine-tune").id


def finished(job_id: str):
    while True:
        job = client.fine_tuning.jobs.retrieve(job_id)
        if job.status in ("succeeded", "failed", "cancelled"):
            break
        time.sleep(1)
    if job.status != "succeeded":
        raise SystemExit(f"{job.status}: {job.error}")
    return job


supervised, pairs = [], []
for topic in TOPICS:
    question = {"role": "user", "content": f"Tell me about {topic}."}
    short = {"role": "assistant", "content": f"In one line: {topic} is worth a look."}
    long = {"role": "assistant", "content": f"Well, {topic}, where shall I begin, and where shall I ever end?"}
    supervised.append({"messages": [question, short]})
    pairs.append(
        {
            "input": {"messages": [question], "tools": [], "parallel_tool_calls": True},
            "preferred_output": [short],
            "non_preferred_output": [long],
        }
    )

first = finished(
    client.fine_tuning.jobs.create(
        model="gpt-4o-mini", training_file=upload(supervised), suffix="brief", hyperparameters={"n_epochs": 2}
    ).id
)
second = finished(
    client.fine_tuning.jobs.create(
        model=first.fine_tuned_model,
        training_file=upload(pairs),
        suffix="brief-dpo",
        method={"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.1, "n_epochs": 2}}},
    ).id
)
for event in client.fine_tuning.jobs.list_events(second.id, limit=5).data:
    print(event.message)
answer = client.chat.completions.create(
    model=second.fine_tuned_model, messages=[{"role": "user", "content": "Tell me about moss."}], max_tokens=30
)
print("Beta:", second.method.dpo.hyperparameters.beta, "Answer:", answer.choices[0].message.content)
print("Model:", second.fine_tuned_model)
