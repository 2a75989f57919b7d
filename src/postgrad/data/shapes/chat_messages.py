"""Conversations as other programs spell them (OpenAI chat, ShareGPT) → messages."""

from __future__ import annotations

import json
from typing import Any

from postgrad.data.shapes.content_parts import read_calls, read_content
from postgrad.data.shapes.row_errors import TurnError
from postgrad.json_types import JsonMapping
from postgrad.records import Message, Role, ToolDefinition
from postgrad.thinking import OPEN, split_thought

_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "function_call": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "tool_response": "tool",
}

_PLAIN = ("system", "user", "assistant")
_REASONING = ("reasoning_content", "reasoning", "thinking")
"""Keys under which programs and vendors put what an assistant thought before it answered."""


def read_messages(raw: object) -> tuple[Message, ...]:
    """A list of `{role, content}` (OpenAI) or `{from, value}` (ShareGPT) turns, or its JSON text, as messages.

    One turn alone counts as a list of one.

    Raises:
        TurnError: It is no such list, or a turn has an unknown role, no content, or parts of an unknown type.
    """
    if isinstance(raw, str):
        raw = _parse(raw)
    if isinstance(raw, dict):
        raw = [raw]
    if not isinstance(raw, list):
        raise TurnError("the messages are not a list")
    if not raw:
        raise TurnError("the list of messages is empty")
    return tuple(_turn(turn, number) for number, turn in enumerate(raw, start=1))


def read_tools(raw: object) -> tuple[ToolDefinition, ...]:
    """The tools of a conversation: a list of objects or its JSON text.

    Raises:
        TurnError: It is neither.
    """
    if not raw:
        return ()
    value = _parse(raw) if isinstance(raw, str) else raw
    if not isinstance(value, list) or not all(isinstance(tool, dict) for tool in value):
        raise TurnError("the tools are not a list of objects")
    return tuple(value)


def read_functions(raw: object) -> tuple[ToolDefinition, ...]:
    """Bare function definitions (OpenAI's spelling before tools) as tools.

    Raises:
        TurnError: They are not a list of objects.
    """
    return tuple({"type": "function", "function": function} for function in read_tools(raw))


def is_role(turn: object, *roles: Role) -> bool:
    """Whether a raw turn is spoken in one of the roles, without reading it."""
    return isinstance(turn, dict) and _ROLES.get(str(turn.get("role", turn.get("from"))).lower()) in roles


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise TurnError(f"a text was given where a JSON list is expected ({text[:40]!r})") from error


def _turn(turn: object, number: int) -> Message:
    if not isinstance(turn, dict):
        raise TurnError(f"message {number} is not an object")
    plain = turn.get("content")
    if len(turn) == 2 and turn.get("role") in _PLAIN and isinstance(plain, str) and OPEN not in plain:
        return Message(turn["role"], plain)  # the commonest turn, read quickly
    said = turn.get("role", turn.get("from"))
    role = _ROLES.get(said) if isinstance(said, str) else None
    if role is None and (role := _ROLES.get(str(said).lower())) is None:
        raise TurnError(f"message {number} has the role {said!r}; known are system, user, assistant and tool")
    if "role" not in turn and "value" not in turn:
        raise TurnError(f"message {number} has no value")
    raw = turn.get("content", turn.get("value"))
    content, inner_calls, parts = read_content(raw, number)
    calls, reasoning = _calls(turn, number) + inner_calls, ""
    if role == "assistant":
        inside, content = split_thought(content)
        reasoning = next((r for key in _REASONING if (r := _text_or_none(turn, key, number))), inside)
    if said == "function_call":
        called = read_calls(content, number)
        content, calls = ("", tuple(called)) if called else (content, calls)
    return Message(
        role=role,
        content=content,
        weight=_weight(turn, number) if role == "assistant" else 1.0,
        name=_text_or_none(turn, "name", number),
        tool_calls=calls,
        tool_call_id=_text_or_none(turn, "tool_call_id", number),
        parts=parts,
        reasoning=reasoning,
    )


def _weight(turn: JsonMapping, number: int) -> float:
    weight = turn.get("weight")
    if weight is None:
        weight = turn.get("loss_weight")
    if weight is None:
        return 1.0
    if not isinstance(weight, int | float) or not weight >= 0:
        raise TurnError(f"message {number} has the weight {weight!r}; a number from 0 is expected")
    return float(weight)


def _text_or_none(turn: JsonMapping, key: str, number: int) -> str | None:
    value = turn.get(key)
    if value is not None and not isinstance(value, str):
        raise TurnError(f"message {number} has {value!r} as {key}, not a text")
    return value


def _calls(turn: JsonMapping, number: int) -> tuple[JsonMapping, ...]:
    calls = turn.get("tool_calls") or ()
    if turn.get("function_call"):  # OpenAI's spelling before tools
        calls = [{"id": f"call_{number}", "type": "function", "function": turn["function_call"]}]
    if not isinstance(calls, list | tuple) or not all(isinstance(call, dict) for call in calls):
        raise TurnError(f"message {number} has tool calls that are not objects")
    return tuple(calls)
