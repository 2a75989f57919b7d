"""One kind of record as another, where that makes sense: a preference pair as a conversation with the chosen answer,
and so on.

Each cast loses something, and says what: `SAID` is printed with every conversion that uses it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from postgrad.data.shapes.row_errors import Inexpressible
from postgrad.records import Conversation, Message, Preference, Rating, Record, Task


class NotMeant(ValueError):  # noqa: N818 - no error: the record is left out by the meaning of the cast
    """The record has nothing to give under this cast, such as an answer rated bad where good ones are learned."""


def cast(record: Record, kinds: tuple[type[Record], ...]) -> tuple[list[Record], str]:
    """The record as one of the kinds, with the name of the cast (empty where none was needed).

    Raises:
        Inexpressible: No cast leads there, or the record lacks what it needs.
        NotMeant: The cast leaves this record out.
    """
    if isinstance(record, kinds):
        return [record], ""
    for kind in kinds:
        name = f"{type(record).__name__}→{kind.__name__}"
        if name in _CASTS:
            return _CASTS[name](record), name
    wanted = " or ".join(kind.__name__.lower() for kind in kinds)
    raise Inexpressible(f"it is a {type(record).__name__.lower()}, and the shape holds a {wanted}")


def _chosen(record: Preference) -> list[Record]:
    messages = (*record.prompt, *record.chosen)
    return [Conversation(messages=messages, tools=record.tools, source=record.source, meta=record.meta)]


def _good(record: Rating) -> list[Record]:
    if not record.good:
        raise NotMeant("the answer was rated bad")
    messages = (*record.prompt, *record.completion)
    return [Conversation(messages=messages, tools=record.tools, source=record.source, meta=record.meta)]


def _solved(record: Task) -> list[Record]:
    if not record.reference.strip():
        raise Inexpressible("it has no reference that could be the answer")
    messages = (*record.prompt, Message("assistant", record.reference))
    meta = {**record.meta, **record.fields}
    return [Conversation(messages=messages, tools=record.tools, source=record.source, meta=meta)]


def _task(record: Conversation) -> list[Record]:
    answer = record.answer
    if answer is None or answer.tool_calls or not answer.content.strip():
        raise Inexpressible("it ends without an answer in words that could be the reference")
    common: dict[str, Any] = {"source": record.source, "tools": record.tools}
    return [Task(prompt=record.prompt, reference=answer.content, fields=dict(record.meta), **common)]


def _rated(record: Preference) -> list[Record]:
    sides = ((record.chosen, True), (record.rejected, False))
    common: dict[str, Any] = {"source": record.source, "meta": record.meta, "tools": record.tools}
    return [Rating(prompt=record.prompt, completion=side, good=good, **common) for side, good in sides]


_CASTS: dict[str, Callable[[Any], list[Record]]] = {
    "Preference→Conversation": _chosen,
    "Rating→Conversation": _good,
    "Task→Conversation": _solved,
    "Conversation→Task": _task,
    "Preference→Rating": _rated,
}
SAID: dict[str, str] = {
    "Preference→Conversation": "Only the chosen answers were written; the rejected ones were left out.",
    "Rating→Conversation": "Only the answers rated good were written.",
    "Task→Conversation": "The reference of each task was written as its answer; its other fields became metadata.",
    "Conversation→Task": "The last answer of each conversation was written as the reference; metadata became fields.",
    "Preference→Rating": "Each pair was written as two ratings: the chosen answer good, the rejected one bad.",
}
