"""An evaluation: criteria once, runs on two models, and what each row got."""

import io
import json
import time

from openai import OpenAI

client = OpenAI()
ROWS = [
    {"item": {"ticket": "My screen is black.", "right": "hardware"}},
    {"item": {"ticket": "The invoice is wrong.", "right": "billing"}},
    {"item": {"ticket": "My mouse is dead.", "right": "hardware"}},
]
made = client.evals.create(
    name="ticket kinds",
    metadata={"team": "support"},
    data_source_config={
        "type": "custom",
        "item_schema": {
            "type": "object",
            "properties": {"ticket": {"type": "string"}, "right": {"type": "string"}},
            "required": ["ticket", "right"],
        },
        "include_sample_schema": True,
    },
    testing_criteria=[
        {
            "type": "string_check",
            "name": "same kind",
            "operation": "ilike",
            "input": "{{ sample.output_text }}",
            "reference": "{{ item.right }}",
        },
        {
            "type": "text_similarity",
            "name": "near",
            "evaluation_metric": "fuzzy_match",
            "pass_threshold": 0.6,
            "input": "{{ sample.output_text }}",
            "reference": "{{ item.right }}",
        },
        {
            "type": "label_model",
            "name": "polite",
            "model": "gpt-4o",
            "labels": ["polite", "rude"],
            "passing_labels": ["polite"],
            "input": [
                {"role": "developer", "content": "Is the answer polite or rude?"},
                {"role": "user", "content": "{{ sample.output_text }}"},
            ],
        },
    ],
)
data = "\n".join(json.dumps(row) for row in ROWS).encode()
file = client.files.create(file=("tickets.jsonl", io.BytesIO(data)), purpose="evals")
runs = []
for model in ("gpt-4o-mini", "gpt-4o"):
    run = client.evals.runs.create(
        made.id,
        name=f"with {model}",
        data_source={
            "type": "completions",
            "model": model,
            "source": {"type": "file_id", "id": file.id},
            "input_messages": {
                "type": "template",
                "template": [
                    {"role": "developer", "content": "Say hardware, software or billing."},
                    {"role": "user", "content": "{{ item.ticket }}"},
                ],
            },
            "sampling_params": {"temperature": 0, "max_completion_tokens": 12, "seed": 1},
        },
    )
    runs.append(run)
for run in runs:
    while (run := client.evals.runs.retrieve(run.id, eval_id=made.id)).status in ("queued", "in_progress"):
        time.sleep(0.5)
    print(run.name, run.status, run.result_counts.model_dump(), run.report_url)
    for result in run.per_testing_criteria_results:
        print("  ", result.testing_criteria, result.passed, "passed", result.failed, "failed")
    for item in client.evals.runs.output_items.list(run.id, eval_id=made.id):
        print("  ", item.datasource_item["ticket"], "->", item.sample.output[0].content)
    if run.status != "completed":
        raise SystemExit(run.error)
print("Deleted:", client.evals.delete(made.id).deleted)
