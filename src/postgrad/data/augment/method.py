"""What a method takes and gives: training records in, proposals out, and a teacher behind one callable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

from postgrad.json_types import JsonObject
from postgrad.progress import Working
from postgrad.records import Conversation, Message, Record, to_dict

Teacher = Callable[[Sequence[tuple[Message, ...]]], Working[list[str | None]]]
"""Answers of a teacher, in order; None where the budget was spent."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A made record.

    Attributes:
        record: Marked as synthetic.
        originals: Indices of what it was made from.
        doubt: How much it should be looked at: 0 for none, set by `keep`.
        why: The figures behind the doubt.
    """

    record: Record
    originals: tuple[int, ...]
    doubt: float = 0.0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """What was not taken: the reason's machine name, the words for it, and the record as far as there is one."""

    reason: str
    why: str
    originals: tuple[int, ...]
    record: Record | None = None


AugmentMethod = Callable[[Sequence[Record], int, int, Teacher | None, str | None], Working[list[Proposal | Refused]]]
"""(training records, proposals for each, seed, teacher, teacher's name) → proposals and failures."""


def prompt_of(record: Record) -> tuple[Message, ...]:
    """The messages before the answer; none for raw text."""
    return getattr(record, "prompt", ())


def request_of(record: Record) -> str | None:
    """The last message of the user, which is what the methods change; None where there is none."""
    return next((m.content for m in reversed(prompt_of(record)) if m.role == "user" and not m.parts), None)


def with_request(record: Record, text: str, meta: JsonObject) -> Record:
    """The record with another last message of the user; everything else, the answer above all, is as it was."""
    name = "messages" if isinstance(record, Conversation) else "prompt"
    messages = list(getattr(record, name))
    place = max(i for i, m in enumerate(prompt_of(record)) if m.role == "user")
    messages[place] = replace(messages[place], content=text)
    values = {item.name: getattr(record, item.name) for item in fields(record)}
    return type(record)(**{**values, name: tuple(messages), "meta": {**record.meta, **meta}})


def to_row(record: Record) -> JsonObject:
    """The record as a line of JSONL that every reader of such files takes, with its metadata as columns."""
    raw = to_dict(record)
    meta = raw.pop("meta")
    row = {key: value for key, value in raw.items() if key not in ("shape", "source") and value not in ([], {})}
    return {**{key: value for key, value in meta.items() if key not in row}, **row}
