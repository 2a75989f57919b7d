"""Choosing the few-shot block: candidate sets from the training part, judged on validation by the likelihood of the
right answers. Likelihood needs no generation and is less noisy than counting hits on a few dozen examples.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np

from postgrad.models.embeddings import embed
from postgrad.records import Message, Record

PairLikelihoods = Callable[[Sequence[tuple[tuple[Message, ...], str]]], list[float]]
"""Mean log-probability a token of each (messages, answer)."""


def candidate_sets(train: Sequence[Record], count: int, seed: int) -> list[list[Record]]:
    """Three sets of `count` examples: spread over the data, usual for the data, and drawn at random."""
    pool = sorted((r for r in train if r.answer_text.strip()), key=lambda r: len(r.prompt_text) + len(r.answer_text))
    pool = pool[: max(count, int(len(pool) * 0.7))]  # the longest examples cost every request much and teach no more
    vectors = embed([f"{r.prompt_text}\n{r.answer_text}" for r in pool])
    centre = vectors.mean(axis=0)
    first = int(np.argmax(vectors @ centre))
    usual = [
        pool[i] for i in _spread(vectors, first, count, restrict=np.argsort(-(vectors @ centre))[: max(count * 4, 20)])
    ]
    spread = [pool[i] for i in _spread(vectors, first, count)]
    drawn = random.Random(seed).sample(pool, min(count, len(pool)))
    return [spread, usual, drawn]


def _spread(vectors: np.ndarray, first: int, count: int, restrict: np.ndarray | None = None) -> list[int]:
    """Farthest-first traversal from `first`, within `restrict` if given."""
    allowed = np.arange(len(vectors)) if restrict is None else restrict
    chosen = [first]
    nearest = vectors @ vectors[first]
    while len(chosen) < min(count, len(allowed)):
        rest = [i for i in allowed if i not in chosen]
        best = int(min(rest, key=lambda i: nearest[i]))
        chosen.append(best)
        nearest = np.maximum(nearest, vectors @ vectors[best])
    return chosen


def larger_sets(train: Sequence[Record], count: int, seed: int) -> list[list[Record]]:
    """Two sets of many examples: spread over the data, and drawn at random."""
    spread, _, drawn = candidate_sets(train, count, seed)
    return [spread, drawn]


def clearly_likelier(values: Sequence[float], than: Sequence[float]) -> bool:
    """Whether the same answers are likelier in the mean, by more than its standard error."""
    differences = np.array(values) - np.array(than)
    error = float(differences.std(ddof=1)) / len(differences) ** 0.5 if len(differences) > 1 else 0.0
    return float(differences.mean()) > error


def choose_examples(
    sets: Sequence[list[Record]],
    validation: Sequence[Record],
    ask: Callable[[list[Record], Record], tuple[Message, ...]],
    likelihoods: PairLikelihoods,
) -> tuple[int, list[float]]:
    """Index of the set under which validation answers are likeliest, and every set's mean log-probability a token."""
    values = [float(np.mean(likelihoods([(ask(examples, r), r.answer_text) for r in validation]))) for examples in sets]
    return int(np.argmax(values)), values
