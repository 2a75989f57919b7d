"""Rows that hold one message each → rows that hold a conversation each, with what was joined and left out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from postgrad.data.formats.chat_logs import RAW_CHAT
from postgrad.data.shapes.cells import to_text
from postgrad.data.shapes.message_layout import Layout, MessageColumns, layout_of, side_of
from postgrad.data.shapes.nested_messages import opened
from postgrad.data.shapes.registry import shape_of
from postgrad.data.sources.rows import Row, Rows, were
from postgrad.data.split.dates import read_dates
from postgrad.errors import DataError
from postgrad.json_types import JsonObject

_PAUSE_S = 4 * 3600.0
"""In a chat that goes on, so long a silence ends a conversation."""
_DAY_S = 86_400.0
_CLOCK = re.compile(r"(?:^|\D)(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\D|$)")
_ADDRESSED = re.compile(r"^@?(\S{1,64}?)[:,]\s")
_FIRST = 200
"""Rows by which it is judged whether they are of a known shape."""


@dataclass(slots=True)
class _Account:
    """What became of the messages."""

    conversations: int = 0
    messages: int = 0
    unanswered: int = 0
    before: int = 0
    after: int = 0
    asides: int = 0
    empty: int = 0
    sides: dict[str, Counter[str]] = field(default_factory=lambda: {"assistant": Counter(), "user": Counter()})

    def notes(self) -> Iterator[str]:
        if self.unanswered:
            yield f"{were(self.unanswered, 'conversation')} left out: nobody answered in them"
        if self.before:
            yield f"{were(self.before, 'message')} left out: the assistant's, before anybody had asked"
        if self.after:
            yield f"{were(self.after, 'message')} left out: unanswered, at the end of a conversation"
        if self.asides:
            yield f"{were(self.asides, 'message')} left out: internal notes, or written by a program"
        if self.empty:
            yield f"{were(self.empty, 'message')} left out: without text"


def as_conversations(rows: Rows, said: MessageColumns) -> Rows:
    """The rows as conversations, where each holds one message (or a list of them); all others as they are.

    Args:
        rows: Of one file.
        said: What the user says of them.

    Raises:
        DataError: they do, but it is not clear whose messages are the answers; or what was said does not fit.
    """
    if _of_known_shape(rows):
        if said:
            raise DataError(
                f"{rows.file} holds whole conversations or examples, not one row for each message.",
                "Leave out --thread, --speaker and --assistant.",
            )
        return rows
    single = opened(rows)
    layout = layout_of(single, said)
    if layout is None:
        if said:
            raise DataError(
                f"{rows.file} cannot be read as one row for each message: no column says"
                f" {'which conversation a message belongs to' if said.speaker else 'who wrote it, or what'}.",
                "Name the columns: --thread COLUMN --speaker COLUMN.",
            )
        return rows
    return _put_together(single, layout)


def holds_messages(rows: Rows, said: MessageColumns) -> bool:
    """Whether rows, the first of a file at least, are such as `as_conversations` puts together or refuses."""
    if said:
        return True
    if _of_known_shape(rows):
        return False
    try:
        return layout_of(opened(rows), said) is not None
    except DataError:
        return True


def _of_known_shape(rows: Rows) -> bool:
    sample = rows.rows[:_FIRST]
    return sum(shape_of(values) is not None for _, values in sample) > len(sample) / 2


def _put_together(rows: Rows, layout: Layout) -> Rows:
    account = _Account()
    ordered, in_order = _in_order(rows, layout)
    kept = [c for c in rows.columns if c not in (layout.text, layout.speaker, layout.order)]
    made: list[Row] = []
    for group in _groups(rows, ordered, layout):
        line, messages = _conversation(group, layout, account)
        if messages:
            alike = [c for c in kept if c == layout.time or len({to_text(values.get(c)) for _, values in group}) == 1]
            made.append((line, {"messages": messages, **{c: group[0][1].get(c) for c in alike}}))
    if not made:
        raise DataError(
            f"{rows.file} has one row for each message, but no conversation in which somebody asks and is answered"
            f" ({account.messages:,} messages).",
            "Say which column holds the conversation (--thread) and who answers (--assistant).",
        )
    made.sort(key=lambda row: row[0])
    columns = ("messages", *(c for c in kept if any(c in values for _, values in made)))
    notes = (*rows.notes, *in_order, *account.notes())
    return replace(rows, rows=tuple(made), columns=columns, notes=notes, how=_how(account, layout))


def _how(account: _Account, layout: Layout) -> str:
    by = f"by {layout.thread!r}" if layout.thread else "by pauses of four hours"
    place = layout.time or layout.order
    order = f"in the order of {place!r}" if place else "in the order of the file"
    answering, asking = (_named(account.sides[side]) for side in ("assistant", "user"))
    return (
        f"Read as one row for each message: {account.messages:,} messages in {account.conversations:,} conversations"
        f" ({by}, {order})."
        f" {layout.text!r} is the message; by {layout.speaker!r}, {answering} is the assistant and {asking} the user."
        " Messages of one side that follow each other are joined."
    )


def _named(names: Counter[str], most: int = 3) -> str:
    shown = [name for name, _ in names.most_common(most)]
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(map(repr, shown)) + more


def _in_order(rows: Rows, layout: Layout) -> tuple[list[Row], list[str]]:
    """The rows by time, else by number, else as they stand; and what is to be said of it."""
    if rows.format in RAW_CHAT or not (layout.time or layout.order):
        return list(rows.rows), []
    numbers = [_number(values.get(layout.order)) if layout.order else 0.0 for _, values in rows]
    if layout.time is None:
        return [row for _, row in sorted(zip(numbers, rows.rows, strict=True), key=lambda pair: pair[0])], []
    try:
        dates = read_dates([values.get(layout.time) for _, values in rows], column=layout.time)
    except DataError as error:
        return list(rows.rows), [f"messages stand in the order of the file, because of their times: {error.message}"]
    if any(moment is None for moment in dates.moments):
        return list(rows.rows), [
            f"messages stand in the order of the file, because some have no time in {layout.time!r}"
        ]
    places = sorted(range(len(rows)), key=lambda i: (dates.moments[i], numbers[i]))  # type: ignore[type-var]
    return [rows.rows[i] for i in places], [dates.note] if dates.note else []


def _number(value: object) -> float:
    try:
        return float(to_text(value))
    except ValueError:
        return 0.0


def _groups(rows: Rows, ordered: Sequence[Row], layout: Layout) -> list[list[Row]]:
    """The messages of each conversation."""
    groups: dict[object, list[Row]] = {}
    if layout.thread is not None:
        for row in ordered:
            groups.setdefault(to_text(row[1].get(layout.thread)), []).append(row)
        return list(groups.values())
    last: dict[str, tuple[float, int]] = {}
    seconds = _seconds([to_text(values.get(layout.time or "time")) for _, values in ordered])
    for now, row, whose in zip(seconds, ordered, _whose(rows, ordered, layout), strict=True):
        before, number = last.get(whose, (now, 0))
        number += now - before > _PAUSE_S
        last[whose] = (now, number)
        groups.setdefault((whose, number), []).append(row)
    return list(groups.values())


def _whose(rows: Rows, ordered: Sequence[Row], layout: Layout) -> Iterator[str]:
    """Whose conversation a message of a chat belongs to: on IRC, where many talk at once, that of who is addressed."""
    if rows.format != "irc":
        yield from ("" for _ in ordered)
        return
    known, latest = set(layout.sides), ""
    for _, values in ordered:
        speaker = to_text(values.get(layout.speaker))
        if layout.sides[speaker] != "assistant":
            latest = speaker
            yield speaker
            continue
        found = _ADDRESSED.match(to_text(values.get(layout.text)))
        yield found[1] if found and found[1] in known and layout.sides[found[1]] != "assistant" else latest


def _seconds(times: Sequence[str]) -> list[float]:
    """Moments in seconds, of a chat that goes forward; where only the clock is known, midnight is seen by its going
    back."""
    for day_first in (None, True, False):
        try:
            moments = read_dates(times, day_first=day_first).moments
        except DataError:
            continue
        found = [moment.timestamp() for moment in moments if moment is not None]
        if found and len(found) == len(times) and found == sorted(found):
            return found
    out: list[float] = []
    day, before = 0, 0.0
    for text in times:
        found = _CLOCK.search(text)
        clock = 3600.0 * int(found[1]) + 60.0 * int(found[2]) + float(found[3] or 0) if found else before
        day += clock < before - _DAY_S / 2
        before = clock
        out.append(day * _DAY_S + clock)
    return out


def _conversation(group: Sequence[Row], layout: Layout, account: _Account) -> tuple[int, list[JsonObject]]:
    """(line of the first message that counts, messages): from a request to the last answer; empty without one."""
    account.conversations += 1
    turns: list[tuple[int, str, str, list[str]]] = []
    for line, values in group:
        account.messages += 1
        text, speaker = to_text(values.get(layout.text)).strip(), to_text(values.get(layout.speaker))
        side = layout.sides[speaker]
        if not text or side == "aside":
            account.asides += side == "aside"
            account.empty += side != "aside"
            continue
        account.sides[side][speaker] += 1
        if turns and turns[-1][1:3] == (side, speaker if side == "user" else ""):
            turns[-1][3].append(text)
        else:
            turns.append((line, side, speaker if side == "user" else "", [text]))
    while turns and turns[0][1] == "assistant":
        account.before += len(turns.pop(0)[3])
    answered = any(side == "assistant" for _, side, _, _ in turns)
    if not answered:
        account.unanswered += 1
        return 0, []
    while turns[-1][1] == "user":
        account.after += len(turns.pop()[3])
    persons = {speaker for _, side, speaker, _ in turns if side == "user" and side_of(speaker) is None}
    messages: list[JsonObject] = []
    for _, side, speaker, texts in turns:
        text = "\n".join(texts)
        text = f"{speaker}: {text}" if len(persons) > 1 and side == "user" else text
        if messages and messages[-1]["role"] == side:
            messages[-1]["content"] += f"\n{text}"
        else:
            messages.append({"role": side, "content": text})
    return turns[0][0], messages
