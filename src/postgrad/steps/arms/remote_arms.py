"""The arms of remote models: asked with the instruction, on the same test examples as every other arm.

One that cannot be measured on all of them is left out with its reason: arms are compared on the same examples or not at
all. What was answered is kept, and the same command completes it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from postgrad.arm_kinds import kind_of
from postgrad.errors import ModelError
from postgrad.evaluation import arms as ways
from postgrad.evaluation.arms import Arm
from postgrad.measures import ArmResult
from postgrad.models.remote.client import RemoteAnswer
from postgrad.models.remote.rules import Asking
from postgrad.progress import Said, Working
from postgrad.records import Message, ToolDefinition
from postgrad.steps.arms.ask_remote import IncompleteError, measure_remote
from postgrad.steps.arms.remote_models import Remote, lent, settle
from postgrad.steps.context import Ledger, RunContext
from postgrad.steps.examples import Examples, TaskSpec


def measure_remotes(
    ctx: RunContext, room: int, task: TaskSpec, examples: Examples, remotes: Sequence[Remote], ways: Sequence[Arm] = ()
) -> Working[list[ArmResult]]:
    """Every remote arm that can be measured on the whole test part; the others are named in the ledger.

    Args:
        room: Tokens that an answer may take.
        ways: The arms of the local model; those that are more than the instruction alone are sent to remote models too.
    """
    out: list[ArmResult] = []
    further = [way for way in ways if (kind := kind_of(way.name)) and kind.for_remotes]
    for remote in remotes:
        for arm in _arms(task, remote, further):
            if not task.choice.primary.judges_answers:
                ctx.ledger.leave_out(arm.name, "a remote model cannot be asked how likely it finds an answer")
                continue
            start = time.monotonic()
            try:
                out.append((yield from _measured(ctx, room, task, examples, remote, arm)))
            except IncompleteError as error:
                ctx.ledger.leave_out(arm.name, str(error))
                yield Said(f"The arm {arm.name} is left out of the comparison: {error}", warning=True)
            ctx.ledger.took(f"arm {arm.name}", time.monotonic() - start)
    return out


def _arms(task: TaskSpec, remote: Remote, further: Sequence[Arm]) -> list[Arm]:
    """The instruction alone, the cheapest, first."""
    to = remote.model.name
    alone = replace(ways.prompted(task.instruction), name=remote.arm, note=f"The instruction, sent to {to}.")
    more = [
        replace(way, name=f"{remote.arm}+{way.name}", note=f"{way.note} Sent to {to}.", held=False) for way in further
    ]
    return [alone, *more]


def refuse_no_results(ledger: Ledger, results: Sequence[ArmResult]) -> None:
    """Raises ModelError where every arm was left out."""
    if ledger.left_out and not results:
        raise ModelError(
            f"No arm could be measured: {ledger.left_out[0].reason}", "The same command resumes where it stopped."
        )


def _measured(
    ctx: RunContext, room: int, task: TaskSpec, examples: Examples, remote: Remote, arm: Arm
) -> Working[ArmResult]:
    yield Said(f"Arm {arm.name}: {arm.note} {remote.priced}")

    def ask(
        asked: Sequence[tuple[Message, ...]], asking: Asking, tools: Sequence[Sequence[ToolDefinition]]
    ) -> Working[list[RemoteAnswer | None]]:
        try:
            answers = yield from lent(ctx.ledger.purse, remote).answer(asked, asking, ctx.stopped, tools)
        except ModelError as error:
            raise IncompleteError(f"{error.message} The same command resumes where it stopped.") from error
        finally:
            settle(ctx.ledger.purse, remote)
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
        f"{ctx.ledger.purse.max_usd:g} USD" if ctx.ledger.purse.max_usd is not None else "this command",
    )
    yield Said(f"{arm.name}: {task.choice.primary.title} {result.score.in_words}")
    return replace(result, model=remote.model.name)


def _account(remote: Remote) -> str:
    used = remote.model.usage
    money = f", {remote.model.usd:.4f} USD" if remote.model.usd is not None else ""
    guessed = f"; {used.uncounted} without a count, estimated from letters" if used.uncounted else ""
    return (
        f"{remote.arm}: {used.asked} answers queried, {used.kept} cached,"
        f" {used.prompt_tokens + used.completion_tokens:,} tokens{money} by this command{guessed}."
    )
