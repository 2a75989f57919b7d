"""Records whose right answer is a call of a tool and nothing else go through the whole job: none is left out."""

import json

from postgrad.evaluation import arms
from postgrad.recipe import Recipe, merged
from postgrad.records import Conversation, Message
from postgrad.workflows.run import run
from tests.workflows.test_main_job import finish

TOOL = {
    "type": "function",
    "function": {
        "name": "find_order",
        "description": "Looks an order up.",
        "parameters": {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]},
    },
}


def call(number):
    return {"id": "c1", "type": "function", "function": {"name": "find_order", "arguments": f'{{"number": {number}}}'}}


def row(number):
    asked = {"role": "user", "content": f"{['Where is', 'What became of', 'Please find'][number % 3]} order {number}?"}
    said = {"role": "assistant", "content": None, "tool_calls": [call(number)]}
    return {"messages": [asked, said], "tools": [TOOL]}


def test_calls_are_trained_and_measured(tiny_folder, tmp_path):
    path = tmp_path / "orders.jsonl"
    path.write_text("".join(json.dumps(row(1000 + 37 * i)) + "\n" for i in range(40)))
    changes = {
        "base": str(tiny_folder),
        "training.epochs": 1,
        "evaluation.general": False,
        "evaluation.arms": ["prompted", "few_shot", "fine_tuned"],
    }
    report, _ = finish(run(merged(Recipe(), changes), [path], tmp_path / "out"))
    assert report.data.kept == 40 and report.task.metric == "tool_calls"
    assert "calling the functions" in report.system_prompt
    assert report.training.supervised_tokens > 10 * report.training.examples
    assert '"find_order"' in report.samples[0].reference


def test_worked_examples_keep_their_calls():
    example = Conversation(
        messages=(Message("user", "Find order 7"), Message("assistant", "", tool_calls=(call(7),))), tools=(TOOL,)
    )
    shown = arms.few_shot("Call.", [example]).ask(example)
    assert shown[2].tool_calls == (call(7),)
    assert example.answer_text == '[{"name": "find_order", "arguments": {"number": 7}}]'
