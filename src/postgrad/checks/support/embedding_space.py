"""Records as points: embeddings shared by the checks that need them, near neighbours, and clusters. No torch.

All is seeded, and grows about linearly with the number of texts: neighbours are looked for inside cells around randomly
chosen texts, twice with other cells, so that a pair divided by a border the first time is met the second time.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from postgrad.models.embeddings import embed

_WHOLE_UP_TO = 4_000
_CELL = 1_500
_BLOCK = 2_048
_HALF_FROM = 200_000
_WORD = re.compile(r"[^\W\d_]{3,}")


@lru_cache(maxsize=3)
def _vectors(texts: tuple[str, ...]) -> np.ndarray:
    found = embed(texts, dtype=np.float16 if len(texts) >= _HALF_FROM else np.float32)
    found.setflags(write=False)
    return found


def vectors(texts: Sequence[str]) -> np.ndarray:
    """Unit vectors of the texts, (texts, 256), kept for the last few sets; half precision from 200,000 texts on."""
    return _vectors(tuple(texts))


def sample(texts: Sequence[str], most: int, seed: int = 0) -> list[int]:
    """At most `most` indices in ascending order, chosen by content, so that the order of the file does not matter."""
    if len(texts) <= most:
        return list(range(len(texts)))

    def place(index: int) -> bytes:
        return hashlib.blake2b(f"{seed}:{texts[index]}".encode("utf-8", "surrogatepass"), digest_size=8).digest()

    return sorted(sorted(range(len(texts)), key=place)[:most])


def close_pairs(points: np.ndarray, threshold: float, seed: int = 0) -> list[tuple[int, int, float]]:
    """(first, second, cosine) of pairs at or above the threshold, each text with its nearest four at most.

    Up to 4,000 points all pairs are compared; above, most close pairs are met, not all.
    """
    size = len(points)
    best: dict[tuple[int, int], float] = {}
    if size <= _WHOLE_UP_TO:
        groups = [np.arange(size)]
    else:
        groups = [cell for turn in range(2) for cell in _cells(points, seed + turn)]
    for members in groups:
        for start in range(0, len(members), _BLOCK):
            rows = members[start : start + _BLOCK]
            scores = points[rows].astype(np.float32) @ points[members].astype(np.float32).T
            scores[rows[:, None] >= members[None, :]] = -1
            for at, other in _top(scores, threshold):
                best[int(rows[at]), int(members[other])] = float(scores[at, other])
    return sorted((a, b, score) for (a, b), score in best.items())


def _top(scores: np.ndarray, threshold: float, most: int = 4) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for row in np.flatnonzero((scores >= threshold).any(axis=1)):
        near = np.flatnonzero(scores[row] >= threshold)
        if len(near) > most:
            near = near[np.argpartition(-scores[row, near], most)[:most]]
        found.extend((int(row), int(other)) for other in near)
    return found


def _cells(points: np.ndarray, seed: int) -> list[np.ndarray]:
    """The points by the nearest of randomly chosen ones; a cell that grows too large is cut in the order of the set."""
    rng = np.random.default_rng(seed)
    count = max(2, round(len(points) ** 0.5))
    centres = points[rng.choice(len(points), count, replace=False)].astype(np.float32)
    nearest = assign(points, centres)
    order = np.argsort(nearest, kind="stable")
    cells = np.split(order, np.flatnonzero(np.diff(nearest[order])) + 1)
    widest = max(_CELL, 4 * count)
    return [np.sort(cell[i : i + widest]) for cell in cells for i in range(0, len(cell), widest)]


def assign(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The number of the nearest centre of each point, by cosine."""
    out = np.zeros(len(points), dtype=np.int64)
    for start in range(0, len(points), _BLOCK):
        out[start : start + _BLOCK] = (points[start : start + _BLOCK].astype(np.float32) @ centres.T).argmax(axis=1)
    return out


def clusters(points: np.ndarray, count: int, *, seed: int = 0, rounds: int = 12, fit_on: int = 20_000) -> np.ndarray:
    """Spherical k-means (Dhillon and Modha 2001) fitted on at most `fit_on` points: the cluster number of each
    point."""
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(len(points), min(fit_on, len(points)), replace=False))
    known = points[chosen].astype(np.float32)
    centres = _spread(known, min(count, len(known)), rng)
    for _ in range(rounds):
        nearest = assign(known, centres)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, known)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(lengths > 0, sums / np.maximum(lengths, 1e-9), centres)
    return assign(points, centres)


def _spread(points: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Beginnings far from each other (k-means++)."""
    chosen = [int(rng.integers(len(points)))]
    far = np.full(len(points), np.inf)
    for _ in range(count - 1):
        far = np.minimum(far, np.maximum(0, 1 - points @ points[chosen[-1]]))
        total = far.sum()
        chosen.append(int(rng.choice(len(points), p=far / total)) if total > 0 else int(rng.integers(len(points))))
    return points[chosen].copy()


def words_of(text: str) -> set[str]:
    """The words of a text of three letters and more, each once."""
    return set(_WORD.findall(text.lower()))


def distinguishing(inside: Sequence[str], spread: Counter[str], total: int, most: int = 3) -> list[str]:
    """The words that a group of texts has and the rest lacks, most telling first.

    Args:
        inside: The group's texts.
        spread: In how many of all texts each word occurs.
        total: How many texts there are.
        most: Number of words.
    """
    here = Counter(word for text in inside for word in words_of(text))

    def weight(word: str) -> float:
        share, usual = here[word] / len(inside), spread[word] / max(1, total)
        return share * float(np.log((share + 0.01) / (usual + 0.01)))

    return [w for w in sorted(here, key=lambda w: (-weight(w), w)) if weight(w) > 0][:most]
