"""The record: one example, frozen, that knows where it came from. Every stage takes records and yields records.

Five shapes cover every kind of tuning: `Conversation`, `Preference`, `Rating`, `Task`, `Text`. `to_dict` and
`from_dict` are the one wire form (JSON-safe), used by the stores, the hashes and the pages alike.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, TypeAlias

from postgrad.json_types import JsonMapping, JsonObject

Role = Literal["system", "user", "assistant", "tool", "text"]
"""Who speaks. `text` is nobody: raw text that a model goes on from without any template; never read from files."""
ToolDefinition: TypeAlias = JsonMapping
"""A tool that a request may call, as OpenAI spells it: `{"type": "function", "function": {…}}`."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a record came from: the file (or URL, or table) and the 1-based line or row in it.

    `row` is its row as a spreadsheet counts, where cells of several lines make that another number; otherwise 0.
    """

    file: str = ""
    line: int = 0
    row: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}{f' (row {self.row})' if self.row else ''}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    `weight` scales the loss of an assistant message (0 excludes it). `tool_calls`, `tool_call_id` and `name` are kept
    as OpenAI's chat format spells them. `parts` is empty for plain text; where the content holds images or sound it is
    the whole list of content parts as OpenAI spells it, and `content` is their text alone. `reasoning` is what an
    assistant thought before it answered; it is no part of the answer.
    """

    role: Role
    content: str
    weight: float = 1.0
    name: str | None = None
    tool_calls: tuple[JsonMapping, ...] = ()
    tool_call_id: str | None = None
    parts: tuple[JsonMapping, ...] = ()
    reasoning: str = ""

    def to_dict(self) -> JsonObject:
        """The OpenAI chat form, without empty keys."""
        content = [dict(part) for part in self.parts] if self.parts else self.content
        out: JsonObject = {"role": self.role, "content": content}
        if self.weight != 1.0:
            out["weight"] = self.weight
        if self.name is not None:
            out["name"] = self.name
        if self.tool_calls:
            out["tool_calls"] = [dict(call) for call in self.tool_calls]
        if self.tool_call_id is not None:
            out["tool_call_id"] = self.tool_call_id
        if self.reasoning:
            out["reasoning_content"] = self.reasoning
        return out

    @classmethod
    def from_dict(cls, raw: JsonMapping) -> Message:
        content = raw.get("content") or ""
        parts = tuple(content) if isinstance(content, list) else ()
        return cls(
            role=raw["role"],
            content="".join(part.get("text", "") for part in parts) if isinstance(content, list) else content,
            weight=float(raw.get("weight", 1.0)),
            name=raw.get("name"),
            tool_calls=tuple(raw.get("tool_calls") or ()),
            tool_call_id=raw.get("tool_call_id"),
            parts=parts,
            reasoning=raw.get("reasoning_content") or "",
        )


def is_raw(messages: Sequence[Message]) -> bool:
    """Whether they are raw text that a model goes on from."""
    return bool(messages) and all(m.role == "text" for m in messages)


def calls_text(calls: Sequence[JsonMapping]) -> str:
    """Calls of tools as a JSON list of `{"name", "arguments"}`, the arguments as an object where they can be read."""
    return json.dumps([_plain_call(call) for call in calls], ensure_ascii=False)


def _plain_call(call: JsonMapping) -> JsonObject:
    inner = call.get("function")
    inner = inner if isinstance(inner, Mapping) else call
    arguments = inner.get("arguments", {})
    if isinstance(arguments, str):
        with contextlib.suppress(ValueError, RecursionError):  # a fault of the data stays visible as text
            arguments = json.loads(arguments or "{}")
    return {"name": str(inner.get("name", "")), "arguments": arguments}


def said_by(messages: Sequence[Message]) -> str:
    """The text of an answer of one or several messages, with its calls of tools."""
    return "\n".join(_said(m) for m in messages)


def _said(message: Message) -> str:
    """The text of an answer, with its calls of tools."""
    parts = [message.content] if message.content.strip() or not message.tool_calls else []
    return "\n".join([*parts, calls_text(message.tool_calls)]) if message.tool_calls else message.content


def asked_text(messages: Sequence[Message]) -> str:
    """The text of a prompt without its instruction: what the checks, the splitter and retrieval look at."""
    return "\n".join(m.content for m in messages if m.role != "system")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What all records share. `meta` carries time, label, group and whatever columns the user's file had besides."""

    source: Source = field(default_factory=Source)
    meta: JsonMapping = field(default_factory=dict)

    @property
    def prompt_text(self) -> str:
        """What the model is asked, as plain text: what the checks, the splitter and retrieval look at."""
        raise NotImplementedError(type(self).__name__)

    @property
    def answer_text(self) -> str:
        """What a right answer is, as plain text, calls of tools as JSON; empty where the record has none."""
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation(Record):
    """Messages for instruction tuning; the last message is the answer when it is the assistant's."""

    messages: tuple[Message, ...]
    tools: tuple[ToolDefinition, ...] = ()

    @property
    def prompt(self) -> tuple[Message, ...]:
        """All messages before the final answer."""
        return self.messages[:-1] if self.messages and self.messages[-1].role == "assistant" else self.messages

    @property
    def answer(self) -> Message | None:
        return self.messages[-1] if self.messages and self.messages[-1].role == "assistant" else None

    @property
    def prompt_text(self) -> str:
        return asked_text(self.prompt)

    @property
    def answer_text(self) -> str:
        return _said(self.answer) if self.answer else ""


