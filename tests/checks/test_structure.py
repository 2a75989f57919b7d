"""Structure: what cannot be learned is dropped, what is out of order is told, what is right is left alone."""

from __future__ import annotations

import pytest

from postgrad.checks.structure import structure
from postgrad.checks.support.tool_faults import tool_faults
from postgrad.findings import Context
from postgrad.records import Conversation, Message, Preference, Rating, Task, Text, pair

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"enum": ["C", "F"]}},
            "required": ["city"],
        },
    },
}


def call(arguments: str, name: str = "weather", id: str = "1") -> dict:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def faults(record, *others) -> set[str]:
    fill = [pair(f"q{i}", "a") for i in range(5)]
    return {f.details["fault"] for f in structure()([record, *others, *fill], Context())}


def talk(*turns) -> Conversation:
    return Conversation(messages=tuple(Message(role, text) for role, text in turns))


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        (
            Preference(
                prompt=(Message("user", "q"),),
                chosen=(Message("assistant", "a"),),
                rejected=(Message("assistant", "a"),),
            ),
            "equal_preference",
        ),
        (Preference(prompt=(Message("user", "q"),), chosen=(Message("assistant", "a"),), rejected=()), "no_rejected"),
        (Rating(prompt=(Message("user", "q"),), completion=(), good=True), "empty_answer"),
        (Text(text="  "), "empty_prompt"),
        (Task(prompt=(Message("system", "s"),)), "empty_prompt"),
        (talk(("user", "a"), ("user", "b"), ("assistant", "c")), "wrong_order"),
        (talk(("assistant", "a"), ("user", "b"), ("assistant", "c")), "wrong_order"),
        (talk(("user", "a"), ("system", "b"), ("assistant", "c")), "wrong_order"),
        (talk(("user", "a"), ("assistant", "b"), ("assistant", "c")), "wrong_order"),
        (talk(("user", "a"), ("assistant", ""), ("user", "b"), ("assistant", "c")), "empty_turn"),
        (talk(("user", "a"), ("tool", "b"), ("assistant", "c")), "result_without_call"),
        (Conversation(messages=(Message("user", "a"), Message("assistant", "b", weight=0.0))), "nothing_learned"),
        (
            Conversation(messages=(Message("user", "see", parts=({"type": "image_url"},)), Message("assistant", "b"))),
            "images",
        ),
        (pair("q", "a", meta={"mesages": []}), "unknown_keys"),
    ],
)
def test_each_fault_is_named(record, fault):
    assert faults(record) == {fault}


@pytest.mark.parametrize(
    "record",
    [
        talk(("system", "s"), ("system", "t"), ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")),
        Preference(
            prompt=(Message("user", "q"),), chosen=(Message("assistant", "a"),), rejected=(Message("assistant", "b"),)
        ),
        Rating(prompt=(Message("user", "q"),), completion=(Message("assistant", "a"),), good=False),
        Task(prompt=(Message("user", "q"),)),
        Text(text="words"),
        Conversation(messages=(Message("user", "", parts=({"type": "text", "text": "a"},)), Message("assistant", "b"))),
        pair("q", "a", meta={"id": 3, "role_of_author": "x"}),
    ],
)
def test_right_records_are_left_alone(record):
    assert faults(record) == set()


def test_a_column_that_all_records_have_is_no_slip():
    records = [pair(f"q{i}", "a", meta={"contents": "x"}) for i in range(9)]
    assert list(structure()(records, Context())) == []


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (call('{"city": "Bern", "days": 2, "unit": "C"}'), None),
        (call('{"city": "Bern", "days": null}'), None),
        (call("{"), "not JSON"),
        (call("[1]"), "not an object"),
        (call("{}"), "lacks"),
        (call('{"city": 1}'), "is int, not string"),
        (call('{"city": "Bern", "days": true}'), "is bool, not integer"),
        (call('{"city": "Bern", "town": "x"}'), "does not have"),
        (call('{"city": "Bern", "unit": "K"}'), "not one of the 2"),
        (call("{}", name="time"), "the tools are weather"),
    ],
)
def test_arguments_fit_their_tool(made, expected):
    messages = (Message("user", "?"), Message("assistant", "", tool_calls=(made,)))
    found = list(tool_faults(messages, (WEATHER,)))
    assert found == [] if expected is None else expected in found[0][1] and len(found) == 1


def test_results_belong_to_calls_by_id_or_by_place():
    two = Message("assistant", "", tool_calls=(call('{"city": "a"}', id="1"), call('{"city": "b"}', id="2")))
    swapped = (
        Message("user", "?"),
        two,
        Message("tool", "x", tool_call_id="2"),
        Message("tool", "y", tool_call_id="1"),
        Message("assistant", "z"),
    )
    assert list(tool_faults(swapped, ())) == []
    without = (Message("user", "?"), two, Message("tool", "x"), Message("tool", "y"), Message("assistant", "z"))
    assert list(tool_faults(without, ())) == []
    missing = (*swapped[:3], swapped[-1])
    assert [name for name, _ in tool_faults(missing, ())] == ["call_without_result"]
    stranger = (*swapped[:3], Message("tool", "y", tool_call_id="9"), swapped[-1])
    assert [name for name, _ in tool_faults(stranger, ())] == ["result_without_call"]


def test_safe_repairs_only_where_nothing_could_be_learned():
    records = [
        pair("q", ""),
        talk(("user", "a"), ("user", "b"), ("assistant", "c")),
        *(pair(f"q{i}", "a") for i in range(5)),
    ]
    safe = {f.details["fault"]: f.repairs[0].safe for f in structure()(records, Context())}
    assert safe == {"empty_answer": True, "wrong_order": False}
