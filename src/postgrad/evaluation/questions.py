"""Records of every shape as questions that arms answer: a request with the answer that is wanted, and what else an
answer is judged by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from postgrad.records import Conversation, Message, Preference, Rating, Record, Task, said_by

REJECTED = "rejected"
"""Where a question's metadata holds the worse answer of its pair, as text."""
WANTED = "wanted"
"""Where it says whether the answer was rated good."""


def question_of(record: Record) -> Record:
    """The record as a question.

    Of a pair the chosen answer is the wanted one, of a rating its own answer, whatever it was rated, of a task its
    reference; one without a reference ends with the request. Earlier turns are part of the request: nobody called them
    good.
    """
    if isinstance(record, Preference):
        meta = {**record.meta, REJECTED: said_by(record.rejected)}
        return _conversation(record, (*_asked(record.prompt), *record.chosen), meta)
    if isinstance(record, Rating):
        meta = {**record.meta, WANTED: record.good}
        return _conversation(record, (*_asked(record.prompt), *record.completion), meta)
    if isinstance(record, Task):
        answer = (Message("assistant", record.reference),) if record.reference.strip() else ()
        return _conversation(record, (*_asked(record.prompt), *answer), {**record.meta, **record.fields})
    return record


def is_wanted(question: Record) -> bool:
    """Whether its answer may be shown as a good one."""
    return question.meta.get(WANTED) is not False


def _asked(prompt: Sequence[Message]) -> tuple[Message, ...]:
    return tuple(replace(m, weight=0.0) if m.role == "assistant" else m for m in prompt)


def _conversation(
    record: Preference | Rating | Task, messages: tuple[Message, ...], meta: dict[str, object]
) -> Conversation:
    return Conversation(messages=messages, tools=record.tools, source=record.source, meta=meta)
