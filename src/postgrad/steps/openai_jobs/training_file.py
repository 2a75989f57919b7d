"""OpenAI's rules for training files: one format a file, matching the method; every fault is named by example and
message.

The file is read line by line; the words are those of OpenAI's service.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from postgrad.json_types import Json, JsonObject
from postgrad.steps.openai_jobs.methods import METHODS

MINIMUM = 10
NAMED = 5
ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_SPELLED = {
    "chat": "fine-tune-chat",
    "completions": "fine-tune-completions",
    "preference": "fine-tune-preference",
    "reinforcement": "fine-tune-chat",
}


class FileFaultError(Exception):
    """The file cannot be trained on.

    Args:
        message: In OpenAI's words.
        few: Whether the only fault is that there are too few examples.
    """

    def __init__(self, message: str, few: bool = False) -> None:
        super().__init__(message)
        self.message, self.few = message, few


@dataclass(frozen=True)
class ExampleFault:
    """What is wrong with an example; `message` is 0 where it is the example itself."""

    example: int
    message: int
    text: str

    def __str__(self) -> str:
        where = f"Example {self.example}, message {self.message}" if self.message else f"Example {self.example}"
        return f"{where} {self.text}"


def count_examples(
    path: Path,
    file_id: str,
    method: str,
    *,
    minimum: int = MINIMUM,
    what: str = "Training",
    lacks: Callable[[JsonObject], str] | None = None,
) -> int:
    """Checks a file against the rules; returns its number of examples.

    Args:
        file_id: As the client calls it.
        method: `supervised`, `dpo` or `reinforcement`.
        what: `Training` or `Validation`.
        lacks: What an example does not have that it needs, as half a sentence; empty where it has all.

    Raises:
        FileFaultError: naming the first faults.
    """
    kind, count, faults, more = "", 0, [], 0
    for number, example in _examples(path):
        count += 1
        if not kind:
            kind = _format_of(example)
            _refuse_other_format(kind, file_id, method)
        found = list(_CHECKS[kind](number, example, method))
        if lacks is not None and not found and (text := lacks(example)):
            found.append(ExampleFault(number, 0, text))
        for fault in found:
            if len(faults) < NAMED:
                faults.append(str(fault))
            else:
                more += 1
    if faults:
        rest = f"; and {more} more" if more else ""
        raise FileFaultError(f"Invalid file format. {'; '.join(faults)}{rest}")
    if count < minimum:
        message = f"{what} file has {count} example(s), but must have at least {minimum} examples"
        raise FileFaultError(message, few=True)
    return count


def _examples(path: Path) -> Iterator[tuple[int, JsonObject]]:
    number = 0
    with path.open("rb") as stream:
        for place, line in enumerate(stream, start=1):
            text = line.removeprefix(b"\xef\xbb\xbf") if place == 1 else line
            if not text.strip():
                continue
            number += 1
            try:
                example = json.loads(text)
            except (ValueError, RecursionError):
                example = None
            if not isinstance(example, dict):
                raise FileFaultError(f"Invalid file format. Line {place} is not a JSON dictionary")
            yield number, example


def _format_of(example: JsonObject) -> str:
    if "input" in example and any(k.startswith("preferred_") for k in example):
        return "preference"
    if "messages" in example:
        return "chat"
    if "prompt" in example and "completion" in example:
        return "completions"
    raise FileFaultError("Unexpected file format, expected either prompt/completion pairs or chat messages.")


def _refuse_other_format(kind: str, file_id: str, method: str) -> None:
    if kind in METHODS[method].formats:
        return
    fitting = next(name for name, other in METHODS.items() if kind in other.formats)
    raise FileFaultError(
        f"Input file {file_id} is in the {_SPELLED[kind]} format, but the specified fine-tuning job is not using "
        f"{fitting!r} (its method is {method!r})."
    )


def _chat(number: int, example: JsonObject, method: str) -> Iterator[ExampleFault]:
    messages = example.get("messages")
    if not isinstance(messages, list) or not messages:
        yield ExampleFault(number, 0, "has no list of 'messages'")
        return
    if "functions" in example and not _is_functions(example["functions"]):
        yield ExampleFault(number, 0, "has 'functions' that are not a list of 1 to 128 objects with a name")
    if "tools" in example and not _is_objects(example["tools"]):
        yield ExampleFault(number, 0, "has 'tools' that are not a list of objects")
    yield from _messages(number, messages)
    roles = [m.get("role") for m in messages if isinstance(m, dict)]
    if method == "supervised" and "assistant" not in roles:
        yield ExampleFault(number, 0, "has no message of the assistant, so there is nothing to learn")
    if method == "reinforcement" and roles[-1:] != ["user"]:
        yield ExampleFault(number, 0, "must end with a message of the user")


def _messages(number: int, messages: list[Json]) -> Iterator[ExampleFault]:
    for place, message in enumerate(messages, start=1):
        if text := _fault_of(message):
            yield ExampleFault(number, place, text)


def _fault_of(message: Json) -> str:
    if not isinstance(message, dict):
        return "is not a JSON dictionary"
    if "role" not in message:
        return "Discriminator 'role' is missing in value"
    role, calls = message["role"], message.get("tool_calls") or message.get("function_call")
    if role not in ROLES:
        return f"has the unknown role {role!r}; known are {', '.join(ROLES)}"
    if "weight" in message and (role != "assistant" or message["weight"] not in (0, 1)):
        return f"has the weight {message['weight']!r}; only the assistant's messages have one, and it is 0 or 1"
    if role == "tool" and not message.get("tool_call_id"):
        return "Field required: 'tool_call_id'"
    content = message.get("content")
    if content is None:
        return "" if role == "assistant" and calls else "Field required: 'content'"
    return _fault_of_content(content)


def _fault_of_content(content: Json) -> str:
    if isinstance(content, str):
        return ""
    if not isinstance(content, list):
        return "has 'content' that is neither a string nor a list of parts"
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in ("text", "refusal"):
            return f"has a content part of type {kind!r}: this server trains on text only"
    return ""


def _completions(number: int, example: JsonObject, method: str) -> Iterator[ExampleFault]:
    for key in ("prompt", "completion"):
        if not isinstance(example.get(key), str):
            yield ExampleFault(number, 0, f"has no text under {key!r}")


def _preference(number: int, example: JsonObject, method: str) -> Iterator[ExampleFault]:
    asked = example.get("input")
    asked = asked if isinstance(asked, dict) else {}
    messages = asked.get("messages")
    if not isinstance(messages, list) or not messages:
        yield ExampleFault(number, 0, "has no list of messages under 'input'")
    else:
        if "tools" in asked and not _is_objects(asked["tools"]):
            yield ExampleFault(number, 0, "has 'tools' under 'input' that are not a list of objects")
        yield from _messages(number, messages)
        if isinstance(messages[-1], dict) and messages[-1].get("role") == "assistant":
            yield ExampleFault(
                number, len(messages), "is the assistant's, but the last message of the input must not be"
            )
    for side in ("preferred", "non_preferred"):
        answer = example.get(f"{side}_output", example.get(f"{side}_completion"))
        if not isinstance(answer, list) or [m.get("role") for m in answer if isinstance(m, dict)] != ["assistant"]:
            yield ExampleFault(number, 0, f"must have exactly one message of the assistant under '{side}_output'")
        elif text := _fault_of(answer[0]):
            yield ExampleFault(number, 0, f"under '{side}_output': the message {text}")


def _is_functions(value: Json) -> bool:
    """OpenAI's older spelling of tools."""
    return _is_objects(value) and 1 <= len(value) <= 128 and all(isinstance(f.get("name"), str) for f in value)


def _is_objects(value: Json) -> TypeGuard[list[JsonObject]]:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


_CHECKS: dict[str, Callable[[int, JsonObject, str], Iterator[ExampleFault]]] = {
    "chat": _chat,
    "completions": _completions,
    "preference": _preference,
}
