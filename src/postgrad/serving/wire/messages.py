"""Messages of a request in OpenAI's chat form, as the records that everything else speaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from postgrad.errors import DataError
from postgrad.json_types import JsonMapping
from postgrad.records import Message


def messages_from(raw: Sequence[JsonMapping]) -> list[Message]:
    """Messages of a request in OpenAI's chat form.

    Raises:
        DataError: a message that cannot be used; says which.
    """
    return [_message(f"messages[{place}]", item) for place, item in enumerate(raw)]


def _message(where: str, item: JsonMapping) -> Message:
    role = {"developer": "system", "function": "tool"}.get(item.get("role", ""), item.get("role"))
    if role not in ("system", "user", "assistant", "tool"):
        raise DataError(
            f"Invalid value for '{where}.role': {item.get('role')!r}.",
            "Use system, developer, user, assistant or tool.",
        )
    content = item.get("content")
    if isinstance(content, list):
        content = "".join(_text_part(f"{where}.content[{i}]", part) for i, part in enumerate(content))
    if not isinstance(content, str | None):
        raise DataError(f"Invalid type for '{where}.content': expected a text or a list of parts.")
    calls = item.get("tool_calls") or ()
    if (older := item.get("function_call")) is not None and not calls:
        calls = [{"id": "call_0", "type": "function", "function": older}]
    if not isinstance(calls, list | tuple):
        raise DataError(f"Invalid type for '{where}.tool_calls': expected a list.")
    for field in ("name", "tool_call_id", "reasoning_content"):
        if not isinstance(item.get(field), str | None):
            raise DataError(f"Invalid type for '{where}.{field}': expected a text.")
    for i, call in enumerate(calls):
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise DataError(f"'{where}.tool_calls[{i}]' is no call of a function.")
    if content is None and role != "assistant":
        raise DataError(f"Missing '{where}.content'.")
    name, answered = item.get("name"), item.get("tool_call_id")
    thought = item.get("reasoning_content") or ""
    return Message(role, content or "", 1.0, name, tuple(calls), answered, reasoning=thought)


def _text_part(where: str, part: Any) -> str:
    if isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str):
        return part["text"]
    if isinstance(part, dict) and part.get("type") == "refusal":
        return str(part.get("refusal") or "")
    kind = part.get("type") if isinstance(part, dict) else type(part).__name__
    raise DataError(f"'{where}' has a part of type {kind!r}; this model reads text only.")
