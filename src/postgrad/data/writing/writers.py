"""Every shape that can be written, and the promise that nothing is lost in it: each row is read back before it
counts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from postgrad.data.shapes.cells import to_json, to_text
from postgrad.data.shapes.registry import KINDS, shape_of
from postgrad.data.shapes.row_errors import Inexpressible, LeftOut, TurnError
from postgrad.data.writing import write_rows
from postgrad.data.writing.writer import ShapeWriter
from postgrad.json_types import JsonMapping, JsonObject
from postgrad.records import Conversation, Message, Preference, Rating, Record, Task, Text

_CHAT, _PAIR, _RATED, _TASK = (Conversation,), (Preference,), (Rating,), (Task,)
WRITERS: dict[str, ShapeWriter] = {
    "openai-chat": ShapeWriter(_CHAT, write_rows.openai_chat, "OpenAI supervised fine-tuning", strict=True),
    "openai-preference": ShapeWriter(_PAIR, write_rows.openai_preference, "OpenAI preference fine-tuning", strict=True),
    "openai-reinforcement": ShapeWriter(
        _TASK, write_rows.openai_reinforcement, "OpenAI reinforcement fine-tuning", strict=True
    ),
    "completions": ShapeWriter(_CHAT, write_rows.completions, "prompt and completion (OpenAI, Together, Bedrock, TRL)"),
    "together": ShapeWriter(
        (Conversation, Preference, Text), write_rows.together, "Together, by the kind of the records", strict=True
    ),
    "alpaca": ShapeWriter(_CHAT, write_rows.alpaca, "Alpaca, with history and system where needed"),
    "sharegpt": ShapeWriter(_CHAT, write_rows.sharegpt, "ShareGPT", calls_anew=True),
    "bedrock": ShapeWriter(_CHAT, write_rows.bedrock, "Amazon Bedrock conversation", keeps_meta=False),
    "trl-messages": ShapeWriter(_CHAT, write_rows.trl_messages, "TRL language modelling, conversational"),
    "trl-prompt-completion": ShapeWriter(_CHAT, write_rows.completions, "TRL prompt-completion"),
    "trl-prompt-completion-chat": ShapeWriter(
        _CHAT, write_rows.trl_prompt_completion_chat, "TRL prompt-completion, conversational"
    ),
    "trl-prompt-only": ShapeWriter(_TASK, write_rows.trl_prompt_only, "TRL prompt-only, conversational"),
    "trl-preference": ShapeWriter(_PAIR, write_rows.trl_preference, "TRL preference"),
    "trl-preference-chat": ShapeWriter(_PAIR, write_rows.trl_preference_chat, "TRL preference, conversational"),
    "trl-unpaired": ShapeWriter(_RATED, write_rows.trl_unpaired, "TRL unpaired preference"),
    "trl-unpaired-chat": ShapeWriter(_RATED, write_rows.trl_unpaired_chat, "TRL unpaired preference, conversational"),
    "trl-text": ShapeWriter((Text,), write_rows.text, "TRL language modelling", keeps_meta=False),
    "kto": ShapeWriter(_RATED, write_rows.kto, "conversations with a label true or false"),
    "text": ShapeWriter((Text,), write_rows.text, "raw text", keeps_meta=False),
    "csv": ShapeWriter(_CHAT, write_rows.table, "a table with the columns prompt, completion and system"),
    "postgrad-jsonl": ShapeWriter(
        (Conversation, Preference, Rating, Task, Text), write_rows.own, "postgrad's own form: everything", own=True
    ),
}
"""Name → writer. A new shape is one file (or a function in `write_rows`) and one line here; the help of the
command is made of this table."""


def row_of(record: Record, writer: ShapeWriter, *, table: bool = False, meta: bool = True) -> JsonObject:
    """The row of a record, which reads back as the record but for its source.

    Args:
        record: Of one of the writer's kinds.
        writer: The shape.
        table: Whether the row goes into a table of texts, whose readers take stray blanks off.
        meta: Whether metadata is written, where the shape can hold it.

    Raises:
        Inexpressible: The shape cannot hold the record; the message completes "file:N: …".
    """
    if not isinstance(record, writer.kinds):
        raise Inexpressible(f"it is of the kind {KINDS[type(record)]}")
    if lost := lost_meta(record, writer, meta):
        record = replace(record, meta={key: value for key, value in record.meta.items() if key not in lost})
    row = writer.row(record)
    if not writer.own:
        row = _with_meta(row, record, writer)
    _read_back(row, record, writer, table)
    return row


def lost_meta(record: Record, writer: ShapeWriter, meta: bool) -> list[str]:
    """The keys of the metadata that are not written; `parallel_tool_calls` is OpenAI's own and stays."""
    if meta and (writer.keeps_meta or writer.own):
        return []
    return [key for key in record.meta if key != "parallel_tool_calls" or not writer.keeps_meta]


