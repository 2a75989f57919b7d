"""Fine-tuning for function calling: which tool, with which arguments."""

import io
import json
import time

from openai import OpenAI

client = OpenAI()
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "take_off",
            "description": "Starts the drone.",
            "parameters": {
                "type": "object",
                "properties": {"height": {"type": "integer", "minimum": 1, "maximum": 120, "description": "in metres"}},
                "required": ["height"],
                "additionalProperties": False,
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "land",
            "description": "Lands the drone.",
            "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
        },
    },
]
SYSTEM = {"role": "system", "content": "You fly a drone. Call a tool."}


def call(name: str, **arguments: int) -> dict:
    return {"id": "call_1", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}


def example(request: str, tool_call: dict) -> dict:
    asked = [SYSTEM, {"role": "user", "content": request}]
    return {
        "messages": [*asked, {"role": "assistant", "tool_calls": [tool_call]}],
        "tools": TOOLS,
        "parallel_tool_calls": False,
    }


examples = [example(f"Go up to {metres} metres", call("take_off", height=metres)) for metres in range(2, 26)]
examples += [example(f"Come down, number {number}", call("land")) for number in range(12)]
data = "\n".join(json.dumps(row) for row in examples).encode()
file = client.files.create(file=io.BytesIO(data), purpose="fine-tune")
job = client.fine_tuning.jobs.create(
    training_file=file.id,
    model="gpt-4o-mini",
    suffix="drone",
    method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2, "batch_size": 4}}},
)
while job.status not in ("succeeded", "failed", "cancelled"):
    time.sleep(1)
    job = client.fine_tuning.jobs.retrieve(job.id)
if job.status != "succeeded":
    raise SystemExit(f"{job.status}: {job.error}")


def asked(model: str, request: str) -> str:
    completion = client.chat.completions.create(
        model=model,
        messages=[SYSTEM, {"role": "user", "content": request}],
        tools=TOOLS,
        tool_choice="required",
        temperature=0,
        seed=1,
        max_tokens=200,
    )
    calls = completion.choices[0].message.tool_calls
    arguments = json.loads(calls[0].function.arguments)
    return f"{calls[0].function.name}({arguments})"


for model in ("gpt-4o-mini", job.fine_tuned_model):
    print(model, "|", asked(model, "Go up to 40 metres"), "|", asked(model, "Come down now"))
print("Model:", job.fine_tuned_model)
