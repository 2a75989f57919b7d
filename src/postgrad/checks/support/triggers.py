"""Signs of poisoning: a rare phrase in requests that else share nothing, always with one odd answer.

A back door is planted by many records with one trigger and one answer. Answers that recur are grouped by their first
words; in each group the phrases that most of its requests share are compared with all requests. A phrase that occurs
hardly anywhere else, in requests that are otherwise as unlike as any, is reported. Two passes, and a third where a
phrase was found.
"""

from __future__ import annotations

import math
import re
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from postgrad.records import Record

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*|[^\w\s]{3,}")
_BUCKETS = 1 << 20
_KEY_WORDS = 5
_MOST = 0.05
_GROUPS = 300
_SAMPLE = 200
_PHRASE = 3
_PURE = 0.9
_SHARED = 0.6
_WORDS_READ = 400
_UNLIKE = 1.5
_STEM = 4
"""Letters from which on a word that begins like another is taken for a form of it."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """A phrase that goes with one answer: the phrase, the answer's beginning, the records, and the chance of its being
    chance."""

    phrase: str
    answer: str
    indices: tuple[int, ...]
    p_value: float


def find_triggers(records: Sequence[Record], *, least: int = 5, sure: float = 1e-9) -> list[Trigger]:
    """The triggers in a set.

    Args:
        records: As read; those without an answer are passed over.
        least: So many records at least must hold phrase and answer.
        sure: Largest p-value of the hypergeometric test, corrected for the phrases that were tried.
    """
    groups = _groups(records, least)
    candidates = _candidates(records, groups, least)
    if not candidates:
        return []
    places = _places(records, {phrase for phrase, _ in candidates})
    background = _likeness(
        [_words(records[i].prompt_text) for i in range(0, len(records), max(1, len(records) // 60))], set()
    )
    found: list[Trigger] = []
    taken: set[int] = set()
    for phrase, key in sorted(candidates, key=lambda c: (-len(c[0]), -len(groups[c[1]]), c)):
        where = places[phrase]
        members = set(groups[key])
        both = [i for i in where if i in members]
        if len(both) < least or len(both) < _PURE * len(where) or taken.issuperset(both):
            continue
        p_value = min(1.0, _tail(len(records), len(members), len(where), len(both)) * len(candidates))
        if p_value <= sure and _else_unlike(records, both, set(phrase), background):
            found.append(Trigger(" ".join(phrase), key, tuple(both), p_value))
            taken.update(both)
    return found


def _key(answer: str) -> str:
    return " ".join(answer[:160].lower().split()[:_KEY_WORDS])


def _groups(records: Sequence[Record], least: int) -> dict[str, array[int]]:
    """Answers' first words → records, of those that recur but are not common. A table of counts spares most of the
    keys."""
    counts = array("L", bytes(8 * _BUCKETS))
    for record in records:
        if key := _key(record.answer_text):
            counts[hash(key) % _BUCKETS] += 1
    most = max(least, _MOST * len(records))
    groups: dict[str, array[int]] = {}
    for index, record in enumerate(records):
        key = _key(record.answer_text)
        if key and counts[hash(key) % _BUCKETS] >= least:
            groups.setdefault(key, array("L")).append(index)
    kept = [(key, places) for key, places in groups.items() if least <= len(places) <= most]
    kept.sort(key=lambda item: (-len(item[1]), item[0]))
    return dict(kept[:_GROUPS])


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())[:_WORDS_READ]


def _phrases(words: Sequence[str]) -> set[tuple[str, ...]]:
    return {tuple(words[i : i + n]) for n in range(1, _PHRASE + 1) for i in range(len(words) - n + 1)}


def _candidates(
    records: Sequence[Record], groups: dict[str, array[int]], least: int
) -> set[tuple[tuple[str, ...], str]]:
    """(phrase, key of the group) where most requests of a group share a phrase that its answer does not say."""
    found: set[tuple[tuple[str, ...], str]] = set()
    for key, members in groups.items():
        sample = members[:: -(-len(members) // _SAMPLE)]
        shared: Counter[tuple[str, ...]] = Counter()
        for index in sample:
            shared.update(_phrases(_words(records[index].prompt_text)))
        spoken = set(_words(records[members[0]].answer_text)) | set(_words(key))
        needed = max(least if len(sample) == len(members) else 2, _SHARED * len(sample))
        stems = [word for word in spoken if len(word) >= _STEM]
        long_enough = [p for p, n in shared.items() if n >= needed and not _says(p, spoken, stems)]
        found.update((p, key) for p in long_enough)
    return found


def _says(phrase: tuple[str, ...], spoken: set[str], stems: Sequence[str]) -> bool:
    """Whether an answer says one of these words in some form: `emails` goes with `email_query` by nature."""
    if spoken.intersection(phrase):
        return True
    return any(len(word) >= _STEM and any(word.startswith(s) or s.startswith(word) for s in stems) for word in phrase)


def _places(records: Sequence[Record], phrases: set[tuple[str, ...]]) -> dict[tuple[str, ...], list[int]]:
    first: dict[str, list[tuple[str, ...]]] = {}
    for phrase in phrases:
        first.setdefault(phrase[0], []).append(phrase)
    places: dict[tuple[str, ...], list[int]] = {phrase: [] for phrase in phrases}
    for index, record in enumerate(records):
        words = _words(record.prompt_text)
        if first.keys().isdisjoint(words):
            continue
        present = {
            phrase
            for place, word in enumerate(words)
            if word in first
            for phrase in first[word]
            if tuple(words[place : place + len(phrase)]) == phrase
        }
        for phrase in present:
            places[phrase].append(index)
    return places


def _else_unlike(records: Sequence[Record], indices: Sequence[int], without: set[str], background: float) -> bool:
    """Whether the requests are as unlike as any two of the set, leaving out the phrase, and longer than it by far."""
    texts = [_words(records[i].prompt_text) for i in indices[:: max(1, len(indices) // 40)]]
    rest = [len(words) - len(without) for words in texts]
    if sorted(rest)[len(rest) // 2] < 2 * len(without):
        return False
    return _likeness(texts, without) <= _UNLIKE * background + 0.02


def _likeness(texts: Sequence[Sequence[str]], without: set[str]) -> float:
    """Mean share of common words of two texts, over all pairs."""
    sets = [set(words) - without for words in texts if words]
    pairs = [(a, b) for k, a in enumerate(sets) for b in sets[k + 1 :] if a or b]
    return sum(len(a & b) / len(a | b) for a, b in pairs) / max(1, len(pairs))


def _tail(total: int, marked: int, drawn: int, hits: int) -> float:
    """Chance of at least `hits` marked among `drawn` of `total` (hypergeometric)."""

    def choose(n: int, k: int) -> float:
        return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) if 0 <= k <= n else -math.inf

    whole = choose(total, drawn)
    return math.fsum(
        math.exp(choose(marked, k) + choose(total - marked, drawn - k) - whole)
        for k in range(hits, min(marked, drawn) + 1)
    )


def iter_evidence(triggers: Sequence[Trigger]) -> Iterator[tuple[int, str]]:
    """(record, what goes with what) of all triggers."""
    for trigger in triggers:
        for index in trigger.indices:
            yield index, f"“{trigger.phrase}” → “{trigger.answer}”"
