"""A remote model as an arm: asked over the network with the same messages, judged by the same metric."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from postgrad.chapters.job import Job
from postgrad.evaluation import arms as ways
from postgrad.evaluation.metrics.choose import Choice
from postgrad.evaluation.statistics import score_interval
from postgrad.measures import ArmResult
from postgrad.models.remote import Asking, RemoteModel
from postgrad.progress import Said, Working
from postgrad.records import Record

ROOM = 2
"""Another model counts other tokens: its answers may take so many times the room of ours."""


def measure_remote(
    job: Job, model: RemoteModel, system: str | None, test: Sequence[Record], choice: Choice, groups: Sequence[Any] | None, room: int
) -> Working[ArmResult | None]:  # fmt: skip
    """The remote model on the whole test part; None, with the reason said, where it did not answer all of it.

    Raises:
        ModelError: the server goes on failing; what was answered is kept and not paid again.
        Interrupted: the job was stopped; the same holds.
    """
    arm = ways.prompted(system) if system else ways.base()
    asked = [arm.ask(record) for record in test]
    found = yield from model.answer(asked, Asking(max_new_tokens=ROOM * room), job.stopped)
    answers = [a for a in found if a is not None]
    if len(answers) < len(found):
        yield Said(
            f"{model.name} is left out: the budget allowed {len(answers)} of {len(found)} answers, and all ways are compared on the same examples. "
            "What was answered is kept: a larger --max-usd goes on from there.",
            warning=True,
        )
        return None
    if refused := sum(a.finish == "refused" for a in answers):
        yield Said(f"{model.name} refused {refused} of {len(answers)} requests; they count as wrong.", warning=True)
    measured = choice.measure([a.text for a in answers], test, asked)
    for remark in measured.remarks:
        yield Said(remark, warning=True)
    prompt = statistics.fmean(a.prompt_tokens for a in answers)
    completion = statistics.fmean(a.completion_tokens for a in answers)
    price = model.budget.price
    return ArmResult(
        name=f"remote: {model.model}", scores=measured.scores, answers=tuple(a.text for a in answers), metrics=dict(measured.figures),
        prompt_tokens_mean=prompt, completion_tokens_mean=completion,
        latency_ms_p50=1000 * statistics.median(a.seconds for a in answers),
        cost_per_1000=1000 * (prompt * price.prompt + completion * price.completion) / 1e6 if price else None,
        score=score_interval(measured.scores, groups), note=f"{arm.note} Asked at {model.url}.",
        details=dict(measured.details), finishes=tuple(a.finish for a in answers),
    )  # fmt: skip
