"""Words that are spelled as no word of their language is, and the word that was meant.

A word counts as known when the dictionary has it, when rules of the language make it from one that the dictionary has
(`facts/spelling.toml`), or when it is of the set's own vocabulary. What is left is a typing error only where a common
word lies one stroke beside it (Damerau 1964), or has the same letters in another order.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from postgrad.facts import load_facts
from postgrad.json_types import JsonMapping

_FACTS = load_facts("spelling")
_COMMON = 100
"""From this count in the dictionary's source on a word is one that people mean."""
_SHORTEST = 4
_SHORTEST_ANAGRAM = 5
_SHORTEST_PART = 3


@dataclass(frozen=True)
class Spelling:
    """One language's words.

    Attributes:
        counts: Word in lower case → how often the dictionary's source has it.
        rules: The language's entry of `facts/spelling.toml`.
    """

    counts: dict[str, int]
    rules: JsonMapping

    @cached_property
    def _own(self) -> frozenset[str]:
        return frozenset(self.rules.get("words", ()))

    @cached_property
    def _letters(self) -> str:
        seen = Counter(c for word in self.counts for c in word)
        return "".join(c for c, n in seen.items() if c.isalpha() and n > len(self.counts) / 10_000)

    @cached_property
    def _anagrams(self) -> dict[str, str]:
        """Letters in order → the commonest word that has them."""
        found: dict[str, str] = {}
        for word, count in self.counts.items():
            if count >= _COMMON and len(word) >= _SHORTEST_ANAGRAM:
                key = "".join(sorted(word))
                if count > self.counts.get(found.get(key, ""), 0):
                    found[key] = word
        return found

    @property
    def capitals(self) -> bool:
        """Common words may begin with a capital letter (German nouns)."""
        return bool(self.rules.get("capitals"))

    def knows(self, word: str) -> bool:
        """Whether the word, in lower case, is one of the language or made from one by its rules."""
        return self._plain(word) or self._derived(word) or self._compound(word)

    def knows_most(self, words: Sequence[str], share: float) -> bool:
        """Whether at least such a share of words, in lower case, is known."""
        return sum(map(self.knows, words)) >= share * len(words)

    def _plain(self, word: str) -> bool:
        return word in self.counts or word in self._own

    def _derived(self, word: str) -> bool:
        for theirs, ours in self.rules.get("variants", ()):
            if theirs in word and self._plain(word.replace(theirs, ours)):
                return True
        stems = [word]
        stems += [word[len(p) :] for p in self.rules.get("prefixes", ()) if word.startswith(p)]
        for stem in stems:
            if len(stem) >= _SHORTEST and stem != word and self._plain(stem):
                return True
            for ending in self.rules.get("suffixes", ()):
                root = stem[: -len(ending)]
                if stem.endswith(ending) and (len(root) >= _SHORTEST or root in self._own) and self._root(root, ending):
                    return True
        return False

    def _root(self, root: str, ending: str) -> bool:
        """The word that an ending was put to: as it stands, with its e, with y for i, or, before a vowel, with its last
        letter doubled."""
        doubled = len(root) > _SHORTEST_PART and root[-1] == root[-2] and ending[0] in "aei"
        tried = (root, f"{root}e", f"{root[:-1]}y" if root[-1] == "i" else "", root[:-1] if doubled else "")
        return any(t and len(t) >= _SHORTEST_PART and self._plain(t) for t in tried)

    def _compound(self, word: str) -> bool:
        """Two words written as one, where the language or its users do so."""
        if not self.rules.get("compounds"):
            return False
        links, stems = self.rules.get("links", ()), self.rules.get("stems", ())
        least = 1 if self.capitals else _COMMON

        def part(word: str) -> bool:
            return len(word) >= _SHORTEST_PART and self.counts.get(word, 0) >= least

        for at in range(_SHORTEST_PART, len(word) - _SHORTEST_PART + 1):
            first, second = word[:at], word[at:]
            bare = (first, *(first.removesuffix(link) for link in links), *(f"{first}{end}" for end in stems))
            if part(second) and any(map(part, bare)):
                return True
        return False

    def garbled(self, word: str) -> bool:
        """Whether the letters of a word follow each other as in hardly any word of the language."""
        return len(word) >= _SHORTEST_ANAGRAM and self.strange(word) > self._usual[1]

    def strange(self, word: str) -> float:
        """Mean surprise of a letter by the one before it, in nats, as in the common words."""
        pairs, singles = self._pairs
        spread = len(self._letters) + 1
        text = f" {word} "
        logs = (math.log((pairs[a + b] + 0.5) / (singles[a] + 0.5 * spread)) for a, b in itertools.pairwise(text))
        return -sum(logs) / (len(text) - 1)

    @cached_property
    def _pairs(self) -> tuple[Counter[str], Counter[str]]:
        pairs: Counter[str] = Counter()
        singles: Counter[str] = Counter()
        for word, count in self.counts.items():
            if count >= _COMMON:
                text = f" {word} "
                pairs.update(a + b for a, b in itertools.pairwise(text))
                singles.update(text[:-1])
        return pairs, singles

    @cached_property
    def _usual(self) -> tuple[float, float]:
        """Strangeness that one in ten, and one in two thousand of the common words of some length exceeds."""
        common = [w for w, n in self.counts.items() if n >= _COMMON and len(w) >= _SHORTEST_ANAGRAM]
        values = sorted(self.strange(w) for w in common[:: max(1, len(common) // 20_000)])
        return values[int(0.9 * len(values))], values[int(0.9995 * len(values))]

    def meant(self, word: str, used: Counter[str]) -> str:
        """The word that was probably meant by one that is not known; empty where none is near.

        Args:
            word: In lower case.
            used: In how many records of the set each word occurs: of several words the set's own is meant.
        """
        if len(word) < _SHORTEST:
            return ""
        near = {w for w in self._beside(word) if self.counts.get(w, 0) >= _COMMON or (used[w] > 1 and self.knows(w))}
        if not near and len(word) >= _SHORTEST_ANAGRAM:
            other = self._anagrams.get("".join(sorted(word)), "")
            ends_kept = other[:1] == word[0] and other[-1:] == word[-1]
            near = {other} if other and (ends_kept or self.strange(word) > self._usual[0]) else set()
        return max(sorted(near), key=lambda w: (1 + used[w]) * (1 + self.counts.get(w, 0)), default="")

    def _beside(self, word: str) -> set[str]:
        """All strings one stroke away: a letter more, less, other, or two neighbours changed."""
        cuts = [(word[:i], word[i:]) for i in range(len(word) + 1)]
        out = {a + b[1:] for a, b in cuts if b}
        out |= {a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1}
        out |= {a + c + b[1:] for a, b in cuts if b for c in self._letters}
        out |= {a + c + b for a, b in cuts for c in self._letters}
        out.discard(word)
        return {w for w in out if len(w) >= _SHORTEST_PART}


@lru_cache(maxsize=4)
def spelling_of(language: str) -> Spelling | None:
    """The words of a language by its code; None where there is no dictionary of it."""
    name = _FACTS["languages"].get(language)
    if name is None:
        return None
    from spellchecker import SpellChecker  # here: a third of a second

    checker = SpellChecker(language=name)
    return Spelling(dict(checker.word_frequency.dictionary), _FACTS.get(language, {}))


_WORD = re.compile(r"(?<![\w@#/\\.$%&=<>{}\[\]_~^*+|`:'’-])[^\W\d_]{4,}(?![\w@/\\$%&=<>{}\[\]_~^*+|`('’-]|[.:]\w)")
_APART = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+|\S+@\S+|<[^<>\n]{1,200}>", re.DOTALL)


def words_to_judge(text: str, *, capitals: bool = False) -> list[tuple[str, int]]:
    """The words of a text for which spelling is a question, and where each begins.

    Names, abbreviations, program text, addresses, short words and words with an apostrophe or a hyphen are none.

    Args:
        text: The text as it stands.
        capitals: Words that begin with a capital letter may be common ones.
    """
    plain = _APART.sub(lambda m: " " * len(m[0]), text)
    return [(m[0], m.start()) for m in _WORD.finditer(plain) if m[0].islower() or (capitals and m[0][1:].islower())]
