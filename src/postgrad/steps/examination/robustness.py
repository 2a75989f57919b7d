"""Testing with perturbed requests: the best trained arm and the best untrained one, on a sample of the test
part."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from postgrad.data.augment.disturb import DISTURBANCES, disturbed
from postgrad.decision.robustness import disturbance_sentence, sample_size
from postgrad.evaluation.arms import Arm
from postgrad.evaluation.measure import Measuring
from postgrad.evaluation.metrics.support.choose import MetricChoice
from postgrad.evaluation.robustness import DisturbedAnswers, judged
from postgrad.evaluation.statistics.scores import Groups
from postgrad.measures import ArmResult
from postgrad.models.language_model import LanguageModel
from postgrad.progress import Said, Stage, Working
from postgrad.records import Record, content_hash, tools_of
from postgrad.report.advice import DisturbancePart, DisturbancesPart
from postgrad.steps.arms.measuring import answered, as_tested
from postgrad.steps.context import Clock, RunContext
from postgrad.steps.examples import Examples, TaskSpec
from postgrad.steps.fitting.training import Result
from postgrad.steps.time_budget import DISTURBANCE_SHARE

FEWEST_CHANGED = 5
"""A disturbance that changes fewer of the sample's requests says nothing."""
_SLACK = 1.5
"""Fewer answers in a batch, and longer requests, than those that the times were measured on."""


def disturbances(
    ctx: RunContext,
    model: LanguageModel,
    task: TaskSpec,
    examples: Examples,
    best: Sequence[tuple[Arm, ArmResult]],
    trained: Result | None,
    seconds: float | None,
) -> Working[DisturbancesPart | None]:
    """What typos, other capitals and the like cost; None where no arm has anything to lose.

    Afterwards the model answers with the trained weights, if there are any.

    Args:
        best: From `best_arms`.
        seconds: How long it may take; None where it was wished for and takes what it takes.
    """
    if not best:
        return None
    yield Stage("disturbances", "Testing with perturbed requests")
    costs = {r.name: _SLACK * len(DISTURBANCES) * r.latency_ms_p50 / 1000 for _, r in best}
    size, names = sample_size(costs, seconds)
    size = min(size, len(examples.test))
    if not size:
        part = DisturbancesPart(
            sentence=(
                "Not tested with perturbed requests, to stay within the time limit; --set evaluation.perturb=true"
                " does it in any case."
            )
        )
        yield Said(part.sentence)
        return part
    start = time.monotonic()
    asked: list[DisturbedAnswers] = []
    for arm, known in (both for both in best if both[0].name in names):
        adapter = trained.blob if trained and arm.trained else None
        model.use(trained.trained if trained and adapter else None, adapter)
        how = as_tested(ctx, model, task, examples, adapter)
        chosen = _changed(how, arm, examples, size, ctx.seed)
        asked += yield from _asked_again(how, task.choice, arm, known, chosen, examples.groups)
    model.use(trained.trained if trained else None, trained.blob if trained else None)
    ctx.ledger.took("disturbances", time.monotonic() - start)
    if not asked:
        return DisturbancesPart(sentence="No perturbation changes enough of these requests to be measured.")
    rows = _rows(asked, ctx.seed)
    part = DisturbancesPart(rows=rows, sentence=disturbance_sentence(rows))
    yield Said(part.sentence)
    return part


def _rows(asked: Sequence[DisturbedAnswers], seed: int) -> list[DisturbancePart]:
    """A row of the report for each arm and disturbance."""
    return [
        DisturbancePart(
            arm=j.asked.arm,
            kind=j.asked.kind,
            n=j.comparison.n,
            clean=sum(j.asked.clean) / len(j.asked.clean),
            disturbed=sum(j.asked.disturbed) / len(j.asked.disturbed),
            difference=j.comparison.difference,
            interval=(j.comparison.low, j.comparison.high),
            changed=j.changed,
            p_value=j.comparison.p_value,
            p_adjusted=j.comparison.p_adjusted,
        )
        for j in judged(asked, seed)
    ]


def _changed(how: Measuring, arm: Arm, examples: Examples, size: int, seed: int) -> dict[str, dict[int, Record]]:
    """By disturbance the changed requests by their place in the test part: of a sample, where it changes enough of them
    and leaves room for an answer."""
    order = sorted(range(len(examples.test)), key=lambda i: content_hash(examples.test[i]))
    chosen = sorted(order[:size])
    sample, model = [examples.test[i] for i in chosen], how.model

    def fits(record: Record) -> bool:
        if arm.reply is not None:
            return True
        ids = model.renderer.prompt_ids(arm.ask(record), tools_of(record))
        return len(ids) + how.decoding.max_new_tokens <= model.base.context

    changed = {
        kind: {chosen[i]: r for i, r in disturbed(sample, kind, seed).items() if fits(r)} for kind in DISTURBANCES
    }
    return {kind: found for kind, found in changed.items() if len(found) >= FEWEST_CHANGED}


def _asked_again(
    how: Measuring,
    choice: MetricChoice,
    arm: Arm,
    known: ArmResult,
    changed: Mapping[str, Mapping[int, Record]],
    groups: Groups,
) -> Working[list[DisturbedAnswers]]:
    """One arm under every disturbance, beside what it answered to the same requests before."""
    everything = [record for found in changed.values() for record in found.values()]
    if not everything:
        return []
    result = yield from answered(how, arm, everything, choice)  # in one go: full batches are faster
    out: list[DisturbedAnswers] = []
    at = 0
    for kind, found in changed.items():
        span = slice(at, at + len(found))
        at += len(found)
        out.append(
            DisturbedAnswers(
                arm.name,
                kind,
                tuple(known.scores[i] for i in found),
                result.scores[span],
                tuple(known.answers[i] for i in found),
                result.answers[span],
                tuple(groups[i] for i in found) if groups else None,
            )
        )
    return out


def best_arms(arms: Sequence[Arm], results: Sequence[ArmResult]) -> list[tuple[Arm, ArmResult]]:
    """The best trained arm and the best untrained one, in the order of importance; without those that get nothing
    right."""
    names = {arm.name: arm for arm in arms}
    out: list[tuple[Arm, ArmResult]] = []
    for kind in (True, False):
        of_kind = [
            r
            for r in results
            if r.requires_training is kind and r.name in names and r.score.value > 0 and not r.stopped
        ]
        if of_kind:
            best = max(of_kind, key=lambda r: r.score.value)
            out.append((names[best.name], best))
    return out


def disturbance_seconds(clock: Clock, results: Sequence[ArmResult], trained: Result | None) -> float:
    """Seconds: a share of what the run has worked, counted from what its parts took whenever they were made."""
    work = (trained.seconds if trained else 0.0) + sum(len(r.scores) * r.latency_ms_p50 / 1000 for r in results)
    left = clock.seconds_left()
    return DISTURBANCE_SHARE * work if left is None else min(DISTURBANCE_SHARE * work, max(0.0, left - 5))
