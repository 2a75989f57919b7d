"""ROUGE (Lin, 2004) by rouge-score: words in common, in order or in runs, for summaries and the like."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from postgrad.evaluation.metrics.support.metric import Metric, each
from postgrad.evaluation.metrics.support.normal import words

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer


class _Words:
    """In place of rouge-score's own tokenizer, which throws away every letter outside a–z."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)


@cache
def _scorer(kind: str) -> RougeScorer:
    from rouge_score.rouge_scorer import RougeScorer  # here: it imports nltk

    return RougeScorer([kind], tokenizer=_Words())


def rouge_score(answer: str, reference: str, kind: str) -> float:
    """F-measure of `rouge1` … `rouge9` or `rougeL`; two empty texts agree, and so do equal ones too short for a run."""
    if not answer.strip() or not reference.strip() or words(answer) == words(reference):
        return float(words(answer) == words(reference))
    return float(_scorer(kind).score(reference, answer)[kind].fmeasure)


def rouge_l() -> Metric:
    """F-measure of the longest common subsequence of words."""
    return Metric("rouge_l", each(lambda answer, reference: rouge_score(answer, reference, "rougeL")), title="ROUGE-L")


def rouge_1() -> Metric:
    """F-measure of words in common."""
    return Metric("rouge_1", each(lambda answer, reference: rouge_score(answer, reference, "rouge1")), title="ROUGE-1")


def rouge_2() -> Metric:
    """F-measure of pairs of neighbouring words in common."""
    return Metric("rouge_2", each(lambda answer, reference: rouge_score(answer, reference, "rouge2")), title="ROUGE-2")
