"""The rows of an evaluation run, and what a model is asked for each of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from postgrad.evaluation.graders.template import VariableError, check_template, fill
from postgrad.json_types import JsonMapping, JsonObject
from postgrad.serving.wire.api_errors import ApiError
from postgrad.storage import home

_TEXTS = ("input_text", "output_text", "text")
_ROLES = ("system", "developer", "user", "assistant")


class RowError(Exception):
    """A row that cannot be used; the others can."""


def rows_path(run_id: str) -> Path:
    """Where the rows of a run lie that came as a file; they are the run's own, whatever happens to the file."""
    return home() / "evals" / f"{run_id}.jsonl"


def rows_of(source: JsonMapping, run_id: str) -> Iterator[tuple[JsonObject, JsonObject | None]]:
    """(item, sample) of every row; a line of a file that is no such row is given as an item of its own with no keys.

    Raises:
        FileNotFoundError: the run's file is gone.
    """
    if source["type"] == "file_content":
        for row in source["content"]:
            yield row["item"], row.get("sample")
        return
    with rows_path(run_id).open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if text.strip():
                yield read_row(text)


def read_row(text: bytes | str) -> tuple[JsonObject, JsonObject | None]:
    """One line: `{"item": {…}, "sample"?: {…}}`; an item with no keys where it is none. What JSON has no form for
    (halves of characters, infinite numbers) becomes `?` and null, because the rows go out again as JSON."""
    try:
        row = json.loads(text, parse_constant=lambda _: None)
        row = json.loads(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return {}, None
    item, sample = (row.get("item"), row.get("sample")) if isinstance(row, dict) else (None, None)
    return (item if isinstance(item, dict) else {}), (sample if isinstance(sample, dict) else None)


def sample_of(given: JsonMapping | None) -> JsonObject:
    """The `sample` of a row as graders see it; a stored chat completion is taken for its first answer."""
    sample = dict(given or {})
    if "output_text" not in sample:
        choices = sample.get("choices")
        first = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        message = first.get("message")
        if isinstance(message, dict) and isinstance(message.get("content"), str):
            sample["output_text"] = message["content"]
    text = sample.get("output_text")
    if isinstance(text, str) and "output_json" not in sample:
        try:
            sample["output_json"] = json.loads(text)
        except (ValueError, RecursionError):
            sample.pop("output_json", None)
    return sample


def check_messages(template: Sequence[JsonMapping]) -> None:
    """Refuses a template that no row could fill.

    Raises:
        ApiError: names the message.
    """
    for place, message in enumerate(template):
        where = f"data_source.input_messages.template[{place}]"
        if message.get("role") not in _ROLES:
            raise ApiError(400, f"Invalid value for '{where}.role': {message.get('role')!r}.", "invalid_value", where)
        try:
            for text in _texts(message.get("content")):
                check_template(text)
        except (ValueError, RowError) as error:
            raise ApiError(400, f"Invalid value for '{where}.content': {error}.", "invalid_value", where) from error


def messages_for(asked: JsonMapping, item: JsonMapping) -> list[JsonObject]:
    """The messages that a row is asked with.

    Args:
        asked: The run's `input_messages`.

    Raises:
        RowError: the row lacks what the template names, or has no messages at the reference.
    """
    if asked["type"] == "item_reference":
        return _referenced(asked["item_reference"], item)
    try:
        return [
            {"role": m["role"], "content": "".join(fill(text, {}, item) for text in _texts(m["content"]))}
            for m in asked["template"]
        ]
    except VariableError as error:
        raise RowError(str(error)) from error


def _referenced(reference: str, item: JsonMapping) -> list[JsonObject]:
    value: object = item
    for name in reference.removeprefix("item.").split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    if not isinstance(value, list) or not value or not all(isinstance(m, dict) for m in value):
        raise RowError(f"{reference} is no list of messages")
    return [{"role": str(m.get("role")), "content": "".join(_texts(m.get("content")))} for m in value]


def _texts(content: Any) -> list[str]:
    """The texts of a message's content.

    Raises:
        RowError: it has a part that is no text.
    """
    if isinstance(content, str):
        return [content]
    if isinstance(content, Mapping):
        if content.get("type") in _TEXTS and isinstance(content.get("text"), str):
            return [content["text"]]
        raise RowError(f"a part of type {content.get('type')!r}; this server reads text only")
    if isinstance(content, list):
        return [text for part in content for text in _texts(part)]
    raise RowError("no text")
