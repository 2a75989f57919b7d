"""Tickets that hold their messages in a list (`comments`, `thread` …) → one row for each message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from postgrad.data.shapes.cells import to_text
from postgrad.data.sources.rows import Row, Rows, RowValues, columns_of
from postgrad.facts import load_facts
from postgrad.json_types import JsonObject

_NAMES = load_facts("columns")["messages"]
THREAD, SPEAKER, TEXT = "conversation", "speaker", "message"
_SAMPLE = 50
_WHEN = ("created_at", "created", "sent_at", "time", "timestamp", "date", "ts")
"""Keys of moments, which a message has beside its ticket's own."""
_INSIDE = ("role", "type", "name", "email", "display_name", "id")
"""What an author that is an object is called by, the most telling first."""


def opened(rows: Rows) -> Rows:
    """The rows with one message each, where most hold a list of messages; all others as they are."""
    key = _list_of(rows)
    if key is None:
        return rows
    made: list[Row] = []
    for number, (line, values) in enumerate(rows, start=1):
        rest = {k: v for k, v in values.items() if k != key}
        for message in _messages(values, key):
            made.append((line, {**rest, **message, THREAD: number}))
    return replace(rows, rows=tuple(made), columns=tuple(dict.fromkeys((THREAD, SPEAKER, TEXT, *columns_of(made)))))


def _list_of(rows: Rows) -> str | None:
    """The column that holds lists of messages in most of the rows."""
    sample = [values for _, values in rows.rows[:_SAMPLE]]
    for column in rows.columns:
        held = [values.get(column) for values in sample]
        if sum(_is_messages(value) for value in held) > len(sample) / 2:
            return column
    return None


def _is_messages(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, dict) for item in value)
        and _key(value[0], _NAMES["texts"]) is not None
        and _key(value[0], _NAMES["speakers"]) is not None
    )


def _key(item: RowValues, names: Sequence[str]) -> str | None:
    return next((name for name in names if item.get(name) not in (None, "")), None)


def _messages(values: RowValues, key: str) -> list[JsonObject]:
    """The messages of a ticket: what it was opened with, then its list."""
    items = values.get(key)
    items = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    said: list[JsonObject] = []
    for item in items:
        text = _key(item, _NAMES["texts"])
        used = {*_NAMES["speakers"], text, *(k for k in values if k not in _WHEN)}
        rest = {k: v for k, v in item.items() if k not in used}
        said.append({SPEAKER: _speaker(item, values), TEXT: to_text(item.get(text)) if text else "", **rest})
    heading, opening = _key(values, _NAMES["headings"]), _key(values, _NAMES["openings"])
    first = to_text(values.get(opening)).strip() if opening else ""
    begins = "\n\n".join(filter(None, (to_text(values.get(heading)).strip() if heading else "", first)))
    if said and first and to_text(said[0][TEXT]).strip() == first:
        said[0][TEXT] = begins
    elif begins and (first or not said or said[0][SPEAKER] != "requester"):
        when = {k: values[k] for k in _WHEN if said and k in said[0] and k in values}
        said.insert(0, {SPEAKER: "requester", TEXT: begins, **when})
    return said


def _speaker(item: RowValues, ticket: RowValues) -> str:
    """Who wrote a message, as well as it says so."""
    if item.get("public") is False or item.get("private") is True or item.get("internal") is True:
        return "internal note"
    author, requester = item.get("author_id"), _key(ticket, _NAMES["requesters"])
    role = next((item[k] for k in ("role", "author_role", "sender_type", "author_type") if item.get(k)), None)
    if role is None and author is not None and requester is not None:
        return "requester" if author == ticket[requester] else "agent"
    key = _key(item, _NAMES["speakers"])
    value = role if role is not None else item.get(key) if key else None
    if isinstance(value, dict):
        value = next((value[k] for k in _INSIDE if value.get(k)), "")
    return to_text(value)
