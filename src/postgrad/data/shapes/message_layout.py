"""Data with one row for each message, as help desks, chat programs and databases export it: which column says who
wrote, which what, which conversation it belongs to, and whose messages are the answers."""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from postgrad.data.formats.chat_logs import RAW_CHAT
from postgrad.data.shapes.cells import quoted, shorten, to_text
from postgrad.data.shapes.profile import ColumnProfile, name_words, plain_name, profile
from postgrad.data.sources.rows import Rows
from postgrad.data.split.dates import guess_date_column
from postgrad.errors import DataError, UsageError
from postgrad.facts import load_facts

_FACTS = load_facts("columns")
_NAMES = _FACTS["messages"]
SPEAKERS: list[str] = _NAMES["speakers"]
TEXTS: list[str] = _NAMES["texts"]
_LEAST_MESSAGES, _MOST_MESSAGES = 1.5, 200.0
"""Messages of a conversation on average: below, a column groups nothing; above, it names kinds of conversations."""
_NAMED = 8

Side = Literal["user", "assistant", "aside"]


@dataclass(frozen=True, slots=True)
class MessageColumns:
    """What the user says of data with one row for each message.

    Attributes:
        thread: Column of the conversation that a message belongs to.
        speaker: Column that says who wrote it.
        assistant: Whose messages are the answers: names, or patterns such as `*@haven.example`.
    """

    thread: str | None = None
    speaker: str | None = None
    assistant: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.thread or self.speaker or self.assistant)


UNSAID = MessageColumns()
"""Nothing is said: such data is found by its columns."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of such data.

    Attributes:
        text: What was written.
        speaker: Who wrote it.
        thread: The conversation; None in a chat that goes on.
        time: When; None where no column says it.
        order: A column of numbers that counts the messages of a conversation.
        sides: Who stands where, by what is in the column `speaker`.
    """

    text: str
    speaker: str
    thread: str | None
    time: str | None
    order: str | None
    sides: dict[str, Side]


def refuse_both(columns: object, messages: MessageColumns) -> None:
    """Refuses columns of requests and answers beside columns of messages.

    Raises:
        UsageError: both are given.
    """
    if columns and messages:
        raise UsageError(
            "--input and --output name columns of examples; --thread, --speaker and --assistant are for data with one"
            " row for each message.",
            "Give one or the other.",
        )


def side_of(value: str) -> Side | None:
    """Where somebody stands who is called so; None where the name does not say it."""
    words = re.findall(r"[a-z]+", value.casefold())
    text = " ".join(words)
    if any(phrase in text for phrase in _NAMES["user_phrases"]):
        return "user"
    if any(phrase in text for phrase in _NAMES["assistant_phrases"]):
        return "assistant"
    sides: tuple[Side, ...] = ("user", "assistant", "aside")
    forms = {*words, *(word.removesuffix("s") for word in words)}
    found: list[Side] = [side for side in sides if forms.intersection(_NAMES[side])]
    return found[0] if len(found) == 1 else None


def layout_of(rows: Rows, said: MessageColumns) -> Layout | None:
    """The layout of rows that hold one message each; None where they are something else.

    Raises:
        DataError: they do, but it is not clear whose messages are the answers, or a column that was named is not there.
    """
    for name in filter(None, (said.thread, said.speaker)):
        _refuse_unknown(name, rows, "--thread" if name == said.thread else "--speaker")
    if not said.speaker and not any(plain_name(name) in SPEAKERS for name in rows.columns):
        return None  # before any value is looked at: most tables are none
    columns = {c.name: c for c in profile(rows.rows, rows.columns)}
    text = _best([c for c in columns.values() if c.kind in ("text", "label") and c.name != said.speaker], TEXTS)
    speakers = [said.speaker] if said.speaker else _speakers(columns.values(), text)
    if text is None or not speakers:
        return None
    thread = said.thread or _thread(rows, columns, {text, *speakers})
    time = _time(rows, columns.values(), thread)
    raw = rows.format in RAW_CHAT
    if thread is None and not raw and not (said and time):
        return None
    if not said and not raw and _has_answers(rows, columns.values(), {text, thread, *speakers}, str(thread)):
        return None
    order = _best([c for c in columns.values() if c.kind in ("number", "id") and c.name != thread], _NAMES["orders"])
    found = [(name, _sides(rows, name, said.assistant)) for name in speakers]
    if said.assistant and not any(found_sides for _, found_sides in found):
        raise _unknown_assistant(rows, speakers[0], said.assistant)
    for name, sides in found:
        if sides is not None:
            return Layout(text, name, thread, time, order, sides)
    raise _whose(rows, text, speakers[0], thread)


def _best(columns: Sequence[ColumnProfile], names: Sequence[str]) -> str | None:
    """The column with the best name."""
    ranked = [(names.index(c.name.strip().lower()), c.name) for c in columns if c.name.strip().lower() in names]
    words = [(names.index(w) + 1_000, c.name) for c in columns for w in name_words(c.name) if w in names]
    return min([*ranked, *words])[1] if ranked or words else None


def _speakers(columns: Iterable[ColumnProfile], text: str | None) -> list[str]:
    """Columns that may say who wrote, the best name first."""
    usual = ("label", "text", "id", "number")
    places = {
        c.name: SPEAKERS.index(name) for c in columns if c.kind in usual and (name := plain_name(c.name)) in SPEAKERS
    }
    return sorted((name for name in places if name != text), key=places.__getitem__)


