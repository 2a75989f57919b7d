"""Answers held to a form: whatever a model with random weights says, it is JSON after the schema."""

import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postgrad.errors import DataError
from postgrad.models.generation.generate import Decoding
from postgrad.models.generation.grammar import calls_form, json_form, load_vocabulary
from postgrad.models.generation.logits import Steering
from postgrad.models.rendering.tools import ToolForm, read_calls
from postgrad.records import Message
from tests.models.test_steps import grown

leaves = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.tuples(st.integers(-50, 50), st.integers(0, 60)).map(
        lambda t: {"type": "integer", "minimum": t[0], "maximum": t[0] + t[1]}
    ),
    st.integers(0, 6).map(lambda n: {"type": "string", "maxLength": n}),
    st.lists(st.text('abcäß "\\', max_size=4), min_size=1, max_size=3, unique=True).map(lambda v: {"enum": v}),
    st.sampled_from([1, "x", None, True, [1, 2]]).map(lambda v: {"const": v}),
    st.just({"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3}$"}),
)
names = st.text("abcxyz_", min_size=1, max_size=4)


def objects(inner):
    return st.dictionaries(names, inner, max_size=3).flatmap(
        lambda p: st.sets(st.sampled_from(sorted(p)) if p else st.nothing()).map(
            lambda r: {"type": "object", "properties": p, "required": sorted(r), "additionalProperties": False}
        )
    )


schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        objects(inner),
        inner.map(lambda s: {"type": "array", "items": s, "maxItems": 2}),
        st.lists(inner, min_size=2, max_size=2).map(lambda v: {"anyOf": v}),
    ),
    max_leaves=4,
)


def follows(value, schema) -> bool:
    """The few words of JSON Schema that the tests use, checked by hand."""
    if "anyOf" in schema:
        return any(follows(value, s) for s in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return any(type(value) is type(v) and value == v for v in schema.get("enum", [schema.get("const")]))
    kind = schema["type"]
    if kind == "object":
        inside = isinstance(value, dict) and set(schema["required"]) <= set(value) <= set(schema["properties"])
        return inside and all(follows(v, schema["properties"][k]) for k, v in value.items())
    if kind == "array":
        return isinstance(value, list) and len(value) <= 2 and all(follows(v, schema["items"]) for v in value)
    if kind == "integer":
        return type(value) is int and schema["minimum"] <= value <= schema["maximum"]
    if kind == "string":
        fits = isinstance(value, str) and len(value) <= schema.get("maxLength", 6)
        return fits and bool(re.search(schema.get("pattern", ""), value))
    return type(value) is {"boolean": bool, "null": type(None)}[kind]


def vocabulary(model):
    return load_vocabulary(model.base.folder, model.module.config.vocab_size, tuple(sorted(model.renderer.end_ids)))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(schema=schemas, seed=st.integers(0, 99))
def test_every_finished_answer_follows_the_schema(tiny, schema, seed):
    form = json_form(vocabulary(tiny), schema)
    prompt = tiny.renderer.prompt_ids([Message("user", "JSON")])
    decoding = Decoding(320, temperature=1.5, seed=seed)
    (text,), _, (done,) = grown(tiny, prompt, decoding, Steering(grammar=form))
    assert done.finish == "stop"
    assert follows(json.loads(text), schema), text


def test_any_json_object_can_be_asked_for(tiny):
    form = json_form(vocabulary(tiny), {"type": "object"})
    prompt = tiny.renderer.prompt_ids([Message("user", "JSON")])
    for seed in range(4):
        (text,), _, (done,) = grown(tiny, prompt, Decoding(200, 1.0, seed=seed), Steering(grammar=form))
        assert text.startswith("{")
        assert done.finish == "length" or isinstance(json.loads(text), dict)


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"type": "strin"}, "strin"),
        ({"not": {"type": "string"}}, "not"),
        ({"$ref": "#/nowhere"}, "nowhere"),
        ({"type": "string", "pattern": "("}, "regex"),
    ],
)
def test_a_schema_that_cannot_be_held_to_is_refused(tiny, schema, says):
    with pytest.raises(DataError, match=says):
        json_form(vocabulary(tiny), schema)


def test_a_lenient_schema_lets_go_what_cannot_be_held_to(tiny):
    form = json_form(
        vocabulary(tiny), {"type": "array", "items": {"enum": [1]}, "maxItems": 2, "uniqueItems": True}, strict=False
    )
    prompt = tiny.renderer.prompt_ids([Message("user", "JSON")])
    (text,), _, _ = grown(tiny, prompt, Decoding(60, 1.0), Steering(grammar=form))
    assert json.loads(text) in ([], [1], [1, 1])


TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "move",
            "parameters": {
                "type": "object",
                "properties": {"to": {"$ref": "#/$defs/place"}, "fast": {"type": "boolean"}},
                "required": ["to"],
                "additionalProperties": False,
                "$defs": {"place": {"enum": ["home", "work"]}},
            },
        },
    },
    {"type": "function", "function": {"name": "stay"}},
]


@pytest.mark.parametrize(
    "form",
    [
        ToolForm("<tool_call>\n", "\n</tool_call>"),
        ToolForm("", "", "name", "parameters"),
        ToolForm("<|endoftext|> ", "", listed=True),
    ],
    ids=["marked", "bare", "list after a special token"],
)
def test_a_call_that_must_come_comes_whole(tiny, form):
    held = calls_form(vocabulary(tiny), form, TOOLS)
    prompt = tiny.renderer.prompt_ids([Message("user", "move")])
    seen = set()
    for seed in range(6):
        steering = Steering(grammar=held, special=True)
        (text,), _, (done,) = grown(tiny, prompt, Decoding(400, 1.2, seed=seed), steering)
        assert done.finish == "stop"
        beside, calls = read_calls(text, form, {"move", "stay"})
        assert not beside and calls
        for call in calls:
            given = json.loads(call.arguments)
            assert given == {} if call.name == "stay" else given["to"] in ("home", "work")
            seen.add(call.name)
    assert seen == {"move", "stay"}
