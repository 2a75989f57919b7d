"""chrF (Popović, 2015) by sacrebleu: for free text in any language, on characters, so that no tokenizer is needed."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from postgrad.evaluation.metrics.support.metric import Metric, each

if TYPE_CHECKING:
    from sacrebleu.metrics.chrf import CHRF


@cache
def _scorer(word_order: int) -> CHRF:
    from sacrebleu.metrics.chrf import CHRF  # here: it takes a while to import

    return CHRF(word_order=word_order)


def chrf(*, word_order: int = 0) -> Metric:
    """Sentence chrF2 as a share of 1; `word_order=2` gives chrF++. Two empty texts agree."""

    def score(answer: str, reference: str) -> float:
        if not answer.strip() or not reference.strip():
            return float(answer.strip() == reference.strip())
        return min(1.0, _scorer(word_order).sentence_score(answer, [reference]).score / 100)

    return Metric("chrf", each(score), title="chrF")
