"""Supervised fine-tuning: sentences in, the named entities of each as JSON out."""

import json
import tempfile
import time
from pathlib import Path

from openai import OpenAI

client = OpenAI()
PEOPLE = ["Ada", "Bram", "Chioma", "Dag", "Esra", "Femi", "Gita", "Hugo"]
CITIES = ["Oslo", "Lagos", "Lima", "Kyoto", "Turin"]
SYSTEM = "Give the person and the city as JSON."


def conversation(person: str, city: str) -> dict:
    answer = json.dumps({"person": person, "city": city})
    return {
        "messages": [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": f"{person} took the night train to {city}."},
            {"role": "assistant", "content": answer},
        ]
    }


def upload(rows: list[dict], path: Path) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with path.open("rb") as file:
        return client.files.create(file=file, purpose="fine-tune").id


rows = [conversation(person, city) for person in PEOPLE for city in CITIES]
folder = Path(tempfile.mkdtemp())
training_file = upload(rows[:32], folder / "training.jsonl")
validation_file = upload(rows[32:], folder / "validation.jsonl")

job = client.fine_tuning.jobs.create(
    model="gpt-4o-mini-2024-07-18",
    training_file=training_file,
    validation_file=validation_file,
    suffix="entities",
    seed=7,
    hyperparameters={"n_epochs": 3},
)
print("Job:", job.id, job.status)
while job.status not in ("succeeded", "failed", "cancelled"):
    time.sleep(1)
    job = client.fine_tuning.jobs.retrieve(job.id)

events = list(client.fine_tuning.jobs.list_events(fine_tuning_job_id=job.id, limit=50))
for event in reversed(events):
    print(event.created_at, event.level, event.message)
if job.status != "succeeded":
    raise SystemExit(f"{job.status}: {job.error}")

question = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "Hugo took the night train to Turin."}]
answer = client.chat.completions.create(model=job.fine_tuned_model, messages=question, temperature=0, max_tokens=40)
pieces = []
for chunk in client.chat.completions.create(
    model=job.fine_tuned_model, messages=question, temperature=0, max_tokens=40, stream=True
):
    if chunk.choices and chunk.choices[0].delta.content:
        pieces.append(chunk.choices[0].delta.content)
print("Answer:", answer.choices[0].message.content)
print("Streamed:", "".join(pieces))
print("Tokens:", job.trained_tokens, "trained,", answer.usage.total_tokens, "for the answer")
print("Model:", job.fine_tuned_model)
