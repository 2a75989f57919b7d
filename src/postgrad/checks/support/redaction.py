"""Kinds of values that must not be learned: how they are found, shown masked, and replaced by placeholders."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from postgrad.checks.support.evidence import reasons
from postgrad.checks.support.phrases import count_of, verb
from postgrad.checks.support.record_texts import map_texts, texts_of
from postgrad.findings import Finding, Repair
from postgrad.records import Record

_CONTEXT_LETTERS = 48


@dataclass(frozen=True, slots=True)
class ValueKind:
    """One kind of value.

    Attributes:
        name: As shown and as the placeholder's name.
        pattern: What it looks like; where it has a group, the group is the value.
        valid: Whether a match truly is one.
        hint: A text without this pattern, or without any of these words, cannot hold one (for speed).
        also: A text without any of these words cannot hold one either.
        run: A text without so many letters in a row, no blank between them, cannot hold one.
        after: If given, this must stand in the 48 letters before the match.
        unless: If given, this must not stand there.
    """

    name: str
    pattern: re.Pattern[str]
    valid: Callable[[str], bool] = lambda value: True
    hint: re.Pattern[str] | tuple[str, ...] | None = None
    also: tuple[str, ...] = ()
    run: int = 0
    after: re.Pattern[str] | None = None
    unless: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A value in a text, from `start` up to and without `end`."""

    kind: ValueKind
    start: int
    end: int


@dataclass(slots=True)
class Places:
    """Value → placeholder; one value has one placeholder everywhere."""

    names: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def of(self, kind: str, value: str) -> str:
        """The placeholder of a value, new if the value is."""
        if value not in self.names:
            self.counts[kind] += 1
            self.names[value] = f"[{kind}_{self.counts[kind]}]"
        return self.names[value]


def find_spans(text: str, kinds: Sequence[ValueKind]) -> list[Span]:
    """Everything found in a text, in the order of the kinds; no letter belongs to two values."""
    spans: list[Span] = []
    digits = any(map(text.__contains__, "0123456789"))
    longest = max(map(len, text.split()), default=0)
    hinted: dict[re.Pattern[str] | tuple[str, ...], bool] = {}
    for kind in kinds:
        hint = kind.hint
        if hint is not None:
            if hint not in hinted:  # hints that are patterns ask for digits, all of them
                hinted[hint] = (digits or isinstance(hint, tuple)) and _hints(text, hint)
            if not hinted[hint]:
                continue
        if kind.run > longest or (kind.also and not _hints(text, kind.also)):
            continue
        for match in kind.pattern.finditer(text):
            start, end = match.span(match.lastindex or 0)
            if any(start < s.end and s.start < end for s in spans):
                continue
            if kind.after is not None or kind.unless is not None:
                before = text[max(0, match.start() - _CONTEXT_LETTERS) : match.start()]
                if kind.after is not None and not kind.after.search(before):
                    continue
                if kind.unless is not None and kind.unless.search(before):
                    continue
            if kind.valid(text[start:end]):
                spans.append(Span(kind, start, end))
    return spans


def _hints(text: str, hint: re.Pattern[str] | tuple[str, ...]) -> bool:
    if isinstance(hint, tuple):  # far faster than a pattern with alternatives
        return any(map(text.__contains__, hint))
    return hint.search(text) is not None


def find_values(text: str, kinds: Sequence[ValueKind]) -> list[tuple[ValueKind, str]]:
    """(kind, value) of everything found in a text."""
    return [(span.kind, text[span.start : span.end]) for span in find_spans(text, kinds)]


def redact(text: str, places: Places, kinds: Sequence[ValueKind]) -> str:
    """The text with placeholders for its values, also where a value recurs without the words that gave it away.

    Args:
        text: Any text.
        places: Filled as values appear.
        kinds: What to look for.
    """
    return _replaced(text, _placed(text, places, kinds))


def redact_record(record: Record, places: Places, kinds: Sequence[ValueKind]) -> Record:
    """The record with placeholders in all its texts; what one text gives away is replaced in the others too."""
    placed = _placed("\n\n".join(texts_of(record)), places, kinds)
    return map_texts(record, lambda text: _replaced(text, placed))


def _placed(text: str, places: Places, kinds: Sequence[ValueKind]) -> list[tuple[str, str]]:
    """(value, placeholder), long values first, so that none is replaced within another."""
    found = sorted(find_values(text, kinds), key=lambda pair: -len(pair[1]))
    return [(value, places.of(kind.name, value)) for kind, value in found]


def _replaced(text: str, placed: Sequence[tuple[str, str]]) -> str:
    for value, place in placed:
        text = text.replace(value, place)
    return text


def mask(value: str) -> str:
    """The first letter or digit, and how much is hidden."""
    return f"{value[:1]}•••({len(value)})"


def report(
    check: str, records: Sequence[Record], kinds: Sequence[ValueKind], redacted: Sequence[ValueKind], what: str
) -> Iterator[Finding]:
    """One finding over all records that hold values of the kinds, with the repair that replaces all `redacted` kinds.

    Args:
        check: The check's name.
        records: As read.
        kinds: What to look for.
        redacted: What the repair replaces.
        what: What the values are, as the sentence calls them.
    """
    found: dict[int, str] = {}
    sizes: dict[int, int] = {}
    counts: Counter[str] = Counter()
    for index, record in enumerate(records):
        values = find_values("\n\n".join(texts_of(record)), kinds)
        if values:
            counts.update(kind.name for kind, _ in values)
            sizes[index] = len(values)
            found[index] = ", ".join(dict.fromkeys(f"{kind.name} {mask(value)}" for kind, value in values[:20]))
    if not found:
        return
    worst = sorted(found, key=lambda i: (-sizes[i], i))
    places = Places()
    shown = ", ".join(f"{name} {n:,}×" for name, n in counts.most_common())
    yield Finding(
        check=check,
        severity="warning",
        sentence=(
            f"{count_of(len(found), 'record')} {verb(len(found), 'holds', 'hold')} what looks like {what} ({shown})."
        ),
        indices=tuple(worst),
        evidence=reasons(worst, lambda i: found[i]),
        repairs=tuple(
            Repair(i, "replace", redact_record(records[i], places, redacted), safe=False) for i in sorted(found)
        ),
        details={"kinds": dict(counts), "count": len(found)},
    )
