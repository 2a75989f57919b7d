"""Which texts are the same or nearly the same: asked by the checks (repeats), and by the split (no leak into test).

It stands beside the words because two stages need it and stages do not import each other. Candidates come from MinHash
signatures cut into bands (near linear in the number of texts, see `shingles`); every candidate pair is then verified by
its exact Jaccard similarity, so the figure beside a pair is true, not estimated.

Long texts are compared by their three-word sequences (fewer, so faster), short ones by their five-letter sequences,
because a changed word destroys three of the few three-word sequences that a short text has. Texts in between are
compared both ways.

Texts alike in everything but a number or a name ("What is 3+4?", "What is 3+5?") are similar here, and the split keeps
them together, which is the safe choice: whoever has learned one of them has an unfair start at the other. They are no
repeats, though, and the checks leave them out: `postgrad.similarity.templates` tells the two apart.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from postgrad.similarity.minhash import (
    Hashed,
    candidates,
    hashed_letters,
    hashed_words,
    letter_shingles,
    signatures,
    word_shingles,
)

DEFAULT_THRESHOLD = 0.7
"""One word changed in thirty leaves about 0.85, three in thirty about 0.65; different texts on one matter stay below
0.3."""

_SHORT_BELOW_WORDS = 60
_LONG_FROM_WORDS = 45
_SETS_KEPT = 20_000
_WORD = re.compile(r"\w+")


def exact_key(text: str) -> str:
    """What stays of a text when case, spacing and the spelling of equal characters are ignored."""
    if text.isascii():  # nothing to normalise, and several times faster
        return " ".join(text.lower().split())
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def exact_keys(texts: Sequence[str]) -> tuple[str, ...]:
    """`exact_key` of each text; kept for the last few sets, because several checks ask for the same."""
    return _exact_keys(tuple(texts))


@lru_cache(maxsize=3)
def _exact_keys(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(exact_key, texts))


def merge_groups(size: int, groups: Iterable[Sequence[int]]) -> list[tuple[int, ...]]:
    """The connected components of `range(size)` where the members of each group belong together.

    Returns:
        All components, single members too, each in ascending order, ordered by first member.
    """
    parent = list(range(size))

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for group in groups:
        for item in group[1:]:
            left, right = sorted((root(group[0]), root(item)))
            parent[right] = left
    components: dict[int, list[int]] = {}
    for item in range(size):
        components.setdefault(root(item), []).append(item)
    return [tuple(members) for members in components.values()]


@dataclass(frozen=True, slots=True)
class Similar:
    """The pairs found, which can be asked again at a higher threshold without a new search.

    Attributes:
        size: How many texts were compared.
        threshold: The lowest similarity that was looked for.
        pairs: (first index, second index, similarity from 0 to 1), first < second. Of a set of equal texts, and of a
            very large set of near-equal ones, not every pair is listed, but they stay connected.
    """

    size: int
    threshold: float
    pairs: tuple[tuple[int, int, float], ...]

    def above(self, threshold: float) -> Similar:
        """The same result with only the pairs at or above a higher threshold."""
        kept = tuple(p for p in self.pairs if p[2] >= threshold)
        return Similar(self.size, max(threshold, self.threshold), kept)

    def clusters(self) -> tuple[tuple[int, ...], ...]:
        """Groups of two or more texts that hang together through similar pairs."""
        merged = merge_groups(self.size, [(a, b) for a, b, _ in self.pairs])
        return tuple(c for c in merged if len(c) > 1)


def similarity(first: str, second: str) -> float:
    """Jaccard similarity of two texts as `find_similar` measures it."""
    left, right = exact_key(first), exact_key(second)
    if left == right:
        return 1.0
    words = min(len(_WORD.findall(left)), len(_WORD.findall(right)))
    shingles = word_shingles if words >= _SHORT_BELOW_WORDS else letter_shingles
    return _jaccard(shingles(left), shingles(right))


def find_similar(texts: Sequence[str], threshold: float = DEFAULT_THRESHOLD) -> Similar:
    """All groups of equal or nearly equal texts. Empty texts are similar to nothing.

    Args:
        texts: Any number of texts; a million short ones take minutes and about 1 GB besides themselves.
        threshold: Share of common sequences from which two texts count as nearly the same. Below 0.6 the search
            begins to miss pairs.
    """
    return _find_similar(tuple(texts), threshold)


def near_duplicate_clusters(texts: Sequence[str], threshold: float = DEFAULT_THRESHOLD) -> tuple[tuple[int, ...], ...]:
    """The groups of two or more equal or nearly equal texts; see `find_similar`."""
    return find_similar(texts, threshold).clusters()


@lru_cache(maxsize=2)
def _find_similar(texts: tuple[str, ...], threshold: float) -> Similar:
    """Kept for the last two sets, because several checks and the split ask the same question."""
    firsts: dict[str, int] = {}
    pairs: list[tuple[int, int, float]] = []
    for index, key in enumerate(exact_keys(texts)):
        first = firsts.setdefault(key, index) if key else index
        if first != index:
            pairs.append((first, index, 1.0))
    keys, places = list(firsts), list(firsts.values())
    lengths = [len(_WORD.findall(key)) for key in keys]
    short = [i for i, words in enumerate(lengths) if words < _SHORT_BELOW_WORDS]
    long = [i for i, words in enumerate(lengths) if words >= _LONG_FROM_WORDS]
    best: dict[tuple[int, int], float] = {}
    for chosen, hashed, shingles in (
        (short, hashed_letters, letter_shingles),
        (long, hashed_words, word_shingles),
    ):
        own = [keys[i] for i in chosen]
        for a, b, score in _verified_pairs(own, hashed, shingles, threshold):
            pair = (places[chosen[a]], places[chosen[b]])
            best[pair] = max(score, best.get(pair, 0.0))
    pairs += [(a, b, score) for (a, b), score in best.items()]
    return Similar(len(texts), threshold, tuple(sorted(pairs)))


def _jaccard(left: frozenset[str], right: frozenset[str]) -> float:
    common = len(left & right)
    return common / (len(left) + len(right) - common)


def _verified_pairs(
    keys: list[str],
    hashed: Callable[[Sequence[str]], Hashed],
    shingles: Callable[[str], frozenset[str]],
    threshold: float,
) -> list[tuple[int, int, float]]:
    """Candidate pairs whose exact similarity reaches the threshold. Sequences are made again for candidates alone."""
    if len(keys) < 2:
        return []
    pairs = candidates(signatures(keys, hashed), threshold)
    sets = lru_cache(maxsize=_SETS_KEPT)(lambda index: shingles(keys[index]))
    found: list[tuple[int, int, float]] = []
    for first, second in pairs.tolist():
        left, right = sets(first), sets(second)
        if min(len(left), len(right)) < threshold * max(len(left), len(right)):
            continue
        score = _jaccard(left, right)
        if score >= threshold:
            found.append((first, second, score))
    return found
