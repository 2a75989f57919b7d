"""ROUGE-L (Lin, 2004) by rouge-score: the longest common subsequence of words, for summaries and the like."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from postgrad.evaluation.metrics.metric import Metric
from postgrad.evaluation.metrics.normal import words

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer


class _Words:
    """In place of rouge-score's own tokenizer, which throws away every letter outside a–z."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)


@cache
def _scorer() -> RougeScorer:
    from rouge_score.rouge_scorer import RougeScorer  # here: it imports nltk

    return RougeScorer(["rougeL"], tokenizer=_Words())


def rouge_l() -> Metric:
    """F-measure of the longest common subsequence; two empty texts agree."""

    def score(answer: str, reference: str) -> float:
        if not answer.strip() or not reference.strip():
            return float(answer.strip() == reference.strip())
        return float(_scorer().score(reference, answer)["rougeL"].fmeasure)

    return Metric("rouge_l", score, title="ROUGE-L")
