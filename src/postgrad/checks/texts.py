"""Every text of a record, to read or to change: for the checks that look inside, whatever the record's shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

from postgrad.records import Message, Record


def map_texts(record: Record, change: Callable[[str], str]) -> Record:
    """The record with every text changed: messages, tool calls, references, raw text. Metadata and source stay."""
    changed = {
        item.name: _map(getattr(record, item.name), change)
        for item in fields(record)
        if item.name not in ("source", "meta")
    }
    return replace(record, **changed)


def texts_of(record: Record) -> list[str]:
    """All texts of a record."""
    found: list[str] = []

    def collect(text: str) -> str:
        found.append(text)
        return text

    map_texts(record, collect)
    return found


def _map(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Message):
        calls = tuple(_map(call, change) for call in value.tool_calls)
        return replace(value, content=change(value.content), tool_calls=calls)
    if isinstance(value, Mapping):
        return {key: _map(item, change) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_map(item, change) for item in value)
    return value
