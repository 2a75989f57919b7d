"""Who says what the task is: the user, the kind of answers, a model that is asked for it, or, where nobody else does,
the base itself, if that does no harm on the validation part."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from postgrad.evaluation.arms import own_prompt
from postgrad.evaluation.metrics.support.choose import MetricChoice
from postgrad.evaluation.metrics.support.metric import AskModel
from postgrad.evaluation.prompt_search import spread
from postgrad.evaluation.prompting import with_instruction
from postgrad.evaluation.task_naming import says_itself, task_by_metric, written_by
from postgrad.evaluation.written_prompt import write_system_prompt
from postgrad.models.language_model import LanguageModel
from postgrad.progress import Said, Working
from postgrad.recipe import DataSection
from postgrad.records import Record
from postgrad.steps.arms.metric_resources import mean_logprobs, model_asked
from postgrad.steps.context import RunContext
from postgrad.steps.examples import Examples, TaskSpec
from postgrad.storage import sha256_json

BY_USER, BY_MODEL, BY_BASE = "the user", "a model that was asked", "the base"
JUDGED, FEWEST = 16, 8
"""Validation answers whose likelihood says whether a sentence of the base does harm, and fewer of which say nothing."""
SURE = 1.645
"""Standard errors by which they must be likelier on average before rivals count as told: one-sided 5 %."""
SENTENCE_TOKENS = 60
UNTOLD = (
    "The instruction of the prompted arms says how answers look and not what the task is, so fine-tuning will not be"
    ' recommended over them. Say it in a sentence: --task "Translate to German."'
)


def task_spec(
    choice: MetricChoice, data: DataSection, examples: Examples, writer: AskModel | None
) -> Working[TaskSpec]:
    """With the user's own instruction, or one written by rule after a sentence on the task: the user's, one that the
    kind of answers says, or the writer's."""
    if data.system_prompt is not None:
        return TaskSpec(choice, data.system_prompt, own_instruction=True)
    sentence, by = data.task or task_by_metric(choice), BY_USER if data.task else ""
    clear = bool(sentence) or says_itself(examples.train, choice)
    if not clear and writer is not None and (sentence := written_by(writer, examples.train)):
        by = BY_MODEL
        yield Said(f"The task, as the model that was asked for it says: {sentence} (--task to say it yourself)")
    instruction = write_system_prompt(examples.train, choice.kind, sentence)
    named = clear or bool(sentence)
    return TaskSpec(choice, instruction, own_instruction=False, named=named, sentence=sentence, written_by=by)


def told_by_base(ctx: RunContext, model: LanguageModel, task: TaskSpec, examples: Examples) -> Working[TaskSpec]:
    """Where nobody said what the task is, the base is asked for the sentence.

    It is kept only where right validation answers are no less likely after the instruction with it than without, and
    rivals count as told only where they are clearly likelier. Otherwise the user is warned.
    """
    if task.named:
        return task
    kept = yield from _asked(ctx, model, task, examples)
    if kept.sentence:
        yield Said(f"The task, written by the base: {kept.sentence} (approve it in the report, or say it with --task)")
    if not kept.named:
        yield Said(UNTOLD, warning=True)
    return kept


def _asked(ctx: RunContext, model: LanguageModel, task: TaskSpec, examples: Examples) -> Working[TaskSpec]:
    judged = spread(examples.validation, JUDGED, ctx.seed)
    if len(judged) < FEWEST or not model.renderer.has_chat_template:
        return task
    inputs = {
        "model": model.base.hash,
        "dtype": model.device.dtype,
        "instruction": task.instruction,
        "examples": sha256_json([[r.prompt_text, r.answer_text] for r in (*examples.train, *judged)]),
    }
    key, kept = ctx.kept("task_sentence", inputs, ("models", "evaluation", "steps/task_sentence"))
    if kept is None:
        sentence = written_by(model_asked(model, SENTENCE_TOKENS), examples.train)
        gains: list[float] = []
        if sentence:
            told = write_system_prompt(examples.train, task.choice.kind, sentence)
            gains = [
                a - b for a, b in zip(*(_likelihoods(model, i, judged) for i in (told, task.instruction)), strict=True)
            ]
        kept = {"sentence": sentence, "gains": gains}
        ctx.store.put("task_sentence", key, {"model": model.name}, kept)
    yield from ()
    return with_sentence(task, examples.train, kept["sentence"], kept["gains"])


def with_sentence(task: TaskSpec, train: Sequence[Record], sentence: str, gains: Sequence[float]) -> TaskSpec:
    """The task as the base says it, where that does no harm.

    Args:
        train: The instruction says of them how answers look.
        sentence: The base's; empty where it gave none.
        gains: By how much each validation answer is likelier with the sentence (mean log-probability of a token).
    """
    if not sentence or len(gains) < FEWEST or float(np.mean(gains)) < 0:
        return task
    error = float(np.std(gains, ddof=1)) / math.sqrt(len(gains))
    return replace(
        task,
        instruction=write_system_prompt(train, task.choice.kind, sentence),
        sentence=sentence,
        written_by=BY_BASE,
        named=float(np.mean(gains)) > SURE * error,
    )


def _likelihoods(model: LanguageModel, instruction: str, records: Sequence[Record]) -> list[float]:
    return mean_logprobs(model, [(with_instruction(own_prompt(r), instruction), r.answer_text) for r in records])
