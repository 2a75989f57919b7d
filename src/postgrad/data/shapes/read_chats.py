"""Rows that hold one conversation with its answers: OpenAI chat, ShareGPT, Bedrock, prompt-completion, Alpaca,
Self-Instruct."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from postgrad.data.shapes.cells import exact_text
from postgrad.data.shapes.chat_messages import read_functions, read_messages, read_tools
from postgrad.data.shapes.content_parts import attach_images
from postgrad.data.shapes.row_errors import TurnError
from postgrad.data.sources.rows import RowValues
from postgrad.json_types import JsonMapping
from postgrad.records import Conversation, Message, Record, Source, ToolDefinition


class About(TypedDict):
    """What a record to be has besides what it says."""

    source: Source
    meta: JsonMapping


SYSTEM_COLUMNS = ("system", "system_prompt")
TOOL_COLUMNS = ("tools", "functions")
IMAGE_COLUMNS = ("images", "image")


def is_turns(value: object) -> bool:
    """Whether a value is a list of turns, or the JSON text of one."""
    if isinstance(value, list):
        return bool(value) and isinstance(value[0], dict) and ("role" in value[0] or "from" in value[0])
    return isinstance(value, str) and value.lstrip()[:2] == "[{"


def system_text(values: RowValues, uses: Sequence[str] = SYSTEM_COLUMNS) -> str:
    """The text of the system column; Bedrock's list of texts is joined."""
    for column in SYSTEM_COLUMNS:
        value = values.get(column)
        if value and column in uses:
            if isinstance(value, list) and all(isinstance(part, dict) and "text" in part for part in value):
                return "\n\n".join(str(part["text"]) for part in value)
            return exact_text(value)
    return ""


def with_system(messages: tuple[Message, ...], text: str) -> tuple[Message, ...]:
    """Puts a system text in front, where the messages have no system message of their own."""
    if not text or any(m.role == "system" for m in messages):
        return messages
    return (Message("system", text), *messages)


def tools_of(values: RowValues) -> tuple[ToolDefinition, ...]:
    """The tools of a row, also in OpenAI's older spelling `functions`."""
    return read_tools(values.get("tools")) or read_functions(values.get("functions"))


def messages_under(key: str, values: RowValues) -> tuple[Message, ...]:
    """The messages of a row with its images and its system text."""
    return with_system(_with_images(read_messages(values.get(key)), values), system_text(values))


def _with_images(messages: tuple[Message, ...], values: RowValues) -> tuple[Message, ...]:
    """The messages with the images of a column beside them, where there is one."""
    images = next((values[column] for column in IMAGE_COLUMNS if values.get(column)), None)
    if images is None and not any(m.parts for m in messages):
        return messages
    return attach_images(messages, images)


def read_chat(values: RowValues, about: About) -> list[Record]:
    return [Conversation(messages=messages_under("messages", values), tools=tools_of(values), **about)]


def read_sharegpt(values: RowValues, about: About) -> list[Record]:
    return [Conversation(messages=messages_under("conversations", values), tools=tools_of(values), **about)]


def asked(value: object, values: RowValues) -> tuple[Message, ...]:
    """A prompt as messages: turns as they are, a text as one request."""
    messages = read_messages(value) if is_turns(value) else (Message("user", exact_text(value)),)
    return with_system(_with_images(messages, values), system_text(values))


def said(value: object) -> tuple[Message, ...]:
    """An answer as messages: turns as they are, a text as one message of the assistant."""
    if is_turns(value) or (isinstance(value, dict) and ("role" in value or "from" in value)):
        return read_messages(value)
    return (Message("assistant", exact_text(value)),)


def read_prompt_completion(values: RowValues, about: About) -> list[Record]:
    messages = (*asked(values.get("prompt"), values), *said(values.get("completion")))
    return [Conversation(messages=messages, tools=tools_of(values), **about)]


def instruction_text(values: RowValues) -> str:
    """Alpaca's instruction, followed by its input where that is not empty."""
    parts = (exact_text(values.get("instruction")), exact_text(values.get("input")))
    return "\n\n".join(part for part in parts if part)


def alpaca_prompt(values: RowValues) -> tuple[Message, ...]:
    """System, history and instruction of an Alpaca row."""
    turns: list[Message] = []
    history = values.get("history") or []
    if not isinstance(history, list) or not all(isinstance(turn, list) and len(turn) == 2 for turn in history):
        raise TurnError("the history is not a list of [request, answer] pairs")
    for question, answer in history:
        turns += [Message("user", exact_text(question)), Message("assistant", exact_text(answer))]
    messages = _with_images((*turns, Message("user", instruction_text(values))), values)
    return with_system(messages, system_text(values))


def read_alpaca(values: RowValues, about: About) -> list[Record]:
    answer = Message("assistant", exact_text(values.get("output")))
    return [Conversation(messages=(*alpaca_prompt(values), answer), tools=tools_of(values), **about)]


def read_instances(values: RowValues, about: About) -> list[Record]:
    instances = values.get("instances")
    if not isinstance(instances, list) or not all(isinstance(item, dict) for item in instances):
        raise TurnError("the instances are not a list of objects")
    return [
        record
        for item in instances
        for record in read_alpaca({"instruction": values.get("instruction"), **item}, about)
    ]
