"""Untrained arms whose answers are held to the form of right ones, where validation says that it helps.

A trained model has learned the form; one that was only asked has not, and whoever puts it to work would hold it to it.
Each arm is asked both ways on a few validation examples, and the better way is measured on the test part.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from postgrad.evaluation.answer_grammar import can_be_held
from postgrad.evaluation.arms import Arm
from postgrad.evaluation.prompt_search import in_order_asked
from postgrad.models.language_model import LanguageModel
from postgrad.progress import Said, Working
from postgrad.records import Record
from postgrad.steps.arms.measuring import answered, as_tested
from postgrad.steps.context import RunContext
from postgrad.steps.examples import Examples, TaskSpec

ASKED = 8
"""Validation examples that each arm answers both ways; those that the search for a prompt has asked first, so that its
answers are not made again."""


def held_where_better(
    ctx: RunContext, model: LanguageModel, task: TaskSpec, examples: Examples, arms: Sequence[Arm]
) -> Working[list[Arm]]:
    """The arms, those held to the form that then score no worse on validation.

    Raises:
        Interrupted: the job was stopped; the answers until then are kept.
    """
    judges = in_order_asked(examples.validation, ctx.seed)[:ASKED]
    if not judges or not can_be_held(task.choice.form):
        return list(arms)
    start, out = time.monotonic(), []
    for arm in arms:
        if arm.reply is not None:
            out.append(arm)
            continue
        out.append((yield from _better(ctx, model, task, examples, arm, judges)))
    ctx.ledger.took("answers held to a form", time.monotonic() - start)
    held = [arm.name for arm in out if arm.held]
    if held:
        yield Said(
            f"Held to {_form(task)} while they answer, as {len(judges)} validation examples say that it does no harm:"
            f" {', '.join(held)}."
        )
    return out


def _better(
    ctx: RunContext, model: LanguageModel, task: TaskSpec, examples: Examples, arm: Arm, judges: Sequence[Record]
) -> Working[Arm]:
    how = as_tested(ctx, model, task, examples, None)
    held = replace(arm, held=True, note=f"{arm.note} Answers are held to {_form(task)}.")
    bound = yield from answered(how, held, judges, task.choice)
    free = yield from answered(how, arm, judges, task.choice)
    return held if bound.score.value >= free.score.value else arm


def _form(task: TaskSpec) -> str:
    labels = len(task.choice.form.labels)
    return f"the {labels} labels" if labels else "the JSON schema of the right answers"
