"""What can be wrong with the tool calls of one conversation: unknown tools, unreadable arguments, missing results."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from postgrad.json_types import JsonMapping
from postgrad.records import Message, ToolDefinition

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int, float),
    "number": (int, float),
    "float": (int, float),
    "boolean": (bool,),
    "array": (list, tuple),
    "tuple": (list, tuple),
    "object": (dict,),
    "dict": (dict,),
}
_SHOWN = 40


def tool_faults(messages: Sequence[Message], tools: Sequence[ToolDefinition]) -> Iterator[tuple[str, str]]:
    """(name of the fault, evidence) for a conversation.

    Calls of the last message need no result: they are the answer. A result belongs to a call by its id, or, where ids
    are missing on either side, by its place after the call.

    Args:
        messages: The whole conversation.
        tools: The tools that it may call, as OpenAI spells them; names are only judged where there are any.
    """
    schemas = {name: spec for tool in tools if (name := _spec(tool).get("name")) for spec in [_spec(tool)]}
    waiting: list[str] = []
    last = len(messages) - 1
    for place, message in enumerate(messages):
        if message.role == "tool":
            if not waiting:
                yield "result_without_call", f"message {place + 1} is a tool result without a call"
            elif message.tool_call_id in waiting:
                waiting.remove(message.tool_call_id)
            elif message.tool_call_id and all(waiting):
                yield (
                    "result_without_call",
                    f"message {place + 1} answers {message.tool_call_id!r}, which was not called",
                )
                waiting.pop(0)
            else:
                waiting.pop(0)
            continue
        if waiting:
            yield "call_without_result", f"before message {place + 1} a tool call has no result"
            waiting = []
        for call in message.tool_calls:
            yield from _call_faults(call, schemas, place + 1)
            if place != last:
                waiting.append(str(call.get("id") or ""))
    if waiting and messages[last].role == "tool":
        yield "call_without_result", f"{len(waiting)} of the calls before the last message gave no result"


def _spec(tool: JsonMapping) -> JsonMapping:
    inner = tool.get("function")
    return inner if isinstance(inner, Mapping) else tool


def _call_faults(call: JsonMapping, schemas: Mapping[str, JsonMapping], place: int) -> Iterator[tuple[str, str]]:
    spec = _spec(call)
    name = str(spec.get("name") or "")
    arguments = spec.get("arguments", {})
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments) if arguments.strip() else {}
        except (ValueError, RecursionError):
            yield "bad_arguments", f"message {place}: arguments of {name!r} are not JSON: {arguments[:_SHOWN]!r}"
            return
    if not isinstance(arguments, Mapping):
        yield "bad_arguments", f"message {place}: arguments of {name!r} are not an object: {str(arguments)[:_SHOWN]!r}"
        return
    if not schemas:
        return
    if name not in schemas:
        yield "unknown_tool", f"message {place} calls {name!r}; the tools are {', '.join(list(schemas)[:4])}"
        return
    wrong = _schema_fault(arguments, schemas[name].get("parameters"))
    if wrong:
        yield "bad_arguments", f"message {place}: {name!r} {wrong}"


def _schema_fault(arguments: JsonMapping, schema: Any) -> str:
    """The first way in which arguments break the outermost level of a JSON schema, or the empty string."""
    if not isinstance(schema, Mapping):
        return ""
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return ""
    required = schema.get("required")
    missing = [name for name in required if name not in arguments] if isinstance(required, list | tuple) else []
    if missing:
        return f"lacks the required argument {missing[0]!r}"
    for name, value in arguments.items():
        rule = properties.get(name)
        if rule is None and schema.get("additionalProperties") is not True:
            return f"has the argument {name!r}, which the tool does not have"
        if isinstance(rule, Mapping) and (wrong := _value_fault(value, rule)):
            return f"argument {name!r} {wrong}"
    return ""


def _value_fault(value: Any, rule: JsonMapping) -> str:
    kind, choices = rule.get("type"), rule.get("enum")
    expected = _TYPES.get(kind) if isinstance(kind, str) else None
    if value is not None and expected is not None:
        number_for_flag = isinstance(value, bool) and bool not in expected
        if not isinstance(value, expected) or number_for_flag:
            return f"is {type(value).__name__}, not {kind}"
    if isinstance(choices, list | tuple) and value is not None and not isinstance(value, list) and value not in choices:
        return f"is {str(value)[:_SHOWN]!r}, not one of the {len(choices)} allowed"
    return ""
