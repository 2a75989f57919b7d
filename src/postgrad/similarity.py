"""Which texts are the same or nearly the same: asked by the checks (repeats), and by the split (no leak into test).

It stands beside the words because two stages need it and stages do not import each other. Candidates come from MinHash
signatures cut into bands (near linear in the number of texts); every candidate pair is then verified by its exact
Jaccard similarity, so the figure beside a pair is true, not estimated.

Long texts are compared by their three-word sequences (fewer, so faster), short ones by their five-letter sequences, because
a changed word destroys three of the few three-word sequences that a short text has. Texts in between are compared both
ways.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, pairwise

DEFAULT_THRESHOLD = 0.7
"""One word changed in thirty leaves about 0.85, three in thirty about 0.65; different texts on one matter stay below 0.3."""

_PERMUTATIONS = 64
_ROWS_PER_BAND = 4
_SHORT_BELOW_WORDS = 60
_LONG_FROM_WORDS = 45
_ALL_PAIRS_UP_TO = 8
_WORD = re.compile(r"\w+")


def exact_key(text: str) -> str:
    """What stays of a text when case, spacing and the spelling of equal characters are ignored."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


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
    shingles = _word_shingles if words >= _SHORT_BELOW_WORDS else _letter_shingles
    return _jaccard(shingles(left), shingles(right))


def find_similar(texts: Sequence[str], threshold: float = DEFAULT_THRESHOLD) -> Similar:
    """All groups of equal or nearly equal texts. Empty texts are similar to nothing.

    Args:
        texts: Any number of texts; 10,000 short ones take about a second.
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
    members: dict[str, list[int]] = {}
    for index, text in enumerate(texts):
        key = exact_key(text)
        if key:
            members.setdefault(key, []).append(index)
    pairs = [(group[0], other, 1.0) for group in members.values() for other in group[1:]]
    keys = list(members)
    firsts = [members[key][0] for key in keys]
    lengths = [len(_WORD.findall(key)) for key in keys]
    short = [i for i, words in enumerate(lengths) if words < _SHORT_BELOW_WORDS]
    long = [i for i, words in enumerate(lengths) if words >= _LONG_FROM_WORDS]
    best: dict[tuple[int, int], float] = {}
    for chosen, shingles in ((short, _letter_shingles), (long, _word_shingles)):
        sets = [shingles(keys[i]) for i in chosen]
        for a, b, score in _verified_pairs(sets, threshold):
            first, second = sorted((firsts[chosen[a]], firsts[chosen[b]]))
            best[first, second] = max(score, best.get((first, second), 0.0))
    pairs += [(a, b, score) for (a, b), score in best.items()]
    return Similar(len(texts), threshold, tuple(sorted(pairs)))


def _word_shingles(key: str) -> frozenset[str]:
    words = _WORD.findall(key)
    return frozenset(" ".join(words[i : i + 3]) for i in range(max(1, len(words) - 2)))


def _letter_shingles(key: str) -> frozenset[str]:
    plain = " ".join(_WORD.findall(key)) or key
    return frozenset(plain[i : i + 5] for i in range(max(1, len(plain) - 4)))


def _jaccard(left: frozenset[str], right: frozenset[str]) -> float:
    common = len(left & right)
    return common / (len(left) + len(right) - common)


def _verified_pairs(sets: list[frozenset[str]], threshold: float) -> list[tuple[int, int, float]]:
    """Candidate pairs whose exact similarity reaches the threshold."""
    seen: set[tuple[int, int]] = set()
    found: list[tuple[int, int, float]] = []
    for bucket in _buckets(sets):
        # A huge bucket (one template filled in a thousand ways) is walked as a star and a chain, not as all pairs.
        star_and_chain = [*((bucket[0], other) for other in bucket[1:]), *pairwise(bucket)]
        for pair in combinations(bucket, 2) if len(bucket) <= _ALL_PAIRS_UP_TO else star_and_chain:
            if pair in seen:
                continue
            seen.add(pair)
            left, right = sets[pair[0]], sets[pair[1]]
            if min(len(left), len(right)) < threshold * max(len(left), len(right)):
                continue
            score = _jaccard(left, right)
            if score >= threshold:
                found.append((*pair, score))
    return found


def _buckets(sets: list[frozenset[str]]) -> list[list[int]]:
    """Lists of set numbers that share one band of their MinHash signatures."""
    if len(sets) < 2:
        return []
    from rensa import RMinHash  # pyright: ignore[reportAttributeAccessIssue] - compiled, without stubs

    buckets: dict[tuple[int, ...], list[int]] = {}
    digests = RMinHash.digests_from_token_sets(sets, _PERMUTATIONS, 1)
    for index, digest in enumerate(digests):
        for start in range(0, _PERMUTATIONS, _ROWS_PER_BAND):
            buckets.setdefault((start, *digest[start : start + _ROWS_PER_BAND]), []).append(index)
    return [bucket for bucket in buckets.values() if len(bucket) > 1]
