"""ROUGE (Lin, 2004): words in common, in order or in runs, for summaries and the like.

Words are split as everywhere here, so that texts in any script count. The numbers are those of the package rouge-score
on the same words, which is not kept any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from postgrad.evaluation.metrics.support.metric import Metric, each
from postgrad.evaluation.metrics.support.normal import words


def rouge_score(answer: str, reference: str, kind: str) -> float:
    """F-measure of `rouge1` … `rouge9` or `rougeL`; two empty texts agree, and so do equal ones too short for a run."""
    ours, theirs = words(answer), words(reference)
    if not answer.strip() or not reference.strip() or ours == theirs:
        return float(ours == theirs)
    if kind == "rougeL":
        return _f_measure(_in_order(ours, theirs), len(ours), len(theirs))
    size = int(kind.removeprefix("rouge"))
    own, wanted = _runs(ours, size), _runs(theirs, size)
    return _f_measure((own & wanted).total(), own.total(), wanted.total())


def _runs(text: Sequence[str], size: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(text[i : i + size]) for i in range(len(text) - size + 1))


def _in_order(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence, a row of the table at a time as the bits of one number (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for i, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << i
    whole = row = (1 << len(first)) - 1
    for word in second:
        both = row & places.get(word, 0)
        row = ((row + both) | (row - both)) & whole
    return len(first) - row.bit_count()


def _f_measure(common: int, ours: int, theirs: int) -> float:
    return 2 * common / (ours + theirs) if common else 0.0


def rouge_l() -> Metric:
    """F-measure of the longest common subsequence of words."""
    return Metric("rouge_l", each(lambda answer, reference: rouge_score(answer, reference, "rougeL")), title="ROUGE-L")


def rouge_1() -> Metric:
    """F-measure of words in common."""
    return Metric("rouge_1", each(lambda answer, reference: rouge_score(answer, reference, "rouge1")), title="ROUGE-1")


def rouge_2() -> Metric:
    """F-measure of pairs of neighbouring words in common."""
    return Metric("rouge_2", each(lambda answer, reference: rouge_score(answer, reference, "rouge2")), title="ROUGE-2")
