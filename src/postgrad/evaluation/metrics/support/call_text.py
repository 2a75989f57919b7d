"""Calls of tools in the text of an answer, in the spellings that models use; and whether something only looks like one.

Read are OpenAI's `tool_calls`, `<tool_call>{…}</tool_call>` (Hermes, Qwen), `<function=name>{…}</function>` (Llama),
`[TOOL_CALLS] […]` (Mistral), JSON objects or lists with `name` and `arguments` or `parameters`, `{"name": {…}}`, and
Python's `[name(key=value)]`.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass, field
from typing import Any

from postgrad.evaluation.metrics.support.fences import unfenced
from postgrad.json_types import JsonMapping

# none of them goes back over blanks: what is read comes from a model, and is stripped afterwards
_TAGGED = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.DOTALL)
_FUNCTION = re.compile(r"<function=([\w.-]+)>(.*?)(?:</function>|\Z)", re.DOTALL)
_LONGEST = 100_000  # characters that are read as Python: it takes a hundred times the memory
_MARKS = ("[TOOL_CALLS]", "<|python_tag|>")
_PYTHON = re.compile(r"\[?\s*+[A-Za-z_][\w.]*+\s*+\(")


@dataclass(frozen=True, slots=True)
class NamedCall:
    """One call: the tool's name and its arguments by name."""

    name: str
    arguments: JsonMapping = field(default_factory=dict)


def read_calls(text: str) -> list[NamedCall] | None:
    """The calls in an answer, none where it is plain text; None where a call was begun and cannot be read."""
    text = text.strip()
    if tagged := _TAGGED.findall(text):
        return _joined([_from_text(part) for part in tagged])
    if named := _FUNCTION.findall(text):
        return _joined([_call(name, _json(body.strip() or "{}")) for name, body in named])
    if marked := [(place, mark) for mark in _MARKS if (place := text.find(mark)) >= 0]:
        place, mark = min(marked)
        return _from_text(text[place + len(mark) :])
    body = unfenced(text).strip()
    if body.startswith(("{", "[")) or (_PYTHON.match(body) and body.endswith((")", "]"))):
        calls = _from_text(body)
        looks_like_one = '"name"' in body and '"arguments"' in body
        return calls if calls is not None or looks_like_one else []
    return []


def _joined(parts: list[list[NamedCall] | None]) -> list[NamedCall] | None:
    if any(part is None for part in parts):
        return None
    return [call for part in parts for call in part or ()]


def _from_text(text: str) -> list[NamedCall] | None:
    """The calls that a text spells as a whole."""
    values = _values(text.strip().strip(";"))
    return _from_values(values) if values is not None else _from_python(text)


def _values(text: str) -> list[Any] | None:
    """One JSON value, or several one after another with space, commas or semicolons between."""
    decoder, place, out = json.JSONDecoder(), 0, []
    while place < len(text):
        try:
            value, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            return None
        out.append(value)
        while place < len(text) and text[place] in " \t\r\n,;":
            place += 1
    return out or None


def _from_values(values: list[Any]) -> list[NamedCall] | None:
    out: list[NamedCall] = []
    for value in values:
        if isinstance(value, list):
            inner = _from_values(value)
        elif isinstance(value, dict) and isinstance(value.get("tool_calls"), list):
            inner = _from_values(value["tool_calls"])
        else:
            inner = _from_object(value)
        if inner is None:
            return None
        out += inner
    return out


def _from_object(value: Any) -> list[NamedCall] | None:
    if not isinstance(value, dict):
        return None
    value = value["function"] if isinstance(value.get("function"), dict) else value
    if isinstance(value.get("name"), str):
        arguments = next((value[k] for k in ("arguments", "parameters", "args") if k in value), None)
        if arguments is None and set(value) != {"name"}:
            return None  # an object that has a name, but is no call
        return _call(value["name"], _json(arguments) if isinstance(arguments, str) else arguments or {})
    if len(value) == 1 and isinstance(inner := next(iter(value.values())), dict):
        return _call(next(iter(value)), inner)
    return None


def _call(name: str, arguments: Any) -> list[NamedCall] | None:
    return [NamedCall(name, arguments)] if isinstance(arguments, dict) else None


def _json(text: str) -> Any:
    try:
        return json.loads(text or "{}")
    except (ValueError, RecursionError):
        return None


def _from_python(text: str) -> list[NamedCall] | None:
    """`[f(a=1), g(b="x")]` with plain values."""
    if len(text) > _LONGEST:
        return None
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    nodes = tree.elts if isinstance(tree, ast.List | ast.Tuple) else [tree]
    out = []
    for node in nodes:
        if not isinstance(node, ast.Call) or node.args or any(k.arg is None for k in node.keywords):
            return None
        try:
            arguments = {str(k.arg): ast.literal_eval(k.value) for k in node.keywords}
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return None
        out.append(NamedCall(ast.unparse(node.func), arguments))
    return out
