"""One thing, one word: answers that use a word the house does not want, or spell one word in several ways."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from postgrad.answers import answer_kind
from postgrad.checks.support.evidence import reasons
from postgrad.checks.support.phrases import count_of, quote, verb
from postgrad.checks.support.record_texts import with_answer
from postgrad.checks.support.words.program_text import is_program_text
from postgrad.facts import load_facts
from postgrad.findings import Check, Context, Finding, Repair, Term, check_factory
from postgrad.records import Message, Record, Text

_SPELLINGS = [tuple(pair) for pair in load_facts("spelling")["en"]["spellings"]]
_WORD = re.compile(r"(?<![\w@#/\\.$&=<>_`-])[^\W\d_]+(?:-[^\W\d_]+)*(?![\w@/\\=<>_`]|\.\w)")
_SHORTEST = 4
_SHOWN = 5
_PREFIX = 5
"""A part before a hyphen so short is a prefix, no word of its own."""


@check_factory(
    harm=22,
    advice="Decide on one word for one thing and write it so everywhere; --repair terminology puts in your glossary's.",
)
def terminology(*, least: int = 3, lesser_share: float = 0.1) -> Check:
    """Finds words that a glossary (`Context.glossary`) does not want, and, without any, words written in several ways.

    Several ways are: with and without a hyphen (e-mail, email), with capitals inside or not (WiFi, Wifi), in American
    and British spelling (color, colour). What the request says may be said again. A glossary's words are put in only
    when asked for.

    Args:
        least: Answers in which the rarer way must stand.
        lesser_share: Share of the uses that it must have: below it a slip is no usage.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        answers = {
            i: r.answer_text
            for i, r in enumerate(records)
            if not isinstance(r, Text) and r.answer_text.strip() and not is_program_text(r.answer_text)
        }
        if context.glossary:
            yield from _unwanted(records, answers, context.glossary)
        if answer_kind(list(answers.values())) == "text":
            yield from _ways(answers, least, lesser_share)

    return check


def _unwanted(records: Sequence[Record], answers: dict[int, str], glossary: Sequence[Term]) -> Iterator[Finding]:
    wanted = {word: term for term in glossary for word in term.instead_of}
    patterns = {word: _pattern(word, wanted[word].term) for word in wanted}
    found: dict[int, list[str]] = {}
    for i, text in answers.items():
        for word, pattern in patterns.items():
            if pattern.search(text) and not pattern.search(records[i].prompt_text):
                found.setdefault(i, []).append(word)
    if not found:
        return
    uses = Counter(word for words in found.values() for word in words)
    shown = ", ".join(f"{w!r} for {wanted[w].term!r} ({n}×)" for w, n in uses.most_common(_SHOWN))
    indices = tuple(sorted(found, key=lambda i: (-len(found[i]), i)))
    yield Finding(
        check="terminology",
        severity="warning",
        sentence=(
            f"{count_of(len(found), 'answer')} {verb(len(found), 'uses', 'use')} words that your glossary does not "
            f"want: {shown}."
        ),
        indices=indices,
        evidence=reasons(
            indices,
            lambda i: (
                ", ".join(f"{w} → {wanted[w].term}" for w in found[i])
                + f": {quote(_around(answers[i], patterns[found[i][0]]))}"
            ),
        ),
        repairs=tuple(
            Repair(i, "replace", mended, safe=False)
            for i in indices
            if (mended := _put_in(records[i], {patterns[w]: wanted[w].term for w in found[i]})) is not None
        ),
        details={"fault": "glossary", "words": dict(uses)},
    )


def _pattern(word: str, term: str) -> re.Pattern[str]:
    """Finds a word; in its own case only where nothing else tells it from the wanted one."""
    same = word.lower() == term.lower()
    return re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-])", 0 if same else re.IGNORECASE)


def _around(text: str, pattern: re.Pattern[str]) -> str:
    match = pattern.search(text)
    return text if match is None else text[max(0, match.start() - 30) : match.end() + 30]


def _put_in(record: Record, words: dict[re.Pattern[str], str]) -> Record | None:
    """The record with the wanted words in its last answer."""

    def put_in(answer: Message) -> Message:
        text = answer.content
        for pattern, term in words.items():
            text = pattern.sub(lambda m, term=term: term[:1].upper() + term[1:] if m[0][0].isupper() else term, text)
        return replace(answer, content=text)

    return with_answer(record, put_in)


def _ways(answers: dict[int, str], least: int, lesser_share: float) -> Iterator[Finding]:
    """Words that stand in several ways."""
    ways: dict[str, Counter[str]] = {}
    for text in answers.values():
        for form in {_form(text, m) for m in _WORD.finditer(text)}:
            if len(form) >= _SHORTEST:
                ways.setdefault(_same(form), Counter())[form] += 1
    mixed = {}
    for forms in ways.values():
        (usual, most), *others = forms.most_common()
        lesser = {f: n for f, n in others if n >= least and n >= lesser_share * (most + n) and _is_other_way(f, usual)}
        if lesser:
            mixed[usual] = (most, lesser)
    if not mixed:
        return
    rarer = {form: usual for usual, (_, lesser) in mixed.items() for form in lesser}
    indices = tuple(i for i, text in answers.items() if any(_form(text, m) in rarer for m in _WORD.finditer(text)))
    named = sorted(mixed.items(), key=lambda item: -sum(item[1][1].values()))
    shown = "; ".join(
        f"{usual} ({most}×) and " + ", ".join(f"{form} ({n}×)" for form, n in lesser.items())
        for usual, (most, lesser) in named[:_SHOWN]
    )
    yield Finding(
        check="terminology",
        severity="info",
        sentence=f"{count_of(len(mixed), 'word')} {verb(len(mixed), 'is', 'are')} written in several ways: {shown}.",
        indices=indices,
        evidence=reasons(
            indices,
            lambda i: ", ".join(
                dict.fromkeys(
                    f"{form}, usually {rarer[form]}"
                    for m in _WORD.finditer(answers[i])
                    if (form := _form(answers[i], m)) in rarer
                )
            ),
        ),
        details={"fault": "ways", "words": {usual: {usual: most, **lesser} for usual, (most, lesser) in named}},
    )


def _form(text: str, match: re.Match[str]) -> str:
    """A word as it is written; a capital at its beginning alone says nothing."""
    word = match[0]
    return word.lower() if word[1:].islower() or word.isupper() else word


def _same(form: str) -> str:
    """What the ways to write one word share."""
    low = form.lower().replace("-", "")
    for british, american in _SPELLINGS:
        if len(low) > _SHORTEST and re.search(rf"{british}(?:s|d|ed|r|rs|ing|able|ful|ite|ist)?\Z", low):
            return low.replace(british, american)
    return low


def _is_other_way(form: str, usual: str) -> bool:
    """Other than by a hyphen between two whole words ("well-known" before a noun is grammar)."""
    if form.replace("-", "").lower() == usual.replace("-", "").lower() and "-" in form + usual:
        return min(len(part) for part in (form if "-" in form else usual).split("-")) <= _PREFIX
    return True
