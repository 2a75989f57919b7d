"""Short facts compared as facts: "The Alder desk costs 463 euros" is right for "463 euros", and "15 euros" is wrong.

Words in common (token F1) rank a wrong figure with the right unit above a right sentence; here the answer has to state
what the reference states, in whatever words around it, and nothing that contradicts it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

from postgrad.evaluation.metrics.support.facts_in_text import FUNCTION_WORDS, Facts, Moment, Number, facts_in
from postgrad.evaluation.metrics.support.metric import Case, Metric, MetricResult
from postgrad.evaluation.metrics.support.normal import contains, is_unspaced, plain
from postgrad.facts import load_facts

F = TypeVar("F", Number, Moment)
_WORDS = load_facts("function_words")
_DENY, _BOUNDS = frozenset(_WORDS["deny"]), frozenset(_WORDS["bounds"])
_YES, _NO = frozenset(_WORDS["yes"]), frozenset(_WORDS["no"])
_REACH = 2
"""So many words may stand between a word that denies and the fact that it denies."""
_SPREAD = 12
"""The words of a fact stand together, with at most so many others among them."""
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+")
_NEXT = re.compile(r"\s+([^\W\d_])")
_SPOKEN = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


def fact_match() -> Metric:
    """1 where the answer states the numbers, dates, times and key words of the reference, and nothing against them.

    What the request says already need not be said again. It does not know synonyms, and a denial in other words than
    not, no, never and their like it does not see.
    """

    def measure(cases: Sequence[Case]) -> MetricResult:
        faults = [fault(c.answer, c.reference, c.record.prompt_text if c.record else "") for c in cases]
        counts = Counter(f for f in faults if f)
        details = {"faults": dict(counts.most_common())} if counts else {}
        return MetricResult(tuple(float(not f) for f in faults), details=details)

    return Metric("fact_match", measure, title="right facts", right_or_wrong=True)


def fault(answer: str, reference: str, request: str = "") -> str:
    """Why the answer is wrong, as one of few words for a table; empty where it is right."""
    if not answer.strip():
        return "" if not reference.strip() else "no answer"
    if plain(answer) == plain(reference):
        return ""
    if is_unspaced(reference):
        return "" if contains(answer, reference) else "words"
    if _opposite(answer, reference):
        return "yes and no"
    wanted, asked, said = facts_in(reference), facts_in(request), facts_in(answer)
    places = _places(said, wanted, asked)
    if isinstance(places, str):
        return places
    until = _end_of_sentence(said.text, max(places, default=0))
    if _alternative(said, said.numbers, wanted.numbers, asked, asked.numbers):
        return "another number"
    if _alternative(said, said.moments, wanted.moments, asked, asked.moments):
        return "another date or time"
    denies = any(w.casefold() in _DENY for w in _SPOKEN.findall(reference))
    denied = any(_denied(said.text, at) for at in places)
    if not denies and denied:
        return "denied"
    if denies and not any(w.casefold() in _DENY for w in _SPOKEN.findall(said.text[:until])):
        return "not denied"
    return ""


def _places(said: Facts, wanted: Facts, asked: Facts) -> list[int] | str:
    """Where the answer states each fact that it must, or what it lacks."""
    places: list[int] = []
    for number in wanted.numbers:
        at = next((n.start for n in said.numbers if number.same(n)), _year(said.moments, number))
        if at is None:
            return "number"
        places.append(at)
    for moment in wanted.moments:
        at = next((m.start for m in said.moments if moment.same(m)), None)
        if at is None:
            return "date or time"
        places.append(at)
    if any(digits not in said.dialled for digits in wanted.dialled):
        return "number"
    words = _needed(wanted, asked)
    found = [_word_places(said, parts) for parts in words]
    if not all(found):
        return "words"
    together = _closest(found)
    if together and together[-1][1] - together[0][1] > len(words) + _SPREAD:
        return "words"
    return [*places, *(place for place, _ in together)]


def _year(moments: Sequence[Moment], number: Number) -> int | None:
    """Where a date has the number for its year; None where none has."""
    years = () if number.kind or number.noun else [r.number for r in number.readings]
    return next((m.start for m in moments if m.kind == 3 and m.readings[0][0] in years), None)


def _needed(wanted: Facts, asked: Facts) -> list[tuple[str, ...]]:
    """The key words of the reference that the request does not say; all of them where nothing else is left of it."""
    words = [parts for parts in wanted.key_words() if not all(part in _YES | _NO | _DENY for part in parts)]
    known = {part for parts, _ in asked.words for part in parts}
    new = [parts for parts in words if not all(part in known for part in parts)]
    return new if new or wanted.numbers or wanted.moments or wanted.dialled else words


def _word_places(said: Facts, parts: tuple[str, ...]) -> list[tuple[int, int]]:
    """(place in the text, count of the word) of every word that is `parts`, written as one or apart."""
    whole, flat = "".join(parts), [(part, at, i) for i, (many, at) in enumerate(said.words) for part in many]
    found = [(at, i) for i, (many, at) in enumerate(said.words) if "".join(many) == whole]
    for start in range(len(flat) - len(parts) + 1):
        if all(flat[start + k][0] == part for k, part in enumerate(parts)):
            found.append(flat[start][1:])
    return sorted(set(found))


def _closest(found: Sequence[Sequence[tuple[int, int]]]) -> list[tuple[int, int]]:
    """One place of each, as near to one another as they stand, in order."""
    best: list[tuple[int, int]] = []
    for first in found[0] if found else ():
        near = sorted(min(places, key=lambda p: abs(p[1] - first[1])) for places in found)
        if not best or near[-1][1] - near[0][1] < best[-1][1] - best[0][1]:
            best = near
    return best


def _alternative(said: Facts, stated: Sequence[F], wanted: Sequence[F], request: Facts, asked: Sequence[F]) -> bool:
    """Whether beside a right figure another of its kind stands as an alternative: "463 or 500 euros".

    Where the two have words of their own, which the request does not have ("193 cm tall, 82 cm wide"), they are of
    different things, and the sentence merely says more.
    """
    right = [one for one in stated if any(other.same(one) for other in wanted)]
    others = [one for one in stated if not any(other.same(one) for other in (*wanted, *asked))]
    known = {part for parts, _ in request.words for part in parts}
    own = [
        at
        for parts, at in said.words
        if not all(p in FUNCTION_WORDS or p.isdigit() or p in known for p in parts)
        and not any(fact.start <= at < fact.end for fact in stated)
    ]
    for one in right:
        for other in others:
            first, second = sorted((one, other), key=lambda fact: fact.start)
            after = _NEXT.match(said.text, other.end)
            since = first.end
            if _SENTENCE.search(said.text, first.end, second.start):  # in two sentences: what the first one is about
                since -= len(_SENTENCE.split(said.text[: first.end])[-1])
            apart = any(since <= at < second.start for at in own) or bool(after and after.start(1) in own)
            if one.of_one_kind(other) and not apart and not _denied(said.text, other.start):
                return True
    return False


def _denied(text: str, at: int) -> bool:
    """Whether a word that denies stands before a place, with nothing between that makes it a bound."""
    sentence = _SENTENCE.split(text[:at])[-1]
    before = [w.casefold() for w in _SPOKEN.findall(sentence)][-_REACH - 1 :]
    for i, word in enumerate(before):
        if word in _DENY:
            return not any(w in _BOUNDS for w in before[i + 1 :])
    return False


def _end_of_sentence(text: str, at: int) -> int:
    found = _SENTENCE.search(text, at)
    return found.start() if found else len(text)


def _opposite(answer: str, reference: str) -> bool:
    """Whether one says yes and the other no."""
    wanted, given = _polarity(reference, begins=True), _polarity(answer, begins=False)
    return bool(wanted and given and wanted != given)


def _polarity(text: str, *, begins: bool) -> str:
    """`yes` or `no`, by the first word; where an answer begins otherwise, by whether its first sentence denies."""
    words = [w.casefold() for w in _SPOKEN.findall(text)]
    if words and words[0] in _YES | _NO:
        return "yes" if words[0] in _YES else "no"
    if begins or not words:
        return ""
    first = _SPOKEN.findall(_SENTENCE.split(text.strip())[0])
    return "no" if any(w.casefold() in _DENY for w in first) else "yes"
