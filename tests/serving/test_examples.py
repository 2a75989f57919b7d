"""OpenAI's rules for training files: every fault is named by example and message, in its words."""

import json

import pytest

from postgrad.data.load import load
from postgrad.steps.openai_jobs.training_file import FileFaultError, count_examples

USER, ANSWER = {"role": "user", "content": "Where is it?"}, {"role": "assistant", "content": "On its way."}
GOOD = {"messages": [USER, ANSWER]}


def write(tmp_path, examples):
    path = tmp_path / "file.jsonl"
    path.write_text("\n".join(e if isinstance(e, str) else json.dumps(e) for e in examples), "utf-8")
    return path


def fault_of(tmp_path, examples, method="supervised"):
    with pytest.raises(FileFaultError) as caught:
        count_examples(write(tmp_path, examples), "file-abc", method)
    return caught.value


@pytest.mark.parametrize(
    "example",
    [
        GOOD,
        {"prompt": "Where?", "completion": "There."},
        {"messages": [{"role": "developer", "content": "Be short."}, USER, {**ANSWER, "weight": 0}, USER, ANSWER]},
        {
            "messages": [USER, {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}],
            "tools": [{"type": "function"}],
        },
        {
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, ANSWER],
            "parallel_tool_calls": False,
        },
    ],
)
def test_good_examples_are_counted(tmp_path, example):
    assert count_examples(write(tmp_path, [*[example] * 12, "", "  "]), "file-abc", "supervised") == 12


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"content": "x"}, "Discriminator 'role' is missing in value"),
        ({"role": "robot", "content": "x"}, "unknown role 'robot'"),
        ({"role": "user"}, "Field required: 'content'"),
        ({"role": "tool", "content": "x"}, "Field required: 'tool_call_id'"),
        ({"role": "assistant", "content": "x", "weight": 0.5}, "weight 0.5"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}, "'image_url'"),
        ({"role": "user", "content": 7}, "neither a string nor a list"),
        ("x", "is not a JSON dictionary"),
    ],
)
def test_a_fault_is_named_by_example_and_message(tmp_path, message, words):
    told = fault_of(tmp_path, [*[GOOD] * 10, {"messages": [USER, message, ANSWER]}]).message
    assert told.startswith("Invalid file format. Example 11, message 2 ") and words in told


@pytest.mark.parametrize(
    ("example", "words"),
    [
        ({"messages": []}, "no list of 'messages'"),
        ({"messages": [USER]}, "no message of the assistant"),
        ({"messages": [USER, ANSWER], "functions": [{}]}, "has 'functions' that are not"),
        ({"messages": [USER, ANSWER], "tools": "x"}, "not a list of objects"),
        ("[1]", "Line 11 is not a JSON dictionary"),
        ("{", "Line 11 is not a JSON dictionary"),
    ],
)
def test_a_fault_of_a_whole_example(tmp_path, example, words):
    assert words in fault_of(tmp_path, [*[GOOD] * 10, example]).message


def test_many_faults_are_counted_and_the_first_named(tmp_path):
    told = fault_of(tmp_path, [{"messages": [{"content": "x"}, ANSWER]}] * 9).message
    assert told.count("Discriminator") == 5 and told.endswith("and 4 more")


def test_too_few_examples_in_the_services_words(tmp_path):
    fault = fault_of(tmp_path, [GOOD] * 7)
    assert fault.few and fault.message == "Training file has 7 example(s), but must have at least 10 examples"


def test_a_format_that_is_none_or_another_methods(tmp_path):
    assert fault_of(tmp_path, [{"text": "x"}] * 12).message.startswith("Unexpected file format, expected either")
    told = fault_of(tmp_path, [GOOD] * 12, "dpo").message
    assert told.startswith(
        "Input file file-abc is in the fine-tune-chat format, but the specified fine-tuning job is not using"
        " 'supervised'"
    )


@pytest.mark.parametrize("spelling", ["output", "completion"])
def test_preferences_in_both_spellings(tmp_path, spelling):
    pair = {"input": {"messages": [USER]}, f"preferred_{spelling}": [ANSWER], f"non_preferred_{spelling}": [ANSWER]}
    assert count_examples(write(tmp_path, [pair] * 10), "file-abc", "dpo") == 10
    assert "exactly one" in fault_of(tmp_path, [{**pair, f"preferred_{spelling}": [ANSWER] * 2}] * 10, "dpo").message
    assert "must not be" in fault_of(tmp_path, [{**pair, "input": {"messages": [USER, ANSWER]}}] * 10, "dpo").message


def test_reinforcement_ends_with_the_user(tmp_path):
    assert count_examples(write(tmp_path, [{"messages": [USER], "answer": 4}] * 10), "f", "reinforcement") == 10
    assert "must end" in fault_of(tmp_path, [GOOD] * 10, "reinforcement").message


def test_the_older_spelling_of_tools_is_trained_on_alike(tmp_path):
    function = {"name": "land", "description": "Lands.", "parameters": {"type": "object", "properties": {}}}
    call = {"name": "land", "arguments": "{}"}
    result = {"name": "land", "content": "down"}
    older = {
        "functions": [function],
        "messages": [
            USER,
            {"role": "assistant", "function_call": call},
            {"role": "function", **result},
            ANSWER,
        ],
    }
    newer = {
        "tools": [{"type": "function", "function": function}],
        "messages": [
            USER,
            {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": call}]},
            {"role": "tool", "tool_call_id": "call_1", **result},
            ANSWER,
        ],
    }
    read = []
    for example in (older, newer):
        path = write(tmp_path, [example] * 12)
        assert count_examples(path, "file-abc", "supervised") == 12
        one = load([path]).records[0]
        read.append((one.tools, [(m.role, m.content, [c["function"] for c in m.tool_calls]) for m in one.messages]))
    assert read[0] == read[1] and read[0][1][1][2]
