"""Exact match and containment: right or wrong, nothing between."""

from __future__ import annotations

from postgrad.evaluation.metrics.support.metric import Metric, each
from postgrad.evaluation.metrics.support.normal import contains, plain


def exact_match(*, ignore_case: bool = True, ignore_marks: bool = True) -> Metric:
    """1 where answer and reference are the same text.

    Args:
        ignore_case: "Yes" equals "yes".
        ignore_marks: Punctuation at both ends does not count: "yes." equals "yes". Whitespace never counts.
    """

    def score(answer: str, reference: str) -> float:
        left = plain(answer, ignore_case=ignore_case, ignore_marks=ignore_marks)
        return float(left == plain(reference, ignore_case=ignore_case, ignore_marks=ignore_marks))

    return Metric("exact_match", each(score), title="exact match", right_or_wrong=True)


def containment() -> Metric:
    """1 where the reference stands in the answer, word for word, but for case, space and marks at its ends."""
    return Metric("containment", each(lambda a, r: float(contains(a, r))), title="containment", right_or_wrong=True)
