"""Groups of texts by meaning, the same every time, and the words that tell one group from the others.

Spherical k-means (Dhillon and Modha 2001) on unit vectors, begun with k-means++ (Arthur and Vassilvitskii 2007), best
of a few beginnings. Seeding and steps are SciPy's; that centres stay on the sphere is ours.
"""

from __future__ import annotations

import math
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

_ROUNDS, _BEGINNINGS = 40, 4
_MOST_TEXTS = 20_000
"""More are grouped by the centres that so many, evenly drawn, have."""
_WORD = re.compile(r"[^\W\d_]{3,}")
_USUAL = 0.15
"""A telling word stands in at least this share of its group."""
_LIFT = 2.0
"""And is so many times as common there as elsewhere."""
_FAINT = 0.4
"""A word that tells less than so much of what the best one tells is left out."""
WORDS = 3

Vectors = NDArray[np.float32]


def grouped(vectors_ND: Vectors, count: int, seed: int = 0) -> NDArray[np.int64]:
    """The group of each row, from 0; at most `count` groups, fewer where rows are equal.

    Args:
        vectors_ND: Unit rows.
        count: Groups wished for.
        seed: Of the beginnings.
    """
    step = max(1, math.ceil(len(vectors_ND) / _MOST_TEXTS))
    sample = vectors_ND[::step]
    fewest = min(count, len(np.unique(sample, axis=0)))
    tries = [_centres(sample, fewest, np.random.default_rng([seed, n])) for n in range(_BEGINNINGS)]
    best_KD = max(tries, key=lambda centres: float((sample @ centres.T).max(axis=1).sum()))
    nearest = (vectors_ND @ best_KD.T).argmax(axis=1)
    return np.unique(nearest, return_inverse=True)[1].astype(np.int64)


def _centres(vectors_ND: Vectors, count: int, generator: np.random.Generator) -> Vectors:
    """Unit centres; a step of k-means between unit vectors is one of spherical k-means, once its means are unit too."""
    from scipy.cluster.vq import kmeans2  # half a second, that no refusal should take

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "One of the clusters is empty")  # it keeps its centre, and no text gets it
        centres_KD, before = kmeans2(vectors_ND, count, iter=1, minit="++", rng=generator)
        for _ in range(_ROUNDS):
            norms = np.linalg.norm(centres_KD, axis=1, keepdims=True)
            centres_KD = (centres_KD / np.maximum(norms, 1e-9)).astype(np.float32)
            moved_KD, group_N = kmeans2(vectors_ND, centres_KD, iter=1, minit="matrix")
            if np.array_equal(group_N, before):
                break
            centres_KD, before = moved_KD, group_N
    return centres_KD


def telling_words(texts: Sequence[str], groups: NDArray[np.int64], count: int = WORDS) -> list[str]:
    """For each group the words and pairs of words that stand in many of its texts and in few others.

    Returns:
        One phrase a group, such as "exchange rate, currency"; "" where no word tells it apart.
    """
    terms = [set(_terms(text)) for text in texts]
    everywhere = Counter(term for found in terms for term in found)
    out = []
    for group in range(int(groups.max()) + 1 if len(groups) else 0):
        members = [terms[i] for i in np.flatnonzero(groups == group)]
        inside = Counter(term for found in members for term in found)
        out.append(", ".join(_best(inside, everywhere, len(members), len(texts), count)))
    return out


def _best(inside: Counter[str], everywhere: Counter[str], size: int, total: int, count: int) -> list[str]:
    def lift(term: str) -> float:
        """How many times as common it is here as elsewhere."""
        rest = (everywhere[term] - inside[term] + 0.5) / (total - size + 1)
        return inside[term] / size / rest

    def weight(term: str) -> float:
        longer = 1.3 if " " in term else 1.0  # "exchange rate" says more than either word
        return longer * inside[term] / size * math.log(lift(term))

    usual = [t for t, n in inside.items() if n >= max(2, _USUAL * size)]
    telling = [
        t for t in usual if all(lift(part) >= _LIFT for part in t.split())
    ]  # "the rate" tells no more than "rate"
    chosen: list[str] = []
    ranked = sorted(telling, key=lambda t: (-weight(t), t))
    for term in ranked:
        if weight(term) < _FAINT * weight(ranked[0]):
            break
        if not _beginnings(term) & {start for other in chosen for start in _beginnings(other)}:
            chosen.append(term)
        if len(chosen) == count:
            break
    return chosen


def _beginnings(term: str) -> set[str]:
    """By which "rate" and "rates" count as one word."""
    return {word[:4] for word in term.split()}


def _terms(text: str) -> Iterator[str]:
    before, end = "", -2
    for found in _WORD.finditer(text.casefold()):
        yield found[0]
        if before and found.start() == end + 1:
            yield f"{before} {found[0]}"
        before, end = found[0], found.end()
