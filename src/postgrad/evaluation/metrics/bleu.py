"""BLEU (Papineni et al., 2002) by sacrebleu: for translations; smoothed for single sentences, and of the whole set."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from postgrad.errors import UsageError
from postgrad.evaluation.metrics.support.metric import Case, Metric, MetricResult

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU

TOKENIZERS = ("13a", "intl", "char", "zh", "none")
"""sacrebleu's tokenizers that need no download."""


@cache
def _scorer(tokenize: str, sentence: bool) -> BLEU:
    from sacrebleu.metrics.bleu import BLEU  # here: it takes a while to import

    return BLEU(tokenize=tokenize, effective_order=sentence)


def sentence_bleu(answer: str, reference: str, tokenize: str = "13a") -> float:
    """sacrebleu's sentence BLEU as a share of 1; texts that are equal but for whitespace agree."""
    left, right = answer.split(), reference.split()
    if not left or not right or left == right:
        return float(left == right)
    score = _scorer(tokenize, True).sentence_score(answer, [reference]).score
    return min(1.0, max(0.0, score / 100))


def bleu(*, tokenize: str = "13a") -> Metric:
    """Sentence BLEU for each case; the usual corpus BLEU of the whole set stands beside it as `corpus_bleu`.

    Args:
        tokenize: `13a` for languages with spaces, `intl` for their other alphabets, `zh` or `char` for those without.

    Raises:
        UsageError: An unknown tokenizer.
    """
    if tokenize not in TOKENIZERS:
        raise UsageError(f"bleu knows no tokenizer {tokenize!r}.", f"Tokenizers: {', '.join(TOKENIZERS)}.")

    def measure(cases: Sequence[Case]) -> MetricResult:
        if not cases:
            return MetricResult(())
        scores = tuple(sentence_bleu(c.answer, c.reference, tokenize) for c in cases)
        whole = _scorer(tokenize, False).corpus_score([c.answer for c in cases], [[c.reference for c in cases]])
        return MetricResult(scores, {"corpus_bleu": whole.score / 100})

    return Metric("bleu", measure, title="BLEU")
