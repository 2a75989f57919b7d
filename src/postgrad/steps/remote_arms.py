"""The arms of remote models: asked with the instruction, on the same test examples as every other arm.

One that cannot be measured on all of them is left out with its reason: arms are compared on the same examples or not at
all. What was answered is kept, and the same command completes it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from postgrad.errors import ModelError
from postgrad.evaluation import arms as ways
from postgrad.evaluation.measure import room_for_answers
from postgrad.measures import ArmResult
from postgrad.models.language_model import LanguageModel
from postgrad.models.remote.client import RemoteAnswer
from postgrad.models.remote.rules import Asking
from postgrad.progress import Said, Working
from postgrad.records import Message
from postgrad.report.run_report import LeftOutPart
from postgrad.steps.ask_remote import IncompleteError, measure_remote
from postgrad.steps.context import Job
from postgrad.steps.examples import Examples, TaskSpec
from postgrad.steps.remote_models import Remote, lent, settle


def measure_remotes(
    job: Job,
    model: LanguageModel,
    task: TaskSpec,
    examples: Examples,
    remotes: Sequence[Remote],
    others: Sequence[ArmResult],
) -> Working[list[ArmResult]]:
    """Every remote arm that can be measured on the whole test part; the others are named in `job.left_out`.

    Args:
        model: Tells how long answers may be, alike for all arms.
        others: The results there are already.

    Raises:
        ModelError: nothing could be measured at all.
    """
    room = job.recipe.evaluation.remote_max_tokens or room_for_answers(model, examples.known)[0]
    out: list[ArmResult] = []
    for remote in remotes:
        start = time.monotonic()
        try:
            out.append((yield from _measured(job, room, task, examples, remote)))
        except IncompleteError as error:
            job.left_out.append(LeftOutPart(name=remote.arm, reason=str(error)))
            yield Said(f"The arm {remote.arm} is left out of the comparison: {error}", warning=True)
        job.took(f"arm {remote.arm}", time.monotonic() - start)
    if job.left_out and not out and not others and not job.trains:
        raise ModelError(
            f"No arm could be measured: {job.left_out[0].reason}", "The same command goes on where it stopped."
        )
    return out


def _measured(job: Job, room: int, task: TaskSpec, examples: Examples, remote: Remote) -> Working[ArmResult]:
    arm = replace(
        ways.prompted(task.instruction), name=remote.arm, note=f"The instruction, sent to {remote.model.name}."
    )
    yield Said(f"Arm {remote.arm}: {arm.note} {remote.priced}")

    def ask(
        asked: Sequence[tuple[Message, ...]], asking: Asking, tools: Sequence[Sequence[Mapping[str, Any]]]
    ) -> Working[list[RemoteAnswer | None]]:
        try:
            answers = yield from lent(job, remote).answer(asked, asking, job.stopped, tools)
        except ModelError as error:
            raise IncompleteError(f"{error.message} The same command goes on where it stopped.") from error
        finally:
            settle(job, remote)
        yield Said(_account(remote))
        return answers

    result = yield from measure_remote(
        arm,
        ask,
        examples.test,
        task.choice,
        examples.groups,
        Asking(room),
        remote.price,
        f"{job.purse.max_usd:g} USD" if job.purse.max_usd is not None else "this command",
    )
    yield Said(f"{remote.arm}: {task.choice.primary.title} {result.score.in_words}")
    return replace(result, model=remote.model.name)


def _account(remote: Remote) -> str:
    used = remote.model.usage
    money = f", {remote.model.usd:.4f} USD" if remote.model.usd is not None else ""
    guessed = f"; {used.uncounted} without a count, estimated from letters" if used.uncounted else ""
    return (
        f"{remote.arm}: {used.asked} answers asked, {used.kept} kept from before,"
        f" {used.prompt_tokens + used.completion_tokens:,} tokens{money} by this command{guessed}."
    )
