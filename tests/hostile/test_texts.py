"""What anybody may send as a schema, a template or an answer is looked through in bounded time.

Each attack is run in a process that is killed: the old forms took minutes to centuries.
"""

from __future__ import annotations

import json
import subprocess
import sys

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postgrad.evaluation.graders.template import VariableError, check_template, fill
from postgrad.evaluation.metrics.support.bounded_schema import BoundedSchema, TooCostlyError
from postgrad.evaluation.metrics.support.fences import fenced_blocks, unfenced

SCHEMA = "from postgrad.evaluation.metrics.support.bounded_schema import BoundedSchema as S\n"
ATTACKS = {
    "pattern": SCHEMA + "assert S({'pattern': '^(a|a)*$'}).faults('a' * 100_000 + '!')",
    "key pattern": SCHEMA + "S({'patternProperties': {'^(a|a)*$': {}}}).faults({'a' * 100_000 + '!': 1})",
    "extra keys": SCHEMA
    + "S({'patternProperties': {'^(a|a)*$': {}}, 'additionalProperties': False}).faults({'a' * 1000 + '!': 1})",
    "schema inside": SCHEMA
    + "S({'properties': {'a': {'$schema': 'http://json-schema.org/draft-07/schema#', 'pattern': '^(a|a)*$'}}})"
    + ".faults({'a': 'a' * 100_000 + '!'})",
    "doubling references": SCHEMA
    + "d = {f'd{i}': {'allOf': [{'$ref': f'#/$defs/d{i + 1}'}] * 2} for i in range(60)}\n"
    + "try: S({'$defs': {**d, 'd60': {}}, '$ref': '#/$defs/d0'}).faults(1)\n"
    + "except ValueError as e: assert 'too long' in str(e)\n"
    + "else: raise SystemExit(1)",
    "unique objects": SCHEMA + "S({'uniqueItems': True}).faults([{'a': i} for i in range(100_000)])",
    "unique names in a schema": SCHEMA
    + "try: S({'required': [{'a': i} for i in range(50_000)]})\nexcept ValueError: pass",
    "large whole numbers": SCHEMA + "assert not S({'multipleOf': 0.5}).faults(10**400)",
    "unknown words": SCHEMA
    + "try: S({'items': {f'k{i}': 1 for i in range(100_000)}}).faults([0] * 100_000)\nexcept ValueError: pass",
    "deep references": SCHEMA
    + "s = {'x': {}}\nfor _ in range(300): s = {'d': s}\n"
    + "try: S({'$defs': s, 'items': {'$ref': '#/$defs' + '/d' * 300 + '/x'}}).faults([0] * 100_000)\n"
    + "except ValueError: pass",
    "the place of what is odd": "from postgrad.serving.wire.strict_json import read_json\n"
    + "import resource; resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))\n"
    + "try: read_json(b'{\"' + b'K' * 1_000_000 + b'\":[1e999' + b',0' * 1_000_000 + b']}')\n"
    + "except Exception as e: assert 'KKKK.0' in str(e.body) and len(str(e.body)) < 1000",
    "open braces": "from postgrad.evaluation.graders.template import check_template\n"
    + "check_template('{{' + ' ' * 1_000_000)\ncheck_template('{{' * 500_000)",
    "blanks in a call": "from postgrad.evaluation.metrics.support.call_text import read_calls\n"
    + "read_calls('<tool_call>' + ' ' * 1_000_000 + 'x')\nread_calls('<function=f>' + ' ' * 1_000_000 + 'x')\n"
    + "read_calls('[TOOL_CALLS]' + ' ' * 1_000_000 + 'x')\nread_calls('[f' + ' ' * 1_000_000 + 'x')\n"
    + "read_calls('f(' * 500_000)\nread_calls('<function=' * 100_000)",
    "fences": "from postgrad.evaluation.metrics.support.fences import fenced_blocks, unfenced\n"
    + "[f(t) for f in (unfenced, fenced_blocks) for t in ('```' + ' ' * 10**6, '```\\n' + ' ' * 10**6 + 'x```', "
    + "'``` ' * 10**5, '```\\n' + '\\n   ' * 10**5, '```' + 'a' * 10**6)]",
    "likeness": "from postgrad.evaluation.graders.similarity import similarity\n"
    + "[similarity(m, 'a b ' * 10**5, 'b c ' * 10**5) for m in ('rouge_l', 'fuzzy_match')]",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_bounded(attack):
    subprocess.run([sys.executable, "-c", ATTACKS[attack]], timeout=60, check=True)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.sampled_from("abc"), inside, max_size=3),
    max_leaves=12,
)
SCHEMAS = [
    {"uniqueItems": True},
    {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False},
    {
        "patternProperties": {"^[ab]$": {"type": "string"}},
        "additionalProperties": {"type": "number", "multipleOf": 0.5},
    },
    {"anyOf": [{"enum": [1, "x", None]}, {"items": {"pattern": "^a?$", "not": {"const": "b"}}}]},
    {"$defs": {"t": {"properties": {"a": {"$ref": "#/$defs/t"}, "b": {"minItems": 1}}}}, "$ref": "#/$defs/t"},
    {
        "properties": {"a": True},
        "unevaluatedProperties": False,
        "if": {"required": ["b"]},
        "then": {"maxProperties": 1},
    },
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda s: json.dumps(s)[:40])
@given(value=ANY)
def test_as_jsonschema_does(schema, value):
    oracle = jsonschema.Draft202012Validator(schema).is_valid(value)
    assert oracle == (not BoundedSchema(schema).faults(value))


