"""Conversations as other programs spell them (OpenAI chat, ShareGPT) → messages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from postgrad.data.cells import to_json
from postgrad.records import Message, Role

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


class TurnError(ValueError):
    """A turn that cannot be read; the message completes the sentence "file, line N: …"."""


def read_messages(raw: Any) -> tuple[Message, ...]:
    """A list of `{role, content}` (OpenAI) or `{from, value}` (ShareGPT) turns, or its JSON text, as messages.

    Raises:
        TurnError: It is no such list, or a turn has an unknown role, no content, or parts that are not text.
    """
    if isinstance(raw, str):
        raw = _parse(raw)
    if not isinstance(raw, list):
        raise TurnError("the messages are not a list")
    if not raw:
        raise TurnError("the list of messages is empty")
    return tuple(_turn(turn, number) for number, turn in enumerate(raw, start=1))


def read_tools(raw: Any) -> tuple[Mapping[str, Any], ...]:
    """The tools of a conversation: a list of objects or its JSON text.

    Raises:
        TurnError: It is neither.
    """
    if raw is None or raw == "" or raw == []:
        return ()
    value = _parse(raw) if isinstance(raw, str) else raw
    if not isinstance(value, list) or not all(isinstance(tool, dict) for tool in value):
        raise TurnError("the tools are not a list of objects")
    return tuple(value)


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise TurnError(f"a text stands where a JSON list is expected ({text[:40]!r})") from error


def _turn(turn: Any, number: int) -> Message:
    if not isinstance(turn, dict):
        raise TurnError(f"message {number} is not an object")
    said = turn.get("role", turn.get("from"))
    role = _ROLES.get(str(said).lower())
    if role is None:
        raise TurnError(f"message {number} has the role {said!r}; known are system, user, assistant and tool")
    if "role" not in turn and "value" not in turn:
        raise TurnError(f"message {number} has no value")
    weight = turn.get("weight", turn.get("loss_weight", 1.0))
    if not isinstance(weight, int | float) or weight < 0:
        raise TurnError(f"message {number} has the weight {weight!r}; a number from 0 is expected")
    content, inner_calls = _content(turn.get("content", turn.get("value")), number)
    calls = _calls(turn, number) + inner_calls
    if said == "function_call":
        call = _sharegpt_call(content, number)
        content, calls = ("", (call,)) if call else (content, calls)
    return Message(
        role=role,
        content=content,
        weight=float(weight) if role == "assistant" else 1.0,
        name=turn.get("name"),
        tool_calls=calls,
        tool_call_id=turn.get("tool_call_id"),
    )


def _content(raw: Any, number: int) -> tuple[str, tuple[Mapping[str, Any], ...]]:
    """The text of a turn, and calls that some programs put among the parts."""
    if raw is None:
        return "", ()
    if isinstance(raw, str):
        return raw, ()
    if isinstance(raw, dict):
        return to_json(raw), ()
    if not isinstance(raw, list):
        raise TurnError(f"message {number} has {type(raw).__name__} as content, not text")
    texts: list[str] = []
    calls: list[Mapping[str, Any]] = []
    for part in raw:
        kind = part.get("type", "text") if isinstance(part, dict) else "text"
        value = part.get("text", part.get("value", "")) if isinstance(part, dict) else part
        if kind in ("text", "input_text", "output_text", "refusal", "reasoning"):
            texts.append(f"<think>{value}</think>" if kind == "reasoning" else str(value))
        elif kind == "tool_call":
            call = _sharegpt_call(str(value), number)
            if call is None:
                raise TurnError(f"message {number} has a tool call that is not JSON ({str(value)[:40]!r})")
            calls.append(call)
        else:
            raise TurnError(f"message {number} holds a part of type {kind!r}; only text can be used")
    return "".join(texts), tuple(calls)


def _calls(turn: Mapping[str, Any], number: int) -> tuple[Mapping[str, Any], ...]:
    calls = turn.get("tool_calls") or ()
    if turn.get("function_call"):  # OpenAI's spelling before tools
        calls = [{"id": f"call_{number}", "type": "function", "function": turn["function_call"]}]
    if not all(isinstance(call, dict) for call in calls):
        raise TurnError(f"message {number} has tool calls that are not objects")
    return tuple(calls)


def _sharegpt_call(text: str, number: int) -> Mapping[str, Any] | None:
    """`{"name": …, "arguments": …}` as an OpenAI call; None where the text is something else."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    if not isinstance(value, dict) or "name" not in value:
        return None
    arguments = value.get("arguments", {})
    spelled = arguments if isinstance(arguments, str) else to_json(arguments)
    return {"id": f"call_{number}", "type": "function", "function": {"name": value["name"], "arguments": spelled}}
