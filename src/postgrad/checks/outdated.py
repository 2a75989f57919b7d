"""Answers that were true once: bound to a date, to a latest version, or to a name that has changed; and overtaken
answers."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping, Sequence

from postgrad.checks.support.evidence import reasons
from postgrad.checks.support.moments import AT_ONCE, moment_of, time_column
from postgrad.checks.support.phrases import count_of, place, quote, verb
from postgrad.facts import any_of, load_facts
from postgrad.findings import Check, Context, Finding, Repair, check_factory
from postgrad.records import Record, Text

_FACTS = load_facts("outdated")
_HINTS = tuple(_FACTS["hints"])
_AS_OF = re.compile(any_of(_FACTS["as_of"]))
_NOW = re.compile(any_of(_FACTS["now"]))
_OLD_AFTER = 1
"""Years after which a statement bound to a year counts as old."""


@check_factory(
    harm=36,
    advice="Bring these answers up to date, or drop the older of two that disagree.",
)
def outdated(*, today: int | None = None) -> Check:
    """Finds answers bound to a past date or a “latest version”, changed names, and answers that a later record
    contradicts.

    Where records carry a date in their metadata, of two different answers to one request the older one is reported;
    that one is dropped when asked for. The rest is only shown.

    Args:
        today: The year from which age is counted; this year unless given.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        year = today if today is not None else datetime.date.today().year
        names = _names()
        dated: dict[int, str] = {}
        renamed: dict[int, str] = {}
        for index, record in enumerate(records):
            answer = record.text if isinstance(record, Text) else record.answer_text
            if not answer:
                continue
            if said := dated_claim(answer, year):
                dated[index] = said
            for old in names:
                if old in answer and names[old] not in answer:
                    renamed[index] = f"“{old}” is called {names[old]} today: {quote(_near(answer, answer.index(old)))}"
                    break
        if dated:
            yield _finding(
                "dated",
                dated,
                verb(len(dated), "is", "are") + " tied to a past date, or to a “latest version”",
            )
        if renamed:
            yield _finding("renamed", renamed, verb(len(renamed), "uses", "use") + " a name that has changed since")
        yield from _overtaken(records)

    return check


def dated_claim(answer: str, year: int) -> str:
    """The words by which an answer binds itself to a past time, or the empty string."""
    low = answer.lower()
    if not any(map(low.__contains__, _HINTS)):
        return ""
    for match in _AS_OF.finditer(low):
        if int(match[1] or match[2]) <= year - _OLD_AFTER:
            return quote(_near(answer, match.start()))
    match = _NOW.search(low)
    return quote(_near(answer, match.start())) if match else ""


def _near(text: str, at: int) -> str:
    return text[max(0, at - 20) : at + 50]


def _names() -> Mapping[str, str]:
    """Old name → new name, of `facts/outdated.toml`."""
    return {entry["old"]: entry["new"] for entry in _FACTS["name"]}


def _finding(fault: str, found: dict[int, str], what: str) -> Finding:
    indices = tuple(found)
    many = len(indices)
    return Finding(
        check="outdated",
        severity="info",
        sentence=f"{count_of(many, 'answer')} {what}; check whether {verb(many, 'it still holds', 'they still hold')}.",
        indices=indices,
        evidence=reasons(indices, lambda i: found[i]),
        details={"fault": fault, "count": many},
    )


def _overtaken(records: Sequence[Record]) -> Iterator[Finding]:
    """Of two dated records with the same request and other answers the older one; what was answered otherwise within
    days did not grow old, but contradicts itself (see `contradictions`)."""
    key = time_column(records)
    if key is None:
        return
    newest: dict[int, int] = {}
    older: dict[int, int] = {}
    for index, record in enumerate(records):
        when = moment_of(record.meta.get(key))
        if when is None or not record.answer_text:
            continue
        asked = hash(" ".join(record.prompt_text.lower().split()))
        rival = newest.get(asked)
        if rival is None:
            newest[asked] = index
            continue
        then = moment_of(records[rival].meta.get(key))
        if then is None or abs(then - when) < AT_ONCE or _same(records[rival].answer_text, record.answer_text):
            continue
        first, last = (rival, index) if then < when else (index, rival)
        older[first] = last
        newest[asked] = last
    if not older:
        return
    indices = tuple(older)
    many = len(indices)
    yield Finding(
        check="outdated",
        severity="warning",
        sentence=(
            f"{count_of(many, 'answer')} {verb(many, 'is', 'are')} older than another answer to the same request (by"
            f" {key!r})."
        ),
        indices=indices,
        evidence=reasons(
            indices,
            lambda i: (
                f"{quote(records[i].answer_text, 40)} ({records[i].meta.get(key)}), but"
                f" {place(records[older[i]].source)}: {quote(records[older[i]].answer_text, 40)}"
                f" ({records[older[i]].meta.get(key)})"
            ),
        ),
        repairs=tuple(Repair(i, "drop", safe=False) for i in indices),
        details={"fault": "overtaken", "count": many, "by": key},
    )


def _same(left: str, right: str) -> bool:
    return " ".join(left.lower().split()) == " ".join(right.lower().split())
