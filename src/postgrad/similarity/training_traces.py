"""What a model was trained on, so that a test can be told from it later: hashes and MinHash signatures, never the
texts.

A trace is kept beside each registered model. Equal requests are found by hash, nearly equal ones by the share of equal
values in their signatures, which estimates the similarity of their five-letter sequences to within 0.06.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from postgrad.similarity.minhash import hashed_letters, signatures
from postgrad.similarity.near_duplicates import exact_key

NEAR = 0.8
"""From this similarity on a request counts as nearly one that was trained on; as in the check for leakage."""
_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Trace:
    """The requests of a training set.

    Attributes:
        hashes: One a request, uint64.
        marks: Their signatures, uint32 of shape (requests, 64).
    """

    hashes: np.ndarray
    marks: np.ndarray

    def to_bytes(self) -> bytes:
        """For the store."""
        out = io.BytesIO()
        np.savez_compressed(out, hashes=self.hashes, marks=self.marks)
        return out.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Trace:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return cls(arrays["hashes"], arrays["marks"])

    def known(self, texts: Sequence[str]) -> tuple[set[int], set[int]]:
        """Places of the texts that were trained on as they are, and of those that nearly were."""
        other = trace_of(texts)
        same = np.isin(other.hashes, self.hashes)
        near: set[int] = set()
        step = max(1, _AT_ONCE // max(1, self.marks.size))
        for start in range(0, len(texts), step):
            shares = (other.marks[start : start + step, None, :] == self.marks[None]).mean(axis=2)
            near |= {start + int(i) for i in np.flatnonzero(shares.max(axis=1, initial=0.0) >= NEAR)}
        exact = {int(i) for i in np.flatnonzero(same)}
        return exact, near - exact


def trace_of(texts: Sequence[str]) -> Trace:
    """The trace of these requests."""
    keys = [exact_key(text) for text in texts]
    digests = [hashlib.blake2b(k.encode("utf-8", "surrogatepass"), digest_size=8).digest() for k in keys]
    hashes = np.frombuffer(b"".join(digests), dtype="<u8")
    return Trace(hashes, signatures(keys, hashed_letters))
