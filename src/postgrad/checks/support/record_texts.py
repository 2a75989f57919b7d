"""Every text of a record, to read or to change: for the checks that look inside, whatever the record's shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from postgrad.json_types import JsonMapping
from postgrad.records import Conversation, Message, Preference, Rating, Record, Task, Text


def map_texts(record: Record, change: Callable[[str], str]) -> Record:
    """The record with every text changed: messages, tool calls, references, raw text. Metadata and source stay."""
    changed = {
        item.name: _map(getattr(record, item.name), change)
        for item in fields(record)
        if item.name not in ("source", "meta")
    }
    return replace(record, **changed)


def texts_of(record: Record) -> list[str]:
    """All texts of a record, in the order of its fields. Written out by shape, because every check begins here."""
    found: list[str] = []
    if isinstance(record, Conversation):
        _collect_messages(record.messages, found)
    elif isinstance(record, Text):
        found.append(record.text)
    elif isinstance(record, Preference):
        _collect_messages((*record.prompt, *record.chosen, *record.rejected), found)
    elif isinstance(record, Rating):
        _collect_messages((*record.prompt, *record.completion), found)
    elif isinstance(record, Task):
        _collect_messages(record.prompt, found)
        found.append(record.reference)
        _collect(record.fields, found)
    tools = getattr(record, "tools", ())
    if tools:
        _collect(tools, found)
    return found


def with_answer(record: Record, change: Callable[[Message], Message]) -> Record | None:
    """The conversation with its answer changed; None where there is no such answer."""
    if not isinstance(record, Conversation) or record.answer is None:
        return None
    return replace(record, messages=(*record.messages[:-1], change(record.answer)))


def _collect_messages(messages: Sequence[Message], found: list[str]) -> None:
    for message in messages:
        found.append(message.content)
        if message.tool_calls:
            _collect(message.tool_calls, found)


def _collect(value: Any, found: list[str]) -> None:
    if isinstance(value, str):
        found.append(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            _collect(item, found)
    elif isinstance(value, tuple | list):
        for item in value:
            _collect(item, found)


def _map(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Message):
        calls = tuple(_map(call, change) for call in value.tool_calls)
        parts = tuple(_map_part(part, change) for part in value.parts)
        return replace(value, content=change(value.content), tool_calls=calls, parts=parts)
    if isinstance(value, Mapping):
        return {key: _map(item, change) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_map(item, change) for item in value)
    return value


def _map_part(part: JsonMapping, change: Callable[[str], str]) -> JsonMapping:
    """Only the text of a content part: an image in it is no text, though its bytes are spelled in letters."""
    return {**part, "text": change(part["text"])} if isinstance(part.get("text"), str) else part
