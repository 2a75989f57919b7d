"""Which similar texts are one template filled in differently, and so no repeats: "What is 3+4?" and "What is 3+5?".

Three signs, each seen in the words that two similar texts do not share: a number differs; a name (a capitalised word
inside a sentence, or a quoted one) is replaced by another one; or the same frame occurs with three fillings or more. A
changed letter, case or punctuation is no such sign.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

from postgrad.facts import load_facts

_WORD = re.compile(r"\d+(?:[.,:/]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)*|\w+")
_NUMBER = re.compile(r"[-+£$€]?\d[\d.,:/]*")
_ENDS_SENTENCE = re.compile(r"[.!?:\n]\s*[\"'“‘(\[]*$")
_FILLINGS = 3
_TYPO = 0.7
_MOST_WORDS_FILLED = 4

_WORDS = load_facts("number_words")
NUMBER_WORDS = frozenset(word for kind in ("numbers", "ordinals", "weekdays", "months") for word in _WORDS[kind])


def facts(text: str) -> Counter[str]:
    """The numbers of a text: what two askings of the same thing must share."""
    found: Counter[str] = Counter(n.rstrip(".,:/").replace(",", "") for n in _NUMBER.findall(text))
    found.update(w for w in (m.lower() for m in _WORD.findall(text)) if w in NUMBER_WORDS)
    return found


def names(text: str) -> set[str]:
    """Capitalised words that do not begin a sentence. In a text of capitals or of headings none can be told."""
    words = list(_WORD.finditer(text))
    capitals = {w[0] for w in words if w[0][0].isupper() and w.start() and not _ENDS_SENTENCE.search(text[: w.start()])}
    return capitals - {"I"} if len(capitals) <= 0.5 * len(words) else set()


def differ_in_facts(first: str, second: str) -> bool:
    """Whether two similar texts speak of different numbers or of different names."""
    if facts(first) != facts(second):
        return True
    left, right = names(first), names(second)
    lower_first, lower_second = (set(map(str.lower, _WORD.findall(t))) for t in (first, second))
    only_left = {n.lower() for n in left} - lower_second
    only_right = {n.lower() for n in right} - lower_first
    if not only_left or not only_right:
        return False
    return not all(any(_typo(a, b) for b in only_right) for a in only_left)


def template_pairs(texts: Sequence[str], pairs: Iterable[tuple[int, int, float]]) -> frozenset[tuple[int, int]]:
    """Those of the similar pairs that are two fillings of one template."""
    listed = [(a, b) for a, b, _ in pairs]
    frames: dict[tuple[int, int], tuple[str, str, str]] = {}
    fillings: dict[str, set[str]] = {}
    told: set[tuple[int, int]] = set()
    for a, b in listed:
        if differ_in_facts(texts[a], texts[b]):
            told.add((a, b))
        framed = frame(texts[a], texts[b])
        if framed:
            frames[a, b] = framed
            fillings.setdefault(framed[0], set()).update(framed[1:])
    many = {name for name, values in fillings.items() if len(_distinct(values)) >= _FILLINGS}
    return frozenset(told | {pair for pair, framed in frames.items() if framed[0] in many})


def frame(first: str, second: str) -> tuple[str, str, str] | None:
    """(common words around a gap, first filling, second filling), or None where that is not how two texts differ."""
    left, right = ([w.lower() for w in _WORD.findall(text)] for text in (first, second))
    most = min(len(left), len(right))
    begin = 0
    while begin < most and left[begin] == right[begin]:
        begin += 1
    end = 0
    while end < most - begin and left[-1 - end] == right[-1 - end]:
        end += 1
    fill_left, fill_right = left[begin : len(left) - end], right[begin : len(right) - end]
    if not fill_left or not fill_right or max(len(fill_left), len(fill_right)) > _MOST_WORDS_FILLED:
        return None
    a, b = " ".join(fill_left), " ".join(fill_right)
    return None if _typo(a, b) else (" ".join([*left[:begin], "…", *left[len(left) - end :]]), a, b)


def _distinct(values: Iterable[str]) -> list[str]:
    kept: list[str] = []
    for value in sorted(values):
        if len(kept) < _FILLINGS and not any(_typo(value, other) for other in kept):
            kept.append(value)
    return kept


def _typo(first: str, second: str) -> bool:
    """Whether two words are two spellings of one."""
    return SequenceMatcher(None, first, second, autojunk=False).ratio() >= _TYPO