def _time(rows: Rows, columns: Iterable[ColumnProfile], thread: str | None) -> str | None:
    """When a message was written: the column of dates, the best by name, that differs within conversations."""
    dates = [c.name for c in columns if c.kind in ("date", "text", "label", "id", "number")]
    best, found = guess_date_column({name: [values.get(name) for _, values in rows] for name in dates})
    ranked = dict.fromkeys([*filter(None, [best]), *sorted(found, key=_second_hand)])
    return next((name for name in ranked if thread is None or _differs(rows, name, thread)), None)


def _second_hand(name: str) -> bool:
    """Whether a column tells when something was changed, not when it was said."""
    return not {"updated", "modified", "closed", "resolved", "due", "exported", "deleted"}.isdisjoint(name_words(name))


def _differs(rows: Rows, name: str, thread: str) -> bool:
    """Whether a column has several values within a conversation."""
    pairs = {(to_text(values.get(thread)), to_text(values.get(name))) for _, values in rows}
    return len(pairs) > len({conversation for conversation, _ in pairs})


def _thread(rows: Rows, columns: dict[str, ColumnProfile], taken: set[str | None]) -> str | None:
    """The column, by name, whose values hold several messages each."""
    names: list[str] = _NAMES["threads"]
    ranked = sorted(
        (min(names.index(w) for w in name_words(c.name) if w in names), c.name)
        for c in columns.values()
        if c.name not in taken and c.kind != "object" and set(name_words(c.name)) & set(names) and _numbers(c)
    )
    for _, name in ranked:
        held = [to_text(values.get(name)) for _, values in rows]
        different = len(set(held) - {""})
        if different > 1 and _LEAST_MESSAGES <= len(held) / different <= _MOST_MESSAGES:
            return name
    return None


def _numbers(column: ColumnProfile) -> bool:
    """Whether a column may number conversations: `issue` and `case` name kinds of requests as often."""
    words = set(name_words(column.name))
    return not words.isdisjoint(_NAMES["threads_alone"]) or column.kind in ("id", "number") or "id" in words


def _has_answers(rows: Rows, columns: Iterable[ColumnProfile], taken: set[str | None], thread: str) -> bool:
    """Whether another column is named like an answer and differs within a conversation: then each row is an example."""
    for column in columns:
        if column.name in taken or column.kind not in ("label", "text", "object"):
            continue
        if column.name.strip().lower() not in _FACTS["outputs"]:
            continue
        if _differs(rows, column.name, thread):
            return True
    return False


def _sides(rows: Rows, speaker: str, assistant: Sequence[str]) -> dict[str, Side] | None:
    """Where each stands who writes; None where the names do not say it."""
    names = list(dict.fromkeys(to_text(values.get(speaker)) for _, values in rows))
    if assistant:
        wanted = [pattern.casefold() for pattern in assistant]
        answering = {n for n in names if any(fnmatch.fnmatchcase(n.casefold(), w) for w in wanted)}
        if not answering:
            return None
        program = {n for n in names if not n.strip() or side_of(n) == "aside"}
        return {n: "assistant" if n in answering else "aside" if n in program else "user" for n in names}
    found: dict[str, Side | None] = {n: side_of(n) if n.strip() else "aside" for n in names}
    known = {side for side in found.values() if side is not None}
    if not {"user", "assistant"} & known or (len(known - {"aside"}) == 1 and None not in found.values()):
        return None
    other: Side = "user" if "assistant" in known else "assistant"
    if None in found.values() and {"user", "assistant"} <= known:
        return None
    return {n: side or other for n, side in found.items()}


def _refuse_unknown(name: str, rows: Rows, option: str) -> None:
    if name not in rows.columns:
        near = difflib.get_close_matches(name, rows.columns, n=1, cutoff=0.6)
        mend = f"Did you mean {option} {quoted(near[0])}?" if near else f"Its columns: {', '.join(rows.columns)}."
        raise DataError(f"{rows.file} has no column {name!r} ({option}).", mend)


def _unknown_assistant(rows: Rows, speaker: str, assistant: Sequence[str]) -> DataError:
    names = Counter(to_text(values.get(speaker)) for _, values in rows)
    near = difflib.get_close_matches(assistant[0], list(names), n=1, cutoff=0.6)
    mend = f"Did you mean --assistant {quoted(near[0])}?" if near else f"There are: {_listed(names)}."
    return DataError(f"{rows.file}: nobody is called {', '.join(map(repr, assistant))} in {speaker!r}.", mend)


def _whose(rows: Rows, text: str, speaker: str, thread: str | None) -> DataError:
    """The question that a person must answer, with who writes how much."""
    names = Counter(to_text(values.get(speaker)) for _, values in rows)
    if thread is None:
        often = names
    else:
        pairs = {(to_text(v.get(speaker)), to_text(v.get(thread))) for _, v in rows}
        often = Counter(name for name, _ in pairs)
    likely = quoted(often.most_common(1)[0][0])
    within = f", conversations by {thread!r}" if thread else ""
    return DataError(
        f"{rows.file} has one row for each message ({text!r} by {speaker!r}{within}), but does not say whose messages"
        f" are the answers to learn. Who writes, and in how many {'conversations' if thread else 'messages'}:"
        f" {_listed(often)}.",
        f"Name who answers: --assistant {likely} (several: separated by commas; patterns: '*@haven.example')."
        f" To learn from the text who wrote it: --output {quoted(speaker)}.",
    )


def _listed(names: Counter[str]) -> str:
    shown = ", ".join(f"{shorten(name)!r} ({count:,})" for name, count in names.most_common(_NAMED))
    return shown + (f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else "")