def _with_meta(row: JsonObject, record: Record, writer: ShapeWriter) -> JsonObject:
    extra = dict(record.meta)
    if "input" in row and isinstance(row["input"], dict):
        extra.pop("parallel_tool_calls", None)
    if taken := sorted(extra.keys() & row.keys()):
        raise Inexpressible(f"its metadata has a key {taken[0]!r}, which is the shape's own")
    if isinstance(record, Task) and extra:
        raise Inexpressible(f"it has metadata ({', '.join(sorted(extra))}), which would become fields for the grader")
    return {**row, **extra}


def _read_back(row: JsonObject, record: Record, writer: ShapeWriter, table: bool) -> None:
    """Refuses what would not come back: nothing is lost unseen."""
    shape = shape_of(row)
    if shape is None:
        raise Inexpressible("with its metadata it would not be recognised when it is read again")
    values = {k: to_text(v) if isinstance(v, str) else v for k, v in row.items()} if table else row
    meta = {key: value for key, value in values.items() if key not in shape.uses}
    try:
        found = shape.read(values, {"source": record.source, "meta": meta})
    except (TurnError, LeftOut) as error:
        raise Inexpressible(f"it would not be read again: {error}") from error
    back = found[0]
    if len(found) != 1 or type(back) is not type(record):
        raise Inexpressible(f"it would be read again as {shape.name}, which is something else")
    wanted = record
    if writer.calls_anew and isinstance(back, Conversation) and isinstance(record, Conversation):
        back = replace(back, messages=_without_ids(back.messages))
        wanted = replace(record, messages=_without_ids(record.messages))
    if table:
        back = replace(back, meta=record.meta)  # values of a table come back as texts; that is said for the whole file
    if back != wanted:
        raise Inexpressible(_difference(back, wanted, table))


def _difference(back: Record, record: Record, table: bool) -> str:
    names = [name for name in type(record).__dataclass_fields__ if getattr(back, name) != getattr(record, name)]
    if table:
        return "a text in it has blanks at its end, or line ends of Windows, which a table does not keep"
    return f"its {' and '.join(names)} would not come back as {'it is' if len(names) == 1 else 'they are'}"


def _without_ids(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Messages whose calls are numbered, with arguments in compact JSON, and whose tool answers belong to the call
    before."""
    return tuple(_numbered(messages))


def _numbered(messages: tuple[Message, ...]) -> Iterator[Message]:
    open_ids: list[Any] = []
    for number, message in enumerate(messages):
        if message.tool_calls:
            open_ids = [call.get("id") for call in message.tool_calls]
            calls = tuple(
                {**call, "id": (number, i), "function": _compact(call)} for i, call in enumerate(message.tool_calls)
            )
            yield replace(message, tool_calls=calls)
        elif message.tool_call_id is not None and open_ids and message.tool_call_id == open_ids.pop(0):
            yield replace(message, tool_call_id=None)
        else:
            yield message


def _compact(call: JsonMapping) -> Any:
    function = call.get("function")
    arguments = function.get("arguments") if isinstance(function, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(arguments, str):
        return function
    try:
        return {**function, "arguments": to_json(json.loads(arguments))}
    except ValueError:
        return function
