"""Requests that are structured (`name[The Eagle], food[Thai]`, JSON, `key: value` lines), and how a set words their
values.

How a value is worded is learned from the set itself: a value counts as said where it stands literally in the text, or
where a sequence of words stands there that hardly ever occurs without this value ("not family" with
`familyFriendly[no]`).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from postgrad.answers import parse_json

_BRACKETS = re.compile(r"([\w /-]{1,40}?)\s*\[([^\[\]]*)\]\s*(?:,|;|\n|$)")
_LINE = re.compile(r"^\s*[-*]?\s*([\w /-]{1,40}?)\s*[:=]\s*(.+?)\s*$", re.MULTILINE)
_WORD = re.compile(r"\w+|[£$€%]")
_GRAM = 3

Slot = tuple[str, str]


def plain(text: str) -> str:
    """Lower case words and signs of money, single spaces."""
    return " ".join(_WORD.findall(text.lower()))


def slots_of(text: str) -> tuple[Slot, ...]:
    """The (slot, value) pairs of a structured request; empty where it is not one."""
    parsed = parse_json(text)
    if isinstance(parsed, dict):
        return tuple((str(k), str(v)) for k, v in parsed.items() if isinstance(v, str | int | float | bool))
    for pattern in (_BRACKETS, _LINE):
        if not any(sign in text for sign in ("[" if pattern is _BRACKETS else ":=")):
            continue
        found = pattern.findall(text)
        rest = pattern.sub("", text)
        if len(found) >= (1 if pattern is _BRACKETS else 2) and len(rest.strip(" ,;\n")) < 0.2 * len(text):
            return tuple((key.strip(), value.strip()) for key, value in found if value.strip())
    return ()


@dataclass(frozen=True, slots=True)
class Wording:
    """What was learned of a set.

    Attributes:
        cues: Slot and value → sequences of words that say it.
        said: Share of the records with this slot whose text says its value.
        sure: Sequences that say (slot, value) with high precision: what names a value nobody asked for.
    """

    cues: dict[Slot, frozenset[str]]
    said: dict[str, float]
    sure: dict[str, frozenset[Slot]]

    def says(self, slot: Slot, text: str, grams: set[str]) -> bool:
        """Whether a text says a value."""
        return f" {plain(slot[1])} " in f" {text} " or not grams.isdisjoint(self.cues.get(slot, ()))


def grams_of(text: str) -> set[str]:
    """All sequences of one to three words of a plain text."""
    words = text.split()
    return {" ".join(words[i : i + n]) for n in range(1, _GRAM + 1) for i in range(len(words) - n + 1)}


def learn(pairs: Sequence[tuple[Sequence[Slot], str]], *, precision: float = 0.85, support: int = 5) -> Wording:
    """Learns how values are said.

    Args:
        pairs: (slots asked for, plain answer text).
        precision: Share of the texts with a sequence that have the value, from which the sequence says it.
        support: Texts in which a sequence must occur.
    """
    occurs: Counter[str] = Counter()
    together: dict[Slot, Counter[str]] = defaultdict(Counter)
    asked: Counter[Slot] = Counter()
    for slots, text in pairs:
        grams = grams_of(text)
        occurs.update(grams)
        for slot in set(slots):
            asked[slot] += 1
            together[slot].update(grams)
    closed = _closed(asked)
    cues: dict[Slot, frozenset[str]] = {}
    sure: dict[str, set[Slot]] = defaultdict(set)
    for slot, counts in together.items():
        if slot not in closed:
            continue
        usual = asked[slot] / len(pairs)
        needed = min(1 - (1 - usual) * (1 - precision) / 0.7, max(precision, 1 - (1 - usual) / 4))
        own = {g for g, n in counts.items() if n >= support and n >= needed * occurs[g] and n >= 0.002 * asked[slot]}
        cues[slot] = frozenset(own)
        for gram in own | ({plain(slot[1])} if not _everyday(slot, occurs, asked, len(pairs)) else set()):
            sure[gram].add(slot)
    wording = Wording(cues, {}, {g: frozenset(s) for g, s in sure.items()})
    return Wording(cues, _shares(pairs, wording), wording.sure)


def _closed(asked: Counter[Slot]) -> set[Slot]:
    """Values of slots that have few values, each often: only of these can the wording be learned."""
    values = Counter(key for key, _ in asked)
    return {slot for slot, n in asked.items() if n >= 10 and values[slot[0]] <= 60}


def _everyday(slot: Slot, occurs: Counter[str], asked: Counter[Slot], total: int) -> bool:
    """Whether a value's text is a word that stands in texts anyhow ("no", "high")."""
    return len(plain(slot[1])) < 4 or occurs[plain(slot[1])] > 1.5 * asked[slot]


def _shares(pairs: Sequence[tuple[Sequence[Slot], str]], wording: Wording) -> dict[str, float]:
    there: Counter[str] = Counter()
    said: Counter[str] = Counter()
    for slots, text in pairs:
        grams = grams_of(text)
        for slot in slots:
            there[slot[0]] += 1
            said[slot[0]] += wording.says(slot, text, grams)
    return {key: said[key] / n for key, n in there.items()}


def unasked(slots: Iterable[Slot], grams: set[str], wording: Wording) -> list[Slot]:
    """Values that a text says and the request does not have."""
    asked = set(slots)
    values = plain(" ".join(value for _, value in asked))
    out: dict[Slot, None] = {}
    for gram in sorted(grams & wording.sure.keys()):
        if wording.sure[gram].isdisjoint(asked) and f" {gram} " not in f" {values} ":
            out.update(dict.fromkeys(sorted(wording.sure[gram])))
    return list(out)
