"""Verdicts that cancel each other out: one pair of answers preferred both ways round, one answer good and bad, or
ratings with nothing to tell apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from postgrad.checks.support.evidence import reasons
from postgrad.checks.support.phrases import count_of, place, quote, verb
from postgrad.findings import Check, Context, Finding, check_factory
from postgrad.records import Message, Preference, Rating, Record, tools_of
from postgrad.similarity.near_duplicates import exact_key

Said = tuple[str, ...]


@check_factory(
    harm=79,
    advice="Decide which verdict is right and remove the others: together they teach nothing.",
)
def preferences() -> Check:
    """Finds preferences and ratings that contradict each other, and ratings of one kind alone.

    Nothing is repaired, because only a person knows which verdict is right. Answers are equal but for spacing and case;
    another instruction or tools make another request.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        pairs = {i: r for i, r in enumerate(records) if isinstance(r, Preference)}
        ratings = {i: r for i, r in enumerate(records) if isinstance(r, Rating)}
        if pairs:
            yield from _both_ways(pairs)
        if ratings:
            yield from _both_verdicts(ratings)
            yield from _one_kind(ratings)

    return check


def _both_ways(pairs: dict[int, Preference]) -> Iterator[Finding]:
    """One pair of answers to one request, A over B and B over A."""
    ways: dict[tuple[Said, frozenset[Said]], dict[tuple[Said, Said], list[int]]] = {}
    for index, record in pairs.items():
        better, worse = _said(record.chosen), _said(record.rejected)
        if better != worse:
            both = ways.setdefault((_asked(record), frozenset((better, worse))), {})
            both.setdefault((better, worse), []).append(index)
    against: dict[int, int] = {}
    found = [list(both.values()) for both in ways.values() if len(both) == 2]
    for one, other in found:
        against |= dict.fromkeys(one, other[0]) | dict.fromkeys(other, one[0])
    if not found:
        return

    def told(index: int) -> str:
        record = pairs[index]
        return (
            f"{quote(record.prompt_text, 40)}: {_quoted(record.chosen)} over {_quoted(record.rejected)},"
            f" {place(pairs[against[index]].source)} the other way round"
        )

    yield Finding(
        check="preferences",
        severity="warning",
        sentence=(
            f"{count_of(len(found), 'pair')} of answers {verb(len(found), 'is', 'are')} preferred both ways round, in"
            f" {count_of(len(against), 'record')}."
        ),
        indices=tuple(against),
        evidence=reasons(tuple(against), told),
        details={"fault": "both_ways", "pairs": len(found), "records": len(against)},
    )


def _both_verdicts(ratings: dict[int, Rating]) -> Iterator[Finding]:
    """One answer to one request, good and bad."""
    verdicts: dict[tuple[Said, Said], list[int]] = {}
    for index, record in ratings.items():
        verdicts.setdefault((_asked(record), _said(record.completion)), []).append(index)
    found = [rated for rated in verdicts.values() if len({ratings[i].good for i in rated}) > 1]
    if not found:
        return
    indices = tuple(index for rated in found for index in rated)

    def told(index: int) -> str:
        record = ratings[index]
        verdict = "good" if record.good else "bad"
        return f"{quote(record.prompt_text, 40)} → {_quoted(record.completion)} is {verdict} here and not elsewhere"

    yield Finding(
        check="preferences",
        severity="warning",
        sentence=(
            f"{count_of(len(found), 'answer')} {verb(len(found), 'is', 'are')} rated both good and bad, in"
            f" {count_of(len(indices), 'record')}."
        ),
        indices=indices,
        evidence=reasons(indices, told),
        details={"fault": "both_verdicts", "answers": len(found), "records": len(indices)},
    )


def _one_kind(ratings: dict[int, Rating]) -> Iterator[Finding]:
    """Thumbs that all point the same way."""
    kinds = {record.good for record in ratings.values()}
    if len(kinds) > 1:
        return
    kind, other = ("good", "bad") if kinds == {True} else ("bad", "good")
    yield Finding(
        check="preferences",
        severity="error",
        sentence=(
            f"All {len(ratings):,} ratings are {kind}: there is nothing to tell apart until {other} ones are added."
        ),
        details={"fault": "one_kind", "records": len(ratings)},
    )


def _asked(record: Preference | Rating) -> Said:
    """All of a request: its messages with their roles, and the tools."""
    return (*_said(record.prompt), *(repr(tool) for tool in tools_of(record)))


def _said(messages: Sequence[Message]) -> Said:
    """What is said, by whom; calls without the names that are new in each record."""
    calls = [[call.get("function", call) for call in m.tool_calls] for m in messages]
    return tuple(
        f"{m.role} {exact_key(m.content)} {called} {list(m.parts)}" for m, called in zip(messages, calls, strict=True)
    )


def _quoted(messages: Sequence[Message]) -> str:
    return quote(" ".join(m.content or str(list(m.tool_calls)) for m in messages), 40)
