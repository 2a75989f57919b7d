"""Logged calls of a model's API, as proxies and SDKs write them, → `messages`: what was asked, and the answer after it.

Known are a request beside its response (`request`/`response`, `input`/`output`, `body`, `kwargs`, and the same as JSON
text), in OpenAI's chat and responses form and in Anthropic's. Everything else in the row stays.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from postgrad.data.sources.rows import Row, Some
from postgrad.json_types import JsonMapping, JsonObject

REQUESTS = ("request", "req", "request_body", "requestBody", "kwargs", "body", "input", "inputs")
RESPONSES = ("response", "res", "resp", "response_body", "responseBody", "completion", "output", "outputs")


class ApiLogs:
    """Reads rows as logged calls, where most of the first ones are such; other rows pass as they are."""

    SAMPLE = 50

    def __init__(self, rows: Sequence[Row]) -> None:
        sample = [values for _, values in rows[: self.SAMPLE]]
        self._on = bool(sample) and sum(_call(v) is not None for v in sample) > len(sample) / 2
        self._unanswered = Some()

    def read(self, row: Row) -> Row | None:
        """The row with `messages`; None for a logged call that was never answered."""
        if not self._on:
            return row
        line, values = row
        call = _call(values)
        if call is None:
            self._unanswered.add(line)
            return None
        return line, call

    def notes(self) -> list[str]:
        """What is to be said afterwards."""
        if not self._on:
            return []
        notes = ["the rows are logged calls: 'messages' holds each request with the first answer it got"]
        if self._unanswered.count:
            notes.append(
                f"left out, because they hold no answered request (failed, cut short or streamed): {self._unanswered}"
            )
        return notes


def _call(values: JsonMapping) -> JsonObject | None:
    """The row of a logged call; None where it is none, or has no answer."""
    if isinstance(values.get("messages"), list):
        asked_key, asked = "messages", {"messages": values["messages"], "tools": values.get("tools")}
    else:
        asked_key, asked = _part(values, REQUESTS, _asked)
    answer_key, answered = _part(values, RESPONSES, _answer)
    if asked is None or answered is None:
        return None
    messages, answer = _asked(asked), _answer(answered)
    if messages is None or answer is None:
        return None
    row: JsonObject = {"messages": [*messages, answer]}
    if asked.get("tools"):
        row["tools"] = asked["tools"]
    for key in ("model", "id", "created"):
        value = answered.get(key) or asked.get(key)
        if value is not None:
            row[key] = value
    return row | {k: v for k, v in values.items() if k not in (asked_key, answer_key, "tools")}


def _part(values: JsonMapping, keys: Sequence[str], test: Any) -> tuple[str, JsonObject | None]:
    """The first key under which a request (or response) stands, and that; a `body` within is opened."""
    for key in keys:
        value = _object(values.get(key))
        for candidate in (
            value,
            _object(value.get("body")) if value else None,
            _object(value.get("data")) if value else None,
        ):
            if candidate is not None and test(candidate) is not None:
                return key, candidate
    return "", None


def _object(value: Any) -> JsonObject | None:
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    if isinstance(value, list) and value and all(isinstance(v, dict) and "role" in v for v in value):
        return {"messages": value}
    return value if isinstance(value, dict) else None


def _asked(request: JsonMapping) -> list[JsonObject] | None:
    """The messages of a request, its instruction first."""
    turns = request.get("messages", request.get("input"))
    if isinstance(turns, str) and ("model" in request or "instructions" in request):
        turns = [{"role": "user", "content": turns}]
    if not isinstance(turns, list) or not turns or not all(isinstance(t, dict) and "role" in t for t in turns):
        return None
    system = request.get("instructions") or request.get("system")
    front = [{"role": "system", "content": _text(system)}] if system else []
    return front + [{**turn, "content": _text(turn.get("content"))} for turn in turns]


def _answer(response: JsonMapping) -> JsonObject | None:
    """The assistant's message of a response; None for an error or an empty one."""
    choices = response.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        message = choices[0].get("message")
        if not isinstance(message, dict):
            return {"role": "assistant", "content": choices[0]["text"]} if choices[0].get("text") else None
        filled = {k: v for k, v in message.items() if v is not None and k in ("content", "tool_calls", "refusal")}
        return (
            {"role": "assistant", "content": "", **filled}
            if filled.get("content") or filled.get("tool_calls")
            else None
        )
    if response.get("role") == "assistant":  # Anthropic's form, or the message alone
        text = _text(response.get("content"))
        calls = response.get("tool_calls")
        if isinstance(text, str) and (text or calls):
            return {"role": "assistant", "content": text} | ({"tool_calls": calls} if calls else {})
        return None
    items = response.get("output")
    if isinstance(items, list):  # OpenAI's responses form
        texts = [_text(i.get("content")) for i in items if isinstance(i, dict) and i.get("type") == "message"]
        text = "".join(t for t in texts if isinstance(t, str))
        return {"role": "assistant", "content": text} if text else None
    return None


def _text(content: Any) -> Any:
    """Parts that are all text as one text; other content as it is."""
    if isinstance(content, list) and content and all(_is_text(part) for part in content):
        return "".join(part["text"] for part in content)
    return content


def _is_text(part: Any) -> bool:
    return (
        isinstance(part, dict)
        and part.get("type") in ("text", "input_text", "output_text")
        and isinstance(part.get("text"), str)
    )
