"""What a model finds better, by its own likelihoods: needs no generation and no judge, and says nothing of what it
would write itself.

The reward of an answer is log p of the arm, given what it asks, less log p of the base, given the request alone: by how
much more the arm likes it. Of a model trained on preferences this is the reward that the training implies
(https://arxiv.org/abs/2305.18290, section 4), and the base's own is 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from postgrad.evaluation.metrics.support.asked import asked_with, own_request, sides_of
from postgrad.evaluation.metrics.support.metric import Case, Metric, MetricResources, MetricResult, lacking
from postgrad.evaluation.questions import REJECTED, WANTED

SAME = 1e-6
"""Rewards that differ by less nats are equal."""


def reward_accuracy(means: MetricResources) -> Metric:
    """1 where the chosen answer of a pair has the higher reward, 0 where the rejected one has, 0.5 where both have the
    same, as under the base.

    Figures: `reward_margin`, the mean difference in nats; `chosen_likelier`, the share of pairs whose chosen answer the
    arm itself finds likelier, a character on average.

    Raises:
        UsageError: No model can be asked for likelihoods.
    """
    now, before = sides_of(means, "reward_accuracy")

    def measure(cases: Sequence[Case]) -> MetricResult:
        sides = [(c.reference, _rejected(c)) for c in cases]
        found = now([(asked_with(c), s) for c, s in zip(cases, sides, strict=True)])
        start = before([(own_request(c), s) for c, s in zip(cases, sides, strict=True)])
        margins = [(a - c) - (b - d) for (a, b), (c, d) in zip(found, start, strict=True)]
        likelier = [
            a / max(1, len(chosen)) > b / max(1, len(rejected))
            for (a, b), (chosen, rejected) in zip(found, sides, strict=True)
        ]
        whole = [m for m in margins if not math.isnan(m)]
        figures = {"chosen_likelier": sum(likelier) / max(1, len(cases))}
        if whole:
            figures["reward_margin"] = fmean(whole)
        return MetricResult(tuple(map(_won, margins)), figures, remarks=_no_room(margins))

    def unfit(cases: Sequence[Case]) -> str:
        return lacking(cases, "are pairs of a better and a worse answer", lambda c: bool(_rejected(c).strip()))

    return Metric(
        "reward_accuracy",
        measure,
        title="pairs whose better answer is preferred",
        right_or_wrong=False,
        unfit=unfit,
        judges_answers=False,
    )


def rated_accuracy(means: MetricResources) -> Metric:
    """Of rated answers as many are called wanted as were rated good, those with the highest rewards: 1 where that is
    right. Answers with one reward share the places that are left for them, so that the base, which tells none apart,
    gets what chance would.

    Figures: `reward_wanted` and `reward_unwanted`, the mean rewards in nats; `auc`, the share of pairs of a wanted and
    an unwanted answer that the rewards order rightly.

    Raises:
        UsageError: No model can be asked for likelihoods.
    """
    now, before = sides_of(means, "rated_accuracy")

    def measure(cases: Sequence[Case]) -> MetricResult:
        found = now([(asked_with(c), (c.reference,)) for c in cases])
        start = before([(own_request(c), (c.reference,)) for c in cases])
        rewards = [a - b for (a,), (b,) in zip(found, start, strict=True)]
        called = _called(rewards, sum(map(_good, cases)))
        scores = [share if _good(c) else 1 - share for c, share in zip(cases, called, strict=True)]
        good = [r for c, r in zip(cases, rewards, strict=True) if _good(c) and not math.isnan(r)]
        bad = [r for c, r in zip(cases, rewards, strict=True) if not _good(c) and not math.isnan(r)]
        figures = {name: fmean(v) for name, v in (("reward_wanted", good), ("reward_unwanted", bad)) if v}
        if good and bad:
            figures["auc"] = fmean(_won(g - b) for g in good for b in bad)
        return MetricResult(tuple(scores), figures, remarks=_no_room(rewards))

    def unfit(cases: Sequence[Case]) -> str:
        if fault := lacking(cases, "are rated", lambda c: c.record is not None and WANTED in c.record.meta):
            return fault
        kinds = {_good(c) for c in cases}
        return "" if len(kinds) == 2 or not cases else f"all answers are rated {'good' if kinds == {True} else 'bad'}"

    return Metric("rated_accuracy", measure, title="rated answers told apart", unfit=unfit, judges_answers=False)


def _called(rewards: Sequence[float], count: int) -> list[float]:
    """Which are the `count` highest: 1 for them, 0 for the others, a share for those that are equal at the edge.
    Unknown rewards are 0, the base's."""
    known = [0.0 if math.isnan(r) else r for r in rewards]
    if not 0 < count < len(known):
        return [float(count > 0)] * len(known)
    edge = sorted(known, reverse=True)[count - 1]
    above = sum(r > edge + SAME for r in known)
    equal = sum(abs(r - edge) <= SAME for r in known)
    return [1.0 if r > edge + SAME else (count - above) / equal if abs(r - edge) <= SAME else 0.0 for r in known]


def _won(margin: float) -> float:
    """Of a difference in nats; one that is unknown is none."""
    if math.isnan(margin) or abs(margin) <= SAME:
        return 0.5
    return float(margin > 0)


def _no_room(values: Sequence[float]) -> tuple[str, ...]:
    count = sum(map(math.isnan, values))
    said = (
        f"{count} of {len(values)} requests leave no room for the answers in the model's context; they count as ties."
    )
    return (said,) if count else ()


def _rejected(case: Case) -> str:
    return str(case.record.meta.get(REJECTED, "")) if case.record is not None else ""


def _good(case: Case) -> bool:
    return case.record is not None and case.record.meta.get(WANTED) is True
