"""The plain rival of learning from preferences or ratings: training on the wanted answers alone."""

from __future__ import annotations

from dataclasses import replace

from postgrad.arm_kinds import GOOD_ANSWERS
from postgrad.evaluation import arms as ways
from postgrad.evaluation.prompting import PromptBuilder
from postgrad.evaluation.questions import is_wanted
from postgrad.measures import ArmResult
from postgrad.progress import Said, Stage, Working
from postgrad.recipe import TrainingSection
from postgrad.steps.arms.making import Making
from postgrad.steps.arms.measuring import measure_arms
from postgrad.steps.examples import Examples
from postgrad.steps.fitting.training import Result, TrainingWork, load_replay, plan_of, trained_model
from postgrad.training_settings import MethodSettings

KEPT = (*MethodSettings.model_fields, "epochs", "max_steps", "batch_size", "max_length", "too_long", "token_budget")
"""Settings that hold for this training too; rates and what its objective reads are the usual ones of sft."""


def teaches_answers(examples: Examples) -> bool:
    """Whether there are wanted answers to learn; raw text has none."""
    return not examples.raw and any(is_wanted(q) and q.answer_text.strip() for q in examples.train)


def good_answers(
    making: Making, settings: TrainingSection, seconds: float | None
) -> Working[tuple[Result, list[ArmResult]]]:
    """Trains on the wanted answers, and measures that model on the test part; afterwards the model is the base again.

    Args:
        settings: Of the training that learns from both kinds of answers.
        seconds: About how long the training may take.
    """
    ctx, model, examples = making.ctx, making.model, making.examples
    yield Stage("wanted_answers", "Training on the good answers alone")
    given = {name: getattr(settings, name) for name in KEPT if name in settings.model_fields_set}
    own = TrainingSection.model_validate({**given, "replay": settings.replay, "objective": "sft"})
    records = [q for q in examples.train if is_wanted(q)]
    validation = [q for q in examples.validation if is_wanted(q)]
    work = TrainingWork(records, validation, plan_of(own, ctx.seed), replay=load_replay(settings.replay))
    result = yield from trained_model(ctx, model, work, seconds)
    model.use(result.trained, result.blob)
    arm = ways.fine_tuned(PromptBuilder(model.renderer, making.task.trained_instruction))
    note = f"Trained on the {len(records)} good answers alone (sft). Its general ability was not measured."
    measured = yield from measure_arms(
        ctx, model, making.task, examples, [replace(arm, name=GOOD_ANSWERS, note=note)], result.blob
    )
    model.use(None)
    yield Said("The model is the base again for the training that learns from both kinds of answers.")
    return result, measured
