"""Reinforcement fine-tuning: a grader in place of answers."""

import io
import json
import time

from openai import OpenAI

client = OpenAI()
GRADER = {
    "type": "multi",
    "name": "right_and_near",
    "graders": {
        "exact": {
            "type": "string_check",
            "name": "exact",
            "operation": "eq",
            "input": "{{sample.output_text}}",
            "reference": "{{item.right}}",
        },
        "near": {
            "type": "text_similarity",
            "name": "near",
            "evaluation_metric": "fuzzy_match",
            "input": "{{sample.output_text}}",
            "reference": "{{item.right}}",
        },
    },
    "calculate_output": "0.5 * exact + 0.5 * near",
}

checked = client.fine_tuning.alpha.graders.validate(grader=GRADER)
tried = client.fine_tuning.alpha.graders.run(grader=checked.grader, item={"right": "seven"}, model_sample="seventy")
print("Reward of a near miss:", round(tried.reward, 3), tried.sub_rewards)

words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
rows = [
    {"messages": [{"role": "user", "content": f"Write {number} as a word."}], "right": word}
    for number, word in enumerate(words, 1)
]


def upload(some: list[dict]) -> str:
    return client.files.create(file=io.BytesIO("\n".join(map(json.dumps, some)).encode()), purpose="fine-tune").id


job = client.fine_tuning.jobs.create(
    model="o4-mini-2025-04-16",
    training_file=upload(rows[:10]),
    validation_file=upload(rows[10:]),
    method={
        "type": "reinforcement",
        "reinforcement": {
            "grader": GRADER,
            "hyperparameters": {
                "n_epochs": 1,
                "batch_size": 5,
                "compute_multiplier": 0.5,
                "reasoning_effort": "medium",
            },
        },
    },
)
while job.status not in ("succeeded", "failed", "cancelled"):
    time.sleep(1)
    job = client.fine_tuning.jobs.retrieve(job.id)
if job.status != "succeeded":
    raise SystemExit(f"{job.status}: {job.error}")
for event in client.fine_tuning.jobs.list_events(job.id):
    if event.type == "metrics":
        print(event.data["step"], "mean reward", event.data["train_reward_mean"])
answer = client.chat.completions.create(model=job.fine_tuned_model, messages=rows[0]["messages"], max_tokens=8)
print("Answer:", answer.choices[0].message.content)
print("Model:", job.fine_tuned_model)
