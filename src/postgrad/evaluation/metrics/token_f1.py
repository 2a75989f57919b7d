"""Token F1, as in SQuAD (Rajpurkar et al., 2016): for short facts, where half an answer is worth half."""

from __future__ import annotations

from collections import Counter

from postgrad.evaluation.metrics.support.metric import Metric, each
from postgrad.evaluation.metrics.support.normal import words


def token_f1() -> Metric:
    """Harmonic mean of the shares of words in common, as bags; two empty texts agree."""

    def score(answer: str, reference: str) -> float:
        left, right = words(answer), words(reference)
        if not left or not right:
            return float(left == right)
        common = sum((Counter(left) & Counter(right)).values())
        return 2 * common / (len(left) + len(right))

    return Metric("token_f1", each(score), title="token F1")
