"""Perplexity: how likely the model finds the right answers. Needs no generation, and sees progress before any answer is
right; says nothing about what the model would write itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from postgrad.errors import UsageError
from postgrad.evaluation.metrics.support.metric import Case, Metric, MetricResources, MetricResult
from postgrad.records import Message


def perplexity(means: MetricResources) -> Metric:
    """The geometric mean probability of a token of the reference, which is 1/perplexity of one answer: higher is
    better.

    The perplexity itself, over all cases with equal weight, stands beside it as `perplexity`.

    Raises:
        UsageError: No model can be asked for likelihoods.
    """
    likelihoods = means.likelihoods
    if likelihoods is None:
        raise UsageError(
            "perplexity needs a model that can be asked for likelihoods.", "Local models can; remote ones cannot."
        )

    def measure(cases: Sequence[Case]) -> MetricResult:
        values = [min(0.0, v) for v in likelihoods([(_asked(case), case.reference) for case in cases])]
        mean = sum(values) / max(1, len(values))
        return MetricResult(tuple(math.exp(v) for v in values), {"perplexity": math.exp(min(700.0, -mean))})

    return Metric("perplexity", measure, title="token probability of the right answers")


def _asked(case: Case) -> tuple[Message, ...]:
    prompt = case.record.prompt_text if case.record is not None else ""
    return case.asked or (Message("user", prompt),)
