"""Documents for the arms that retrieve: read, cut into passages that the model has room for, indexed, put before
requests."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from postgrad.data.documents.documents import chunk_documents, read_documents
from postgrad.evaluation.metrics.support.fields import reference_of
from postgrad.evaluation.retrieval import Index, Passage, Retriever
from postgrad.evaluation.retrieval_quality import DEPTHS, Holdings, documents_quality, examples_quality
from postgrad.json_types import JsonObject
from postgrad.models.embeddings import embed
from postgrad.models.rendering.render import Renderer
from postgrad.progress import Progress, Said, Working
from postgrad.records import Record
from postgrad.steps.examples import Grounding

PASSAGES = 2
"""Passages put before a request: more cost every request and distract a small model."""
SHARE = 4
"""A passage has at most one part in so many of the model's context."""
_STEP = 16_384
_SLOW = 20_000  # from so many passages on a reader wonders what takes so long


def read_passages(docs: str | None, renderer: Renderer) -> Working[tuple[Passage, ...]]:
    """The passages of the user's documents; says what could not be read, and what was too long.

    Raises:
        DataError: no documents, or some that cannot be read.
    """
    if docs is None:
        return ()
    found = read_documents(docs)
    for note in found.notes:
        yield Said(note, warning=True)
    whole = [Passage(c.text, c.document) for c in chunk_documents(found.documents)]
    limit = max(32, renderer.context // SHARE)
    passages = [replace(p, text=part) for p in whole for part in _parts(p.text, renderer.count, limit)]
    if len(passages) > len(whole):
        yield Said(
            f"Passages of more than {limit} tokens, a {SHARE}th of the model's context, were cut: {len(whole)} became"
            f" {len(passages)}."
        )
    yield Said(f"{len(found.documents)} documents in {len(passages)} passages.")
    return tuple(passages)


def _parts(text: str, count: Callable[[str], int], limit: int) -> list[str]:
    """A text in pieces of at most `limit` tokens; whole where it is short enough."""
    if len(text.encode("utf-8", "surrogatepass")) <= limit or count(text) <= limit:  # a token has a byte at least
        return [text]
    middle = len(text) // 2
    cut = text.rfind(" ", middle // 2, middle + 1)
    cut = cut if cut > 0 else middle
    halves = (text[:cut].strip(), text[cut:].strip())
    return [part for half in halves if half for part in _parts(half, count, limit)]


def retriever(passages: Sequence[Passage]) -> Working[Retriever | None]:
    """The index over the passages; None without any."""
    if not passages:
        return None
    start, texts = time.monotonic(), [p.text for p in passages]
    vectors = []
    for place in range(0, len(texts), _STEP):
        vectors.append(embed(texts[place : place + _STEP]))
        yield Progress(min(place + _STEP, len(texts)), len(texts), "passages indexed")
    found = Retriever(passages, Index(texts, np.concatenate(vectors)), PASSAGES)
    if len(texts) >= _SLOW:
        yield Said(f"{len(texts):,} passages indexed in {time.monotonic() - start:.0f} s.")
    return found


def grounding_in(docs: str | None, renderer: Renderer) -> Working[Grounding | None]:
    """The user's documents, read and indexed; None without any."""
    passages = yield from read_passages(docs, renderer)
    retrieve = yield from retriever(passages)
    return None if retrieve is None else Grounding(passages, retrieve)


Quality = Callable[[Sequence[Record], Sequence[float]], JsonObject]
"""What retrieval found for test records, beside the scores of their answers."""


def quality_of_documents(retrieve: Retriever) -> Quality:
    """Whether the passages found hold the right answers."""

    def quality(test: Sequence[Record], scores: Sequence[float]) -> JsonObject:
        holdings = Holdings([p.text for p in retrieve.passages])
        holding = [holdings.holding(reference_of(r)) for r in test]
        ranked = [retrieve.ranked(r.prompt_text, max(DEPTHS)) for r in test]
        return documents_quality(holding, ranked, retrieve.count, scores)

    return quality


def quality_of_examples(train: Sequence[Record], index: Index, count: int) -> Quality:
    """Whether the examples found have the right answers."""

    def quality(test: Sequence[Record], scores: Sequence[float]) -> JsonObject:
        found = [[reference_of(train[i]) for i in index.search(r.prompt_text, count)] for r in test]
        return examples_quality([reference_of(r) for r in test], found, scores)

    return quality
