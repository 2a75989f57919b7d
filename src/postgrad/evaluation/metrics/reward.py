"""A reward model's preference: how likely it is, by Bradley and Terry's model, that the answer is preferred to the
right one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from postgrad.errors import UsageError
from postgrad.evaluation.metrics.support.metric import Case, Metric, MetricResources, MetricResult, lacking
from postgrad.records import Message, tools_of


def reward(means: MetricResources, *, model: str) -> Metric:
    """σ(reward of the answer − reward of the reference): 0.5 where they are worth the same.

    Rewards have no scale of their own, only their differences mean something; the mean reward of the answers stands
    beside it as `reward`.

    Args:
        means: Knows registered reward models.
        model: Name of one.

    Raises:
        UsageError: none can be asked here.
        ModelError: there is none of that name.
    """
    if means.rewards is None:
        raise UsageError("The metric reward needs a registered reward model, and none can be asked here.")
    ask = means.rewards(model)

    def measure(cases: Sequence[Case]) -> MetricResult:
        asked = [_asked(case) for case in cases]
        tools = [tools_of(case.record) if case.record is not None else () for case in cases]
        own = ask([(messages, case.answer) for messages, case in zip(asked, cases, strict=True)], tools)
        right = ask([(messages, case.reference) for messages, case in zip(asked, cases, strict=True)], tools)
        scores = tuple(_sigmoid(a - b) for a, b in zip(own, right, strict=True))
        return MetricResult(scores, {"reward": sum(own) / max(1, len(own))})

    def unfit(cases: Sequence[Case]) -> str:
        return lacking(cases, "have a right answer to hold another against", lambda c: bool(c.reference.strip()))

    return Metric("reward", measure, title=f"preference of {model} over the right answers", unfit=unfit)


def _asked(case: Case) -> tuple[Message, ...]:
    prompt = case.record.prompt_text if case.record is not None else ""
    return case.asked or (Message("user", prompt),)


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0