def turns_of(record: Record) -> tuple[Record, ...]:
    """A conversation cut after each answer of the assistant, the whole one last: what was asked there, and the answer.

    Left out are answers that nobody asked for (a greeting that opens), empty ones, those that training leaves out
    (weight 0), and calls of tools where the conversation ends in words: one metric cannot judge both. Any other record
    is its one turn.
    """
    if not isinstance(record, Conversation) or record.answer is None:
        return (record,)
    calls = bool(record.answer.tool_calls)
    ends = [
        i + 1
        for i, m in enumerate(record.messages[:-1])
        if m.role == "assistant"
        and m.weight > 0
        and (calls if m.tool_calls else bool(m.content.strip()))
        and any(before.role in ("user", "tool") for before in record.messages[:i])
    ]
    return (*(replace(record, messages=record.messages[:end]) for end in ends), record)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference(Record):
    """A prompt with a better and a worse answer."""

    prompt: tuple[Message, ...]
    chosen: tuple[Message, ...]
    rejected: tuple[Message, ...]
    tools: tuple[ToolDefinition, ...] = ()

    @property
    def prompt_text(self) -> str:
        return asked_text(self.prompt)

    @property
    def answer_text(self) -> str:
        return said_by(self.chosen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating(Record):
    """A prompt with one answer that somebody called good or bad."""

    prompt: tuple[Message, ...]
    completion: tuple[Message, ...]
    good: bool
    tools: tuple[ToolDefinition, ...] = ()

    @property
    def prompt_text(self) -> str:
        return asked_text(self.prompt)

    @property
    def answer_text(self) -> str:
        return said_by(self.completion)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(Record):
    """A prompt with what a grader needs to judge an answer: a reference and any further fields."""

    prompt: tuple[Message, ...]
    reference: str = ""
    fields: JsonMapping = field(default_factory=dict)
    tools: tuple[ToolDefinition, ...] = ()

    @property
    def prompt_text(self) -> str:
        return asked_text(self.prompt)

    @property
    def answer_text(self) -> str:
        return self.reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Record):
    """Raw text for continued pretraining."""

    text: str

    @property
    def prompt_text(self) -> str:
        return self.text


_MESSAGE_FIELDS = frozenset({"messages", "prompt", "chosen", "rejected", "completion"})
_SHAPES: dict[str, type[Record]] = {
    "conversation": Conversation,
    "preference": Preference,
    "rating": Rating,
    "task": Task,
    "text": Text,
}
_NAMES = {shape: name for name, shape in _SHAPES.items()}


def to_dict(record: Record) -> JsonObject:
    """A JSON-safe dictionary from which `from_dict` gives the equal record."""
    out: JsonObject = {"shape": _NAMES[type(record)]}
    for item in fields(record):
        value = getattr(record, item.name)
        if item.name == "source":
            value = [value.file, value.line]
        elif item.name in _MESSAGE_FIELDS:
            value = [m.to_dict() for m in value]
        elif isinstance(value, tuple):
            value = [dict(v) for v in value]
        elif isinstance(value, Mapping):
            value = dict(value)
        out[item.name] = value
    return out


def from_dict(raw: JsonMapping) -> Record:
    """The inverse of `to_dict`."""
    shape = _SHAPES[raw["shape"]]
    values: dict[str, Any] = {}
    for item in fields(shape):
        if item.name not in raw:
            continue
        value = raw[item.name]
        if item.name == "source":
            value = Source(*value)
        elif item.name in _MESSAGE_FIELDS:
            value = tuple(Message.from_dict(m) for m in value)
        elif item.name == "tools":
            value = tuple(value)
        values[item.name] = value
    return shape(**values)


def tools_of(record: Record) -> tuple[ToolDefinition, ...]:
    """The tools that a record's request may call; none for shapes without."""
    return record.tools if isinstance(record, Conversation | Preference | Task) else ()


def content_hash(record: Record) -> str:
    """SHA-256 of what the record says, without where it came from; 64 hex digits."""
    raw = to_dict(record)
    raw.pop("source")
    raw.pop("meta")
    text = json.dumps(raw, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def pair(prompt: str, answer: str, *, source: Source | None = None, meta: JsonMapping | None = None) -> Conversation:
    """The commonest record: one request and its answer."""
    return Conversation(
        messages=(Message("user", prompt), Message("assistant", answer)),
        source=source or Source(),
        meta=meta or {},
    )