def test_what_cannot_be_bounded_is_refused():
    for pattern, why in (("(?=a)", "look-around"), (r"(a)\1", "back-references"), ("a{1,5000}", "1,000")):
        with pytest.raises(ValueError, match=why):
            BoundedSchema({"items": {"pattern": pattern}})
    with pytest.raises(ValueError, match="cannot be used together"):
        BoundedSchema({"patternProperties": {"a": {}}, "unevaluatedProperties": False})
    with pytest.raises(ValueError, match="refers to what is not in it"):
        BoundedSchema({"$ref": "http://127.0.0.1:9/never"}).faults(1)
    with pytest.raises(TooCostlyError):
        BoundedSchema({"enum": [list(range(2000)) for _ in range(2000)]}).faults([list(range(2000))])


def test_large_plain_schemas_are_taken():
    properties = {f"p{i}": {"type": "string", "description": "x"} for i in range(3000)}
    schema = BoundedSchema({"type": "object", "properties": properties, "required": ["p1"]})
    assert not schema.faults({"p1": "x"}) and schema.faults({"p2": "x"})
    for odd in ({"$ref": "#/x", "x": {"minimum": "a"}}, {"$ref": "#/x", "x": {"type": 3}}):
        with pytest.raises(ValueError, match="cannot be followed"):
            BoundedSchema(odd).faults(1)
    with pytest.raises(ValueError, match="cannot be followed"):
        BoundedSchema({"multipleOf": 0.5}).faults(float("inf"))


def test_patterns_of_json_schema_are_known_to_re2():
    assert not BoundedSchema({"pattern": r"^\u00e9\d+\/$"}).faults("é12/")
    assert BoundedSchema({"pattern": "^a$"}).faults("a\n"), "a $ ends the text"
    assert not BoundedSchema({"pattern": "^.$"}).faults("\ud800")


@given(st.lists(st.sampled_from(["{{", "}}", " ", "item.a", "x", "{"]), max_size=12).map("".join))
def test_templates_read_as_before(text):
    import re

    old = re.compile(r"\{\{\s*(.*?)\s*\}\}", re.DOTALL)
    try:
        check_template(text)
    except ValueError:
        return
    if all(name == "item.a" for name in old.findall(text)):
        assert fill(text, {}, {"a": "1"}) == old.sub("1", text)
    else:
        with pytest.raises(VariableError):
            fill(text, {}, {"a": "1"})


@given(st.lists(st.sampled_from(["```", "\n", " ", "a", "json", "`"]), max_size=12).map("".join))
def test_fences_read_as_before(text):
    import re

    block = re.compile(r"```[^\S\n]*([\w+-]*)[^\n]*\n(.*?)(?:(?:(?<=\n)|\n)[^\S\n]*```|\Z)", re.DOTALL)
    whole = re.compile(r"\A```[^\S\n]*[\w+-]*[^\S\n]*\n(.*?)\n?[^\S\n]*```\Z", re.DOTALL)
    assert [language for language, _ in fenced_blocks(text)] == [found[0].lower() for found in block.findall(text)]
    found = whole.match(text)
    assert unfenced(text) == (found[1] if found else text)
