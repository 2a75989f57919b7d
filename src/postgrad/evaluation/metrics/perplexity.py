"""How likely the model finds the right answers, or held-out text. Needs no generation, and sees progress before any
answer is right; says nothing about what the model would write itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from postgrad.evaluation.metrics.support.asked import asked_with, no_likelihoods, own_request, sides_of
from postgrad.evaluation.metrics.support.metric import Case, Metric, MetricResources, MetricResult, lacking
from postgrad.records import is_raw

BASE_SCORE = 0.5
"""Of `bits_saved`, where nothing is saved."""


def perplexity(means: MetricResources) -> Metric:
    """The geometric mean probability of a token of the reference, which is 1/perplexity of one answer: higher is
    better.

    The perplexity itself, over all cases with equal weight, stands beside it as `perplexity`.

    Raises:
        UsageError: No model can be asked for likelihoods.
    """
    likelihoods = means.likelihoods
    if likelihoods is None:
        raise no_likelihoods("perplexity")

    def measure(cases: Sequence[Case]) -> MetricResult:
        found = likelihoods([(asked_with(case), _reference(case)) for case in cases])
        values = [min(0.0, v) for v in found if not math.isnan(v)]
        mean = sum(values) / max(1, len(values))
        scores = tuple(0.0 if math.isnan(v) else math.exp(min(0.0, v)) for v in found)
        lost = len(found) - len(values)
        said = f"{lost} of {len(found)} requests leave no room for the right answer in the model's context; they get 0."
        return MetricResult(scores, {"perplexity": math.exp(min(700.0, -mean))}, remarks=(said,) if lost else ())

    return Metric("perplexity", measure, title="token probability of the right answers", judges_answers=False)


def bits_saved(means: MetricResources) -> Metric:
    """How much less a way of going on is surprised by what truly comes next in a text than the base is that reads the
    text alone: 0.5, and 0.01 more for every per cent of bits that it saves, down to 0 and up to 1.

    Figure: `bits_per_letter`, over all passages, which compares bases with different tokenizers.

    Raises:
        UsageError: No model can be asked for likelihoods.
    """
    now, before = sides_of(means, "bits_saved")

    def measure(cases: Sequence[Case]) -> MetricResult:
        found = [_nats(a) for (a,) in now([(asked_with(c), (_reference(c),)) for c in cases])]
        start = [_nats(a) for (a,) in before([(own_request(c), (c.reference,)) for c in cases])]
        scores = tuple(_saved(a, b) for a, b in zip(found, start, strict=True))
        known = [(n, len(c.reference)) for n, c in zip(found, cases, strict=True) if not math.isnan(n)]
        letters = sum(size for _, size in known)
        figures = {"bits_per_letter": sum(n for n, _ in known) / math.log(2) / letters} if letters else {}
        lost = len(cases) - len(known)
        said = f"{lost} of {len(cases)} passages have no room in the model's context; they count as nothing saved."
        return MetricResult(scores, figures, remarks=(said,) if lost else ())

    def unfit(cases: Sequence[Case]) -> str:
        return lacking(cases, "say what comes next", lambda c: bool(c.reference.strip()))

    return Metric(
        "bits_saved", measure, title="text foretold, where the base has 50", unfit=unfit, judges_answers=False
    )


def _saved(nats: float, base: float) -> float:
    if math.isnan(nats) or math.isnan(base) or base <= 0:
        return BASE_SCORE
    return min(1.0, max(0.0, BASE_SCORE + 1 - nats / base))


def _nats(logprob: float) -> float:
    return -logprob if math.isnan(logprob) else max(0.0, -logprob)


def _reference(case: Case) -> str:
    """What is wanted; a model that is asked by a request does not begin with the blank that goes on from text."""
    return case.reference if is_raw(asked_with(case)) else case.reference.lstrip()
