"""The style of a text in numbers that do not depend on what it is about: words that an author uses everywhere, marks,
lengths. Rare words and names are hidden behind a star and their ending (text distortion,
https://aclanthology.org/E17-1107), so that whoever writes about the same people is not taken for the same writer.

Shapes: P texts, F features.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

COMMON = 150
"""Words that are shown as they are: the author's commonest, but for those that are capitalised within sentences."""
FEATURES = 500
_ENDING, _LONG = 2, 5
"""Letters that are shown of a hidden word, if it has so many."""
_IN_EVERY = 0.05
"""A feature stands in so many of the author's texts."""
_PIECE = re.compile(r"\w+|[^\w\s]")
_SENTENCE = re.compile(r"[.!?。！？]+[\"'”’)]*(?:\s|$)")


def pieces(text: str) -> list[str]:
    """Words and marks, in order."""
    return _PIECE.findall(text)


@dataclass(frozen=True)
class Style:
    """An author's style, as a frame in which texts are measured.

    Attributes:
        common: The words that are shown.
        features: One or two pieces in a row, with the column of each.
        mean: (F,) of the author's texts.
        spread: (F,) standard deviations of them.
    """

    common: frozenset[str]
    features: dict[tuple[str, ...], int]
    mean: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, texts: Sequence[str]) -> Style:
        """From texts of the author, each about as long as those that will be measured."""
        small = Counter(w for t in texts for w in pieces(t) if w[0].isalpha() and w == w.lower())
        common = frozenset(w for w, _ in small.most_common(COMMON))
        counted = [Counter(_runs(t, common)) for t in texts]
        among = Counter(run for one in counted for run in one)
        total = Counter(run for one in counted for run, n in one.items() for _ in range(n))
        kept = [run for run, _ in total.most_common() if among[run] >= max(2, _IN_EVERY * len(texts))][:FEATURES]
        features = {run: i for i, run in enumerate(kept)}
        raw = _shares(counted, features)
        return cls(common, features, raw.mean(axis=0), raw.std(axis=0) + 1e-6)

    def points(self, texts: Sequence[str]) -> np.ndarray:
        """(P, F): how far each text's shares are from the author's usual ones, in standard deviations; each row of
        length one."""
        raw = _shares([Counter(_runs(t, self.common)) for t in texts], self.features)
        scores = np.clip((raw - self.mean) / self.spread, -5, 5)
        return scores / np.maximum(np.linalg.norm(scores, axis=1, keepdims=True), 1e-9)

    def distance(self, texts: Sequence[str]) -> float:
        """How far the texts as a whole are from the author's usual shares, over all features, in standard deviations of
        single texts (Burrows's Delta, https://doi.org/10.1093/llc/17.3.267, with marks and pairs)."""
        raw = _shares([Counter(run for t in texts for run in _runs(t, self.common))], self.features)
        return float(np.abs((raw[0] - self.mean) / self.spread).mean())


def sentence_words(texts: Iterable[str]) -> float:
    """Words of a sentence on average. The last one of each text, which is cut, does not count where there are
    others."""
    lengths: list[int] = []
    for text in texts:
        parts = [len(re.findall(r"\w+", part)) for part in _SENTENCE.split(text)]
        parts = [n for n in parts[:-1] if n] or [n for n in parts if n]
        lengths += parts
    return sum(lengths) / max(1, len(lengths))


def word_letters(texts: Iterable[str]) -> float:
    """Letters of a word on average."""
    words = [w for t in texts for w in re.findall(r"\w+", t)]
    return sum(map(len, words)) / max(1, len(words))


def _runs(text: str, common: frozenset[str]) -> list[tuple[str, ...]]:
    shown = [_shown(piece, common) for piece in pieces(text)]
    return [*((a,) for a in shown), *itertools.pairwise(shown)]


def _shown(piece: str, common: frozenset[str]) -> str:
    small = piece.lower()
    if small in common or not piece[0].isalnum():
        return small
    if piece[0].isdigit():
        return "0"
    if piece != small:
        return "A*"
    return f"*{small[-_ENDING:]}" if len(small) >= _LONG else "*"


def _shares(counted: Sequence[Counter[tuple[str, ...]]], features: dict[tuple[str, ...], int]) -> np.ndarray:
    """(P, F): how often each feature stands there, for every piece of the text."""
    out = np.zeros((len(counted), len(features)), dtype=np.float32)
    for row, one in zip(out, counted, strict=True):
        size = max(1, sum(n for run, n in one.items() if len(run) == 1))
        for run, n in one.items():
            if (column := features.get(run)) is not None:
                row[column] = n / size
    return out
