"""Retrieval for the rag arms: words (BM25) and meaning (static embeddings), fused by reciprocal rank.

Reciprocal rank fusion: Cormack, Clarke and Büttcher, SIGIR 2009, with their constant 60.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from postgrad.errors import ModelError
from postgrad.models.embeddings import embed

PASSAGES_FILE = "passages.jsonl"
"""Beside the trained weights of a model that was made with documents."""
_WORD = re.compile(r"\w+")
_FUSION = 60.0


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


@dataclass(frozen=True)
class Passage:
    """A piece of text that can be retrieved, and where it comes from."""

    text: str
    origin: str


class Index:
    """A searchable list of texts.

    Args:
        texts: What is searched; the results are indices into it.
        vectors: The embeddings of the texts, where they are at hand.
    """

    def __init__(self, texts: Sequence[str], vectors: np.ndarray | None = None) -> None:
        import bm25s

        self.size = len(texts)
        self._vectors = embed(texts) if vectors is None else vectors
        vocabulary: dict[str, int] = {}
        ids = [[vocabulary.setdefault(w, len(vocabulary)) for w in _words(t)] for t in texts]
        self._vocabulary = vocabulary
        self._bm25 = bm25s.BM25() if vocabulary else None
        if self._bm25 is not None:
            self._bm25.index(bm25s.tokenization.Tokenized(ids=ids, vocab=vocabulary), show_progress=False)

    def search(self, query: str, count: int, exclude: int | None = None) -> list[int]:
        """Indices of the best texts, best first; `exclude` is never among them (a record must not find itself)."""
        by_meaning = self._vectors @ embed([query])[0]
        by_words = np.zeros(self.size, dtype=np.float32)
        known = [w for w in _words(query) if w in self._vocabulary]
        if self._bm25 is not None and known:
            by_words = np.asarray(self._bm25.get_scores(known), dtype=np.float32)
        fused = 1 / (_FUSION + _ranks(by_meaning)) + np.where(by_words > 0, 1 / (_FUSION + _ranks(by_words)), 0)
        if exclude is not None:
            fused[exclude] = -1
        return [int(i) for i in np.argsort(-fused, kind="stable")[: min(count, self.size - (exclude is not None))]]


class Retriever:
    """Passages by request: called with a question it gives the `count` best.

    Args:
        passages: What is searched.
        index: Over their texts.
        count: So many are given.
    """

    def __init__(self, passages: Sequence[Passage], index: Index, count: int) -> None:
        self.passages, self.count, self._index = passages, count, index

    @classmethod
    def of_folder(cls, folder: Path, count: int) -> Retriever:
        """Over the passages that were stored beside trained weights.

        Raises:
            ModelError: they are not there, or cannot be read.
        """
        try:
            lines = (folder / PASSAGES_FILE).read_text("utf-8").split("\n")
            passages = [Passage(**json.loads(line)) for line in lines if line]
        except (OSError, ValueError, TypeError) as error:
            where = str(folder / PASSAGES_FILE)
            raise ModelError(f"The model's passages in {where!r} cannot be read: {error}.") from error
        return cls(passages, Index([p.text for p in passages]), count)

    def __call__(self, question: str) -> list[Passage]:
        return [self.passages[i] for i in self.ranked(question, self.count)]

    def ranked(self, question: str, count: int) -> list[int]:
        """Places of the best passages, best first."""
        return self._index.search(question, count)


def store_passages(passages: Sequence[Passage], folder: Path) -> None:
    """Puts passages beside trained weights, for `Retriever.of_folder`."""
    lines = [json.dumps({"text": p.text, "origin": p.origin}, ensure_ascii=False) for p in passages]
    (folder / PASSAGES_FILE).write_text("\n".join(lines) + "\n", "utf-8")


def _ranks(scores: np.ndarray) -> np.ndarray:
    """Rank of each score, best is 1; ties in order."""
    ranks = np.empty(len(scores), dtype=np.float64)
    ranks[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
    return ranks
