"""The arms of remote models: asked with the instruction, on the same test examples as every other arm.

One that cannot be measured on all of them is left out with its reason: arms are compared on the same examples or not at
all. What was answered is kept, and the same command completes it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from postgrad.chapters.job import Job
from postgrad.chapters.read import Data
from postgrad.chapters.remotes import Remote, lent, settle
from postgrad.errors import ModelError
from postgrad.evaluation import arms as ways
from postgrad.evaluation.measure import room_for_answers, scored
from postgrad.measures import ArmResult
from postgrad.models.generate import Completion
from postgrad.models.language_model import LanguageModel
from postgrad.models.remote import RemoteAnswer
from postgrad.models.remote_rules import Asking
from postgrad.progress import Said, Working
from postgrad.records import tools_of
from postgrad.report import LeftOutPart


def measure_remotes(
    job: Job, model: LanguageModel, data: Data, remotes: Sequence[Remote], others: Sequence[ArmResult]
) -> Working[list[ArmResult]]:
    """Every remote arm that can be measured on the whole test part; the others are named in `job.left_out`.

    Args:
        model: Tells how long answers may be, alike for all arms.
        others: The results there are already.

    Raises:
        ModelError: nothing could be measured at all.
    """
    out: list[ArmResult] = []
    for remote in remotes:
        start = time.monotonic()
        try:
            out.append((yield from _measured(job, model, data, remote)))
        except _Incomplete as error:
            job.left_out.append(LeftOutPart(name=remote.arm, reason=str(error)))
            yield Said(f"The arm {remote.arm} is left out of the comparison: {error}", warning=True)
        job.seconds[f"arm {remote.arm}"] = time.monotonic() - start
    if job.left_out and not out and not others and not job.trains:
        raise ModelError(
            f"No arm could be measured: {job.left_out[0].reason}", "The same command goes on where it stopped."
        )
    return out


class _Incomplete(Exception):  # noqa: N818 - never leaves this file
    """Why an arm has not answered every example."""


def _measured(job: Job, model: LanguageModel, data: Data, remote: Remote) -> Working[ArmResult]:
    settings = job.recipe.evaluation
    room = settings.remote_max_tokens or room_for_answers(model, [*data.train, *data.validation])[0]
    arm = replace(
        ways.prompted(data.system_prompt), name=remote.arm, note=f"The instruction, sent to {remote.model.name}."
    )
    asked = [arm.ask(r) for r in data.test]
    yield Said(f"Arm {remote.arm}: {arm.note} {remote.priced}")
    try:
        answers = yield from lent(job, remote).answer(
            asked, Asking(room), job.stopped, [tools_of(r) for r in data.test]
        )
    except ModelError as error:
        raise _Incomplete(f"{error.message} The same command goes on where it stopped.") from error
    finally:
        settle(job, remote)
    given = [a for a in answers if a is not None]
    if len(given) < len(answers):
        raise _Incomplete(
            f"the budget of {job.purse.max_usd:g} USD ended after {len(given)} of {len(answers)} answers, which are kept. "
            "The same command goes on from there."
        )
    yield Said(_account(remote))
    if remark := _remark(remote, given, room):
        yield Said(remark, warning=True)
    completions = [Completion(_text(a), a.finish, a.prompt_tokens, a.completion_tokens, 0.0, a.seconds) for a in given]
    tokens = [sum(a.prompt_tokens for a in given), sum(a.completion_tokens for a in given)]
    cost = 1000 * remote.price.of(*tokens) / len(given) if remote.price and given else None
    result = yield from scored(arm, completions, data.test, data.choice, data.groups, asked, cost)
    refused = sum(a.finish == "refused" for a in given) / max(1, len(given))
    score = result.score
    yield Said(
        f"{remote.arm}: {data.choice.primary.title} {100 * score.value:.1f} % (95 % interval {100 * score.low:.1f} to {100 * score.high:.1f})"
    )
    return replace(
        result, model=remote.model.name, metrics={**result.metrics, **({"refused": refused} if refused else {})}
    )


def _account(remote: Remote) -> str:
    used = remote.model.usage
    money = f", {remote.model.usd:.4f} USD" if remote.model.usd is not None else ""
    guessed = f"; {used.uncounted} without a count, estimated from letters" if used.uncounted else ""
    return (
        f"{remote.arm}: {used.asked} answers asked, {used.kept} kept from before, {used.prompt_tokens + used.completion_tokens:,} "
        f"tokens{money} by this command{guessed}."
    )


def _remark(remote: Remote, answers: Sequence[RemoteAnswer], room: int) -> str:
    """What a reader of its score must know."""
    parts = []
    cut = sum(a.finish == "length" for a in answers)
    refused = [a for a in answers if a.finish == "refused"]
    if cut > len(answers) // 4:
        parts.append(
            f"{cut} of {len(answers)} answers of {remote.arm} were cut at {room} tokens: a model that thinks before it answers "
            "needs more (evaluation.remote_max_tokens)."
        )
    if refused:
        parts.append(f"{len(refused)} requests were refused and count as wrong, for example: {refused[0].note}")
    return " ".join(parts)


def _text(answer: RemoteAnswer) -> str:
    """The answer with its calls of tools spelled into the text, as metrics read them."""
    calls = [call.get("function") or {} for call in answer.tool_calls]
    spelled = [json.dumps({"name": c.get("name"), "arguments": _arguments(c.get("arguments"))}) for c in calls]
    return answer.text + "".join(f"<tool_call>{call}</tool_call>" for call in spelled)


def _arguments(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value
