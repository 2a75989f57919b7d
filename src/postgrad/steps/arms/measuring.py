"""Measuring arms: what each asks, whether that leaves room for an answer, and the kept answers scored. Every part of a
run and of `evaluate` that has a model on this machine answer records does it here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from postgrad.evaluation.arms import Arm
from postgrad.evaluation.measure import Answers, Measuring, PreparedArm, check_room, measure, room_for_answers
from postgrad.evaluation.metrics.support.choose import MetricChoice
from postgrad.evaluation.statistics.scores import Groups
from postgrad.measures import ArmResult
from postgrad.models.generation.generate import Decoding
from postgrad.models.language_model import LanguageModel
from postgrad.progress import Said, Working
from postgrad.records import Record
from postgrad.steps.arms.second_chance import second_chance
from postgrad.steps.context import RunContext
from postgrad.steps.examples import Examples, TaskSpec

TEMPERATURE = 0.8
"""At which raw text is gone on from."""


def measuring(ctx: RunContext, model: LanguageModel, task: TaskSpec, room: int, adapter: str | None) -> Measuring:
    """The model as it stands, with the answers that are kept of it.

    A base model without a chat template continues text and knows no end of an answer: it is stopped where right answers
    end, at the end of the line if they are one line each. Raw text is gone on from by drawing tokens, because the
    likeliest ones run in circles; what is drawn for a passage depends on it alone.

    Args:
        room: Tokens that an answer may take.
        adapter: The blob of the weights that the model uses; None for the base.
    """
    continues = adapter is None and not model.renderer.has_chat_template
    decoding = Decoding(room, one_line=continues and task.choice.form.one_line).for_chat(model.renderer)
    if task.choice.kind == "text":
        decoding = Decoding(room, temperature=TEMPERATURE, seed=ctx.seed, alone=True)
    answers = Answers.open(ctx.store, model.base.hash, adapter, decoding, model.device.dtype)
    return Measuring(model, decoding, answers, ctx.price, ctx.stopped)


def as_tested(
    ctx: RunContext, model: LanguageModel, task: TaskSpec, examples: Examples, adapter: str | None
) -> Measuring:
    """`measuring` with the room that the known right answers need, as on the test part."""
    return measuring(ctx, model, task, room_for_answers(model, examples.known)[0], adapter)


def prepared(model: LanguageModel, arms: Sequence[Arm], records: Sequence[Record], room: int) -> list[PreparedArm]:
    """The requests of all arms; all refusals come before the first answer is paid for.

    Raises:
        DataError: a request leaves no room for an answer.
    """
    out = [PreparedArm.of(arm, model.renderer, records) for arm in arms]
    for one in out:
        check_room(model, one, room)
    return out


def measure_arm(
    ctx: RunContext, how: Measuring, arm: PreparedArm, choice: MetricChoice, groups: Groups
) -> Working[ArmResult]:
    """One arm on the test part, with its time noted."""
    start = time.monotonic()
    result = yield from measure(how, arm, choice, groups)
    ctx.ledger.took(f"arm {arm.name}", time.monotonic() - start)
    return result


def measure_arms(
    ctx: RunContext,
    model: LanguageModel,
    task: TaskSpec,
    examples: Examples,
    arms: Sequence[Arm],
    adapter: str | None = None,
) -> Working[list[ArmResult]]:
    """Every arm on the test part, with its interval."""
    room, longer = room_for_answers(model, examples.known)
    if longer and adapter is None:
        yield Said(
            f"Answers may take {room} tokens; {longer} reference answers are longer; such answers are cut in"
            " every arm.",
            warning=True,
        )
    ready = prepared(model, arms, examples.test, room)
    for remark in filter(None, (arm.remark() for arm in arms)):
        yield Said(remark, warning=True)
    how = measuring(ctx, model, task, room, adapter)
    out: list[ArmResult] = []
    for one in ready:
        yield Said(f"Arm {one.name}: {one.arm.note}")
        result = yield from measure_arm(ctx, how, one, task.choice, examples.groups)
        if not one.arm.trained:
            result = yield from second_chance(how, one, result, task.choice)
        if one.arm.quality is not None:
            found = one.arm.quality(examples.test, result.scores)
            result = replace(result, details={**result.details, "retrieval": found})
            yield Said(f"{one.name}: {found['sentence']}.")
        yield Said(f"{one.name}: {task.choice.primary.title} {result.score.in_words}")
        out.append(result)
    return out


def answered(
    how: Measuring,
    arm: Arm,
    records: Sequence[Record],
    choice: MetricChoice,
    groups: Groups = None,
) -> Working[ArmResult]:
    """One arm on records other than the test part; `groups` say what each of them belongs to."""
    return (yield from measure(how, PreparedArm.of(arm, how.model.renderer, records), choice, groups))
