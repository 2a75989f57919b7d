"""Calls of tools: read from many spellings, compared by value."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postgrad.evaluation.metrics.support.call_text import NamedCall, read_calls
from postgrad.evaluation.metrics.support.fields import reference_of
from postgrad.evaluation.metrics.support.metric import Case, paired
from postgrad.evaluation.metrics.tool_calls import tool_calls
from postgrad.records import Conversation, Message, Task, pair
from tests.needs import real_set

LAMP = NamedCall("lamp.set", {"room": "hall", "level": 3})
SPELLINGS = [
    '{"name": "lamp.set", "arguments": {"room": "hall", "level": 3}}',
    '[{"name": "lamp.set", "parameters": {"level": 3, "room": "hall"}}]',
    '```json\n{"name": "lamp.set", "arguments": "{\\"room\\": \\"hall\\", \\"level\\": 3}"}\n```',
    'I will dim it.\n<tool_call>\n{"name": "lamp.set", "arguments": {"room": "hall", "level": 3}}\n</tool_call>',
    '<function=lamp.set>{"room": "hall", "level": 3}</function>',
    '[TOOL_CALLS] [{"name": "lamp.set", "arguments": {"room": "hall", "level": 3}}]',
    (
        '{"tool_calls": [{"type": "function", "function": {"name": "lamp.set", "arguments": "{\\"room\\": \\"hall\\",'
        ' \\"level\\": 3}"}}]}'
    ),
    '{"lamp.set": {"room": "hall", "level": 3}}',
    '[lamp.set(room="hall", level=3)]',
    'lamp.set(level=3, room="hall")',
]


@pytest.mark.parametrize("text", SPELLINGS)
def test_one_call_in_every_spelling(text: str) -> None:
    assert read_calls(text) == [LAMP]


@pytest.mark.parametrize(
    "text",
    ["", "The lamp is on.", "Call me (maybe).", '{"answer": 42}', "[1, 2]", '{"name": "Ada", "age": 36}', "f(x)"],
)
def test_what_is_no_call(text: str) -> None:
    assert not read_calls(text)


@pytest.mark.parametrize(
    "text",
    ['<tool_call>{"name": "x", "arguments": {</tool_call>', '{"name": "x", "arguments": {"a": }}', "<tool_call>"],
)
def test_a_call_that_cannot_be_read_is_not_plain_text(text: str) -> None:
    assert read_calls(text) is None
    asked = Conversation(messages=(Message("user", "hi"), Message("assistant", "Hello.")), tools=({"name": "x"},))
    assert tool_calls()(text, "Hello.", asked) == 0


NAMES = st.text("abcdef_.", min_size=1, max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
CALLS = st.lists(
    st.builds(lambda n, a: {"name": n, "arguments": a}, NAMES, st.dictionaries(NAMES, JSON, max_size=3)),
    min_size=1,
    max_size=4,
)


@given(CALLS, st.randoms())
def test_calls_are_right_against_themselves_in_any_order_and_spelling(calls: list[dict], dice) -> None:
    shuffled = list(calls)
    dice.shuffle(shuffled)
    spelled = "\n".join(f"<tool_call>{json.dumps(c)}</tool_call>" for c in shuffled)
    assert tool_calls()(spelled, json.dumps(calls)) == 1
    assert (
        tool_calls()(json.dumps(calls), json.dumps(calls))
        == tool_calls(ignore_order=False)(json.dumps(calls), json.dumps(calls))
        == 1
    )
    assert tool_calls()(json.dumps(calls[1:]), json.dumps(calls)) == 0


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("[lamp.get(room='hall', level=3)]", "other tool"),
        ("[lamp.set(room='hall')]", "argument left out: level"),
        ("[lamp.set(room='hall', level=3, colour='red')]", "argument invented: colour"),
        ("[lamp.set(room='hall', level='3')]", "wrong value: level"),
        ("[lamp.set(room='hall', level=3), lamp.set(room='hall', level=3)]", "too many calls"),
        ("I cannot do that.", "no call"),
        ("[lamp.set(room=' Hall. ', level=3.0)]", ""),
    ],
)
def test_what_is_wrong_is_said(answer: str, fault: str) -> None:
    found = tool_calls().measure(paired([answer], [SPELLINGS[0]]))
    assert found.details.get("faults", {}) == ({fault: 1} if fault else {})
    assert found.scores == (float(not fault),)


def test_options() -> None:
    two = '[{"name": "a", "arguments": {}}, {"name": "b", "arguments": {"x": 1}}]'
    turned = '[{"name": "b", "arguments": {"x": 2}}, {"name": "a", "arguments": {}}]'
    assert tool_calls()(turned, two) == 0 and tool_calls(arguments=False)(turned, two) == 1
    assert tool_calls(arguments=False, ignore_order=False)(turned, two) == 0
    assert tool_calls(ignore_case=False)("[lamp.set(room='Hall', level=3)]", SPELLINGS[0]) == 0
    assert tool_calls().measure(paired([turned], [two])).figures["right_tools"] == 1


def test_a_record_with_tools_and_a_plain_answer_wants_no_call() -> None:
    talk = Conversation(messages=(Message("user", "hi"), Message("assistant", "Hello.")), tools=({"name": "x"},))
    metric = tool_calls()
    assert metric("Good day!", "Hello.", talk) == 1 and metric("[x()]", "Hello.", talk) == 0
    assert "only 0 of 1" in metric.unfit([Case("", "Hello.", pair("hi", "Hello."))])


def test_a_default_may_be_given_or_left_out() -> None:
    tools = ({"type": "function", "function": {"name": "f", "parameters": {"properties": {"unit": {"default": "C"}}}}},)
    call = {"function": {"name": "f", "arguments": '{"town": "Ulm"}'}}
    record = Conversation(messages=(Message("user", "q"), Message("assistant", "", tool_calls=(call,))), tools=tools)
    metric = tool_calls()
    assert metric('[f(town="Ulm", unit="C")]', reference_of(record), record) == 1
    assert metric('[f(town="Ulm", unit="F")]', reference_of(record), record) == 0


def possible(truth: list) -> Task:
    return Task(prompt=(Message("user", "q"),), fields={"ground_truth": truth}, tools=({"name": "f"},))


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("[f(a=5)]", 1),
        ("[f(a=5, b='units')]", 1),
        ("[f(a=5, b='')]", 1),
        ("[f(a=5, b='other')]", 0),
        ("[f(a=4)]", 0),
        ("[f(a=5, c={'x': 'y', 'z': [1]})]", 1),
        ("[f(a=5, c={'x': 'q'})]", 0),
    ],
)
def test_possible_answers(answer: str, right: float) -> None:
    truth = [{"f": {"a": [5, 6], "b": ["units", ""], "c": [{"x": ["y"], "z": [[1], ""]}, ""]}}]
    assert tool_calls()(answer, "", possible(truth)) == right
    assert tool_calls()(answer, json.dumps(truth)) == right


def test_the_berkeley_leaderboards_answers() -> None:
    folder = real_set("bfcl_tool_calls")
    for part in ("simple_python", "multiple", "parallel"):
        rows = [json.loads(x) for x in (folder / f"answers_BFCL_v4_{part}.jsonl").read_text("utf-8").splitlines()]
        asked = {
            r["id"]: r for r in map(json.loads, (folder / f"BFCL_v4_{part}.jsonl").read_text("utf-8").splitlines())
        }
        records = [
            Task(
                prompt=(Message("user", "q"),),
                fields={"ground_truth": r["ground_truth"]},
                tools=tuple(asked[r["id"]]["function"]),
            )
            for r in rows
        ]
        first = [
            [
                {"name": n, "arguments": {k: _plain(v) for k, o in a.items() if (v := o[0]) != ""}}
                for c in r["ground_truth"]
                for n, a in c.items()
            ]
            for r in rows
        ]
        turned = [json.dumps(list(reversed(calls))) for calls in first]
        metric = tool_calls()
        assert not metric.unfit([Case("", "", r) for r in records])
        assert sum(metric.measure(paired(turned, [""] * len(rows), records)).scores) == len(rows), part
        wrong = [json.dumps([{**c, "arguments": {**c["arguments"], "made_up": 1}} for c in calls]) for calls in first]
        assert sum(metric.measure(paired(wrong, [""] * len(rows), records)).scores) == 0
        silent = metric.measure(paired(["I do not know."] * len(rows), [""] * len(rows), records))
        assert sum(silent.scores) == 0 and silent.details["faults"] == {"no call": len(rows)}


def test_requests_that_no_tool_serves_want_no_call() -> None:
    path = real_set("bfcl_tool_calls") / "BFCL_v4_irrelevance.jsonl"
    rows = [json.loads(x) for x in path.read_text("utf-8").splitlines()]
    records = [Task(prompt=(Message("user", "q"),), tools=tuple(r["function"])) for r in rows]
    metric = tool_calls()
    assert not metric.unfit([Case("", "", r) for r in records])
    assert metric.measure(paired(["None of my tools can do that."] * len(rows), [""] * len(rows), records)).mean == 1
    calls = [json.dumps({"name": r["function"][0]["name"], "arguments": {}}) for r in rows]
    found = metric.measure(paired(calls, [""] * len(rows), records))
    assert found.mean == 0 and found.details["faults"] == {"call where none is wanted": len(rows)}


def _plain(value: object) -> object:
    """The first of the possible values, all the way down."""
    if isinstance(value, dict):
        return {k: _plain(v[0]) if isinstance(v, list) else v for k, v in value.items() if v != [""]}
    return [_plain(v) for v in value] if isinstance(value, list) else value
