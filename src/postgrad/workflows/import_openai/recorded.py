"""Recorded answers of an old model: stored chat completions, or plain lines of messages and what was said to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from postgrad.errors import DataError
from postgrad.json_types import JsonMapping
from postgrad.records import Conversation


class Recorded:
    """Answers by the messages that they were given to.

    Args:
        path: JSON Lines; each `{"messages": […], …}` with the answer as `output_text`, as `choices` (a chat completion,
            or one under `response`), or as a last message of the assistant.

    Raises:
        DataError: the file cannot be read, or a line is none of these.
    """

    def __init__(self, path: Path) -> None:
        self._answers: dict[tuple[tuple[str, str], ...], str] = {}
        try:
            lines = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"The recorded answers {str(path)!r} cannot be read: {error}.") from error
        for number, line in enumerate(lines, start=1):
            if line.strip():
                asked, answer = _read(line, f"{path}:{number}")
                self._answers.setdefault(_key(asked), answer)
        if not self._answers:
            raise DataError(f"The file {str(path)!r} holds no recorded answers.")

    def __len__(self) -> int:
        return len(self._answers)

    def answer(self, record: Conversation) -> str | None:
        """What was said to a record's prompt; None where nothing was recorded."""
        return self._answers.get(_key([m.to_dict() for m in record.prompt]))


def _read(line: str, where: str) -> tuple[list[Any], str]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is not JSON: {error}.") from error
    if isinstance(row, dict):
        request = row["request"] if isinstance(row.get("request"), dict) else row
        messages, answer = request.get("messages") or row.get("input"), _answer(row)
        if isinstance(messages, list) and all(isinstance(m, dict) for m in messages):
            if answer is None and messages and messages[-1].get("role") == "assistant":
                messages, answer = messages[:-1], messages[-1].get("content")
            if messages and isinstance(answer, str):
                return messages, answer
    raise DataError(
        f"{where} holds no recorded answer.",
        'Each line: {"messages": [the prompt], "output_text": "the answer"}, or a chat completion with its messages.',
    )


def _answer(row: JsonMapping) -> str | None:
    for holder in (row, row.get("response"), row.get("sample")):
        if isinstance(holder, Mapping):
            choices = holder.get("choices")
            if isinstance(choices, list) and choices and isinstance(choices[0], dict):
                return (choices[0].get("message") or {}).get("content")
            if isinstance(holder.get("output_text"), str):
                return holder["output_text"]
    return None


def _key(messages: list[Any]) -> tuple[tuple[str, str], ...]:
    """What tells prompts apart: roles and texts, blanks at the ends aside."""
    out = []
    for m in messages:
        content = m.get("content")
        if isinstance(content, list):
            content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
        role = {"developer": "system"}.get(m.get("role"), m.get("role"))
        out.append((str(role), str(content or "").strip()))
    return tuple(out)
