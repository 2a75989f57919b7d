"""Which kinds of requests go wrong: the requests of training and test grouped by meaning, and each group's errors.

With a dozen groups one always looks bad, so p-values come from a permutation test and are corrected over all groups
(Holm).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from postgrad.evaluation.slices import FEWEST, p_worse
from postgrad.evaluation.statistics.clusters import grouped, telling_words
from postgrad.evaluation.statistics.scores import score_interval
from postgrad.evaluation.statistics.significance import holm
from postgrad.measures import Score
from postgrad.models.embeddings import embed

MOST = 16
_TEST_EXAMPLES_EACH = 8
"""A kind should hold about so many test examples."""


@dataclass(frozen=True, slots=True)
class RequestKind:
    """One kind of request.

    Attributes:
        words: That tell it from the others.
        train: Places of its training records.
        test: Places of its test records.
        score: On its test records.
        rest: Mean score on all other test records.
        production: Its share of the requests in production; None where none are known.
        p_worse: Probability that chance makes a kind this much worse, corrected over all kinds looked at.
    """

    words: str
    train: tuple[int, ...]
    test: tuple[int, ...]
    score: Score
    rest: float
    production: float | None
    p_worse: float


def kinds_of_requests(
    train: Sequence[str], test: Sequence[str], scores: Sequence[float], production: Sequence[str] = (), seed: int = 0
) -> list[RequestKind]:
    """The kinds with at least five test examples, the least likely by chance first; none for a small or uniform test.

    Args:
        train: Requests of the training part.
        test: Requests of the test part.
        scores: Of one arm on them.
        production: Requests seen in production.
        seed: Of grouping and permutations.
    """
    count = min(MOST, len(test) // _TEST_EXAMPLES_EACH)
    if count < 2:
        return []
    texts = [*train, *test, *production]
    groups = grouped(embed(texts), count, seed)
    first, last = len(train), len(train) + len(test)
    names = telling_words(texts[:last], groups[:last])
    values = np.asarray(scores, dtype=float)
    found = []
    for group, words in enumerate(names):
        places = np.flatnonzero(groups[first:last] == group)
        if FEWEST <= len(places) < len(test):
            found.append((group, words or f"kind {group + 1}", places))
    p_values = holm([p_worse(values, places.tolist(), seed) for _, _, places in found])
    out = [
        RequestKind(
            words,
            tuple(np.flatnonzero(groups[:first] == group).tolist()),
            tuple(places.tolist()),
            score_interval(values[places]),
            float(np.delete(values, places).mean()),
            float(np.mean(groups[last:] == group)) if production else None,
            p_value,
        )
        for (group, words, places), p_value in zip(found, p_values, strict=True)
    ]
    return sorted(out, key=lambda k: (k.p_worse, k.score.value - k.rest, k.words))
