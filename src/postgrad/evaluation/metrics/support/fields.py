"""What a metric finds in a record besides the answer: further fields, and the reference where it is a call of tools."""

from __future__ import annotations

from collections.abc import Sequence

from postgrad.json_types import JsonMapping
from postgrad.records import Conversation, Record, Task, calls_text

_QUESTIONS = "?？؟;"


def field(record: Record | None, names: str | Sequence[str]) -> object:
    """The first of these fields that the record has and that is not empty: of a task, else of its metadata; or None."""
    if record is None:
        return None
    for name in (names,) if isinstance(names, str) else names:
        for source in (record.fields if isinstance(record, Task) else {}, record.meta):
            if source.get(name) not in (None, "", [], ()):
                return source[name]
    return None


def calls_of(record: Record | None) -> tuple[JsonMapping, ...]:
    """The calls of tools that are a record's right answer, as OpenAI spells them."""
    if isinstance(record, Conversation) and record.answer is not None:
        return record.answer.tool_calls
    return ()


def reference_of(record: Record) -> str:
    """The right answer as text; calls of tools as a JSON list of `{"name", "arguments"}`."""
    calls = calls_of(record)
    if not calls:
        return record.answer_text
    return calls_text(calls)


def is_question(text: str) -> bool:
    """Whether a request ends as a question does, in any alphabet."""
    return bool(text.strip()) and text.rstrip()[-1] in _QUESTIONS
