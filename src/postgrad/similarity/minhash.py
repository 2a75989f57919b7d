"""Short sequences of a text as numbers, and which texts share many of them: the machinery behind `similarity`.

Nothing here keeps a Python object for each sequence: they are hashed in chunks into numpy, MinHash signatures (Broder
1997; computed by rensa) are four bytes a value, and buckets are runs of a sorted array. A million short texts take
about 300 MB.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np

PERMUTATIONS = 64
ROWS_PER_BAND = 4
ALL_PAIRS_UP_TO = 8
"""A larger bucket (one template filled in a thousand ways) is walked as a star and a chain, not as all pairs."""

_CHUNK = 16_384
_LETTERS = 5
_WORDS = 3
_SLACK = 0.2
"""Signatures of 64 values estimate similarity to within 0.06 (one standard deviation); what is this far below is
dropped."""

_WORD = re.compile(r"\w+")
_PRIME = np.uint64(0x9E3779B97F4A7C15)

Hashed = tuple[np.ndarray, np.ndarray]


def word_shingles(key: str) -> frozenset[str]:
    """All sequences of three words."""
    words = _WORD.findall(key)
    return frozenset(" ".join(words[i : i + _WORDS]) for i in range(max(1, len(words) - _WORDS + 1)))


def letter_shingles(key: str) -> frozenset[str]:
    """All sequences of five letters, punctuation left out."""
    plain = " ".join(_WORD.findall(key)) or key
    return frozenset(plain[i : i + _LETTERS] for i in range(max(1, len(plain) - _LETTERS + 1)))


def hashed_letters(keys: Sequence[str]) -> Hashed:
    """`letter_shingles` of many texts as uint64 numbers in one row, and where each text begins in it (one more at the
    end)."""
    plain = [" ".join(_WORD.findall(key)) or key for key in keys]
    gap = "\0" * (_LETTERS - 1)
    codes = np.frombuffer((gap.join(plain) + gap).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    sizes = np.fromiter((len(text) for text in plain), dtype=np.int64, count=len(plain))
    return _hashed(codes.astype(np.uint64), sizes, _LETTERS)


def hashed_words(keys: Sequence[str]) -> Hashed:
    """`word_shingles` of many texts in the same form."""
    numbers: list[int] = []
    sizes = np.zeros(len(keys), dtype=np.int64)
    for index, key in enumerate(keys):
        words = _WORD.findall(key)
        sizes[index] = len(words)
        numbers.extend(zlib.crc32(word.encode("utf-8", "surrogatepass")) for word in words)
        numbers.extend([0] * (_WORDS - 1))
    return _hashed(np.array(numbers, dtype=np.uint64), sizes, _WORDS)


def _hashed(codes: np.ndarray, sizes: np.ndarray, length: int) -> Hashed:
    """Rolling hashes of `length` neighbours. Texts are `length` - 1 zeros apart, so that none reaches into the next."""
    count = len(codes) - length + 1
    value = np.zeros(max(0, count), dtype=np.uint64)
    for step in range(length):
        value = (value ^ codes[step : step + count]) * _PRIME
        value ^= value >> np.uint64(29)
    starts = np.concatenate(([0], np.cumsum(sizes + length - 1)))[:-1]
    kept = np.maximum(1, sizes - length + 1)
    offsets = np.concatenate(([0], np.cumsum(kept)))
    inside = np.arange(offsets[-1]) - np.repeat(offsets[:-1], kept) + np.repeat(starts, kept)
    return value[inside], offsets


def signatures(keys: Sequence[str], hashed: Callable[[Sequence[str]], Hashed]) -> np.ndarray:
    """MinHash signatures, uint32 of shape (texts, 64)."""
    from rensa import RMinHash  # pyright: ignore[reportAttributeAccessIssue] - compiled, without stubs

    out = np.zeros((len(keys), PERMUTATIONS), dtype=np.uint32)
    for start in range(0, len(keys), _CHUNK):
        values, offsets = hashed(keys[start : start + _CHUNK])
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(values, offsets.astype(np.uint64), PERMUTATIONS, 1)
        out[start : start + _CHUNK] = np.array(matrix.to_rows(), dtype=np.uint32)
    return out


def candidates(signature: np.ndarray, threshold: float) -> np.ndarray:
    """Pairs that share a band and whose signatures promise about the threshold; int64 of shape (pairs, 2), sorted."""
    size = len(signature)
    found = [np.empty(0, dtype=np.int64)]
    for start in range(0, PERMUTATIONS, ROWS_PER_BAND):
        for first, second in _band_pairs(signature[:, start : start + ROWS_PER_BAND]):
            likely = _promising(signature, first, second, threshold)
            low, high = np.minimum(first, second)[likely], np.maximum(first, second)[likely]
            found.append(low * size + high)
    pairs = np.unique(np.concatenate(found))
    return np.stack((pairs // max(size, 1), pairs % max(size, 1)), axis=1)


def _band_pairs(band: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    value = np.zeros(len(band), dtype=np.uint64)
    for column in range(band.shape[1]):
        value = (value ^ band[:, column]) * _PRIME
        value ^= value >> np.uint64(31)
    order = np.argsort(value, kind="stable")
    ordered = value[order]
    if len(order) < 2:
        return
    begins = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    sizes = np.diff(np.append(begins, len(order)))
    run_size = np.repeat(sizes, sizes)
    run_begin = np.repeat(begins, sizes)
    place = np.arange(len(order))
    for step in range(1, ALL_PAIRS_UP_TO):
        most = len(order) if step == 1 else ALL_PAIRS_UP_TO
        at = np.flatnonzero((place - run_begin >= step) & (run_size <= most))
        yield order[at - step], order[at]
    star = np.flatnonzero((run_size > ALL_PAIRS_UP_TO) & (place > run_begin))
    yield order[run_begin[star]], order[star]


def _promising(signature: np.ndarray, first: np.ndarray, second: np.ndarray, threshold: float) -> np.ndarray:
    keep = np.zeros(len(first), dtype=bool)
    bounds = [*range(0, len(first), 262_144), len(first)]
    for start, end in pairwise(bounds):
        same = (signature[first[start:end]] == signature[second[start:end]]).mean(axis=1)
        keep[start:end] = same >= threshold - _SLACK
    return keep
