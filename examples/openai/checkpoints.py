"""Checkpoints and the life of a job: pause, resume, cancel, permissions, deletion."""

import io
import json
import time

import openai
from openai import OpenAI

client = OpenAI()
rows = [
    {
        "messages": [
            {"role": "user", "content": f"What comes after {number}?"},
            {"role": "assistant", "content": str(number + 1)},
        ]
    }
    for number in range(30)
]
file = client.files.create(file=io.BytesIO("\n".join(map(json.dumps, rows)).encode()), purpose="fine-tune")


def until(job_id: str, *statuses: str):
    while (job := client.fine_tuning.jobs.retrieve(job_id)).status not in (
        *statuses,
        "succeeded",
        "failed",
        "cancelled",
    ):
        time.sleep(0.5)
    return job


job = client.fine_tuning.jobs.create(
    model="gpt-4o-mini", training_file=file.id, suffix="count", hyperparameters={"n_epochs": 4, "batch_size": 1}
)
job = until(job.id, "running")
print("Paused:", client.fine_tuning.jobs.pause(job.id).status)
print("Now:", until(job.id, "paused").status)
print("Resumed:", client.fine_tuning.jobs.resume(job.id).status)
job = until(job.id)
if job.status != "succeeded":
    raise SystemExit(f"{job.status}: {job.error}")

for checkpoint in client.fine_tuning.jobs.checkpoints.list(job.id):
    name = checkpoint.fine_tuned_model_checkpoint
    answer = client.chat.completions.create(
        model=name, messages=[{"role": "user", "content": "What comes after 40?"}], max_tokens=6
    )
    print(checkpoint.step_number, checkpoint.metrics.train_loss, name, "says", answer.choices[0].message.content)

permissions = client.fine_tuning.checkpoints.permissions
given = permissions.create(name, project_ids=["proj-friends"])
for permission in given:
    print("Permission:", permission.id, permission.project_id)
    print("Taken back:", permissions.delete(permission.id, fine_tuned_model_checkpoint=name).deleted)

second = client.fine_tuning.jobs.create(model="gpt-4o-mini", training_file=file.id, hyperparameters={"n_epochs": 50})
print("Cancelled:", client.fine_tuning.jobs.cancel(second.id).status)
try:
    client.fine_tuning.jobs.cancel(second.id)
except openai.BadRequestError as error:
    print("Again:", error.message)
print("Deleted:", client.models.delete(job.fine_tuned_model).deleted, client.files.delete(file.id).deleted)
try:
    client.chat.completions.create(model=job.fine_tuned_model, messages=[{"role": "user", "content": "hi"}])
except openai.NotFoundError as error:
    print("Gone:", error.code)
