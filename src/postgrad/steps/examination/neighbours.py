"""The user's neighbouring tasks, as tests of forgetting beside the general ones: their own files, read like any data,
answered before and after training, and judged together with the battery."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from postgrad.data.load import load
from postgrad.errors import DataError, UsageError
from postgrad.evaluation import arms as ways
from postgrad.evaluation.battery import TESTS
from postgrad.evaluation.measure import PreparedArm, measure, room_for_answers
from postgrad.evaluation.metrics.support.choose import choose_metric
from postgrad.evaluation.metrics.support.metric import MetricResources
from postgrad.evaluation.task_naming import task_by_metric
from postgrad.evaluation.written_prompt import write_system_prompt
from postgrad.models.language_model import LanguageModel
from postgrad.progress import Said, Working
from postgrad.recipe import EvaluationSection
from postgrad.records import Record, content_hash
from postgrad.steps.arms.measuring import measuring
from postgrad.steps.context import RunContext
from postgrad.steps.examination.forgetting import General, benchmark_scores
from postgrad.steps.examination.general import USUAL_ITEMS
from postgrad.steps.examples import TaskSpec

METRIC = "::"
"""Between a file and the metric that it is judged by."""


@dataclass(frozen=True)
class Neighbour:
    """A task that the model does beside the one it is trained for.

    Attributes:
        name: Of its file.
        records: Its cases, each request once.
        task: Its metric, and the instruction that both models are given.
    """

    name: str
    records: tuple[Record, ...]
    task: TaskSpec


def neighbours(wishes: EvaluationSection, resources: MetricResources) -> Working[tuple[Neighbour, ...]]:
    """The tasks in the files of `evaluation.also_keep`; first, so that a wrong file costs nothing.

    Raises:
        DataError: a file cannot be read, or holds no case with a right answer.
        UsageError: a metric is unknown or cannot judge its file, or a file is named twice.
    """
    out: list[Neighbour] = []
    files = [given.partition(METRIC)[::2] for given in wishes.also_keep]
    if len({file for file, _ in files}) < len(files):
        raise UsageError("evaluation.also_keep names a file twice.", "Name each neighbouring task once.")
    names = [Path(file).name for file, _ in files]
    for (file, metric), short in zip(files, names, strict=True):
        name = short if names.count(short) == 1 and short not in TESTS else file
        loaded = load([Path(file)], minimum=1)
        try:
            choice = choose_metric(loaded.records, metric or None, resources)
        except UsageError as error:
            raise type(error)(f"The neighbouring task {name}: {error.message}", error.mend) from error
        once = {r.prompt_text: r for r in loaded.records if r.answer_text.strip()}
        most = wishes.general_items or USUAL_ITEMS
        records = sorted(once.values(), key=content_hash)[:most]
        instruction = write_system_prompt(records, choice.kind, task_by_metric(choice))
        out.append(Neighbour(name, tuple(records), TaskSpec(choice, instruction, own_instruction=False)))
        cut = (
            f" {len(records)} of {len(loaded.records)} are used, each request once."
            if len(records) < len(loaded)
            else ""
        )
        yield Said(f"The neighbouring task {name}: {loaded.explanation} {choice.why}{cut}")
    return tuple(out)


def general_ability(
    ctx: RunContext,
    wishes: EvaluationSection,
    model: LanguageModel,
    adapter: str | None,
    tasks: Sequence[Neighbour] = (),
    train: Sequence[Record] = (),
    benchmarks: bool | None = None,
    like: General | None = None,
) -> Working[General | None]:
    """What the model as it stands scores on the battery and on the neighbouring tasks; None where neither is wanted.

    Args:
        adapter: The blob of the weights that it uses; None for the base.
        tasks: From `neighbours`.
        train: As for `benchmark_scores`.
        benchmarks: Whether the battery is wanted; None: as the recipe says.
        like: The measurement before training, whose items are measured again.
    """
    benchmarks = wishes.general if benchmarks is None else benchmarks
    if not benchmarks and not tasks:
        return None
    found = General({}, "", 0.0)
    if benchmarks:
        found = yield from benchmark_scores(ctx, wishes, model, adapter, train, like.items if like else None)
    for one in tasks:
        found = yield from _with(ctx, model, adapter, found, one)
    return found


def _with(
    ctx: RunContext, model: LanguageModel, adapter: str | None, found: General, one: Neighbour
) -> Working[General]:
    """What was found with one more task."""
    start = time.monotonic()
    room, _ = room_for_answers(model, one.records)
    how, arm = measuring(ctx, model, one.task, room, adapter), ways.prompted(one.task.instruction)
    ready = PreparedArm.of(replace(arm, name=one.name), model.renderer, one.records)
    fits = [len(ids) + room <= model.base.context for ids in ready.ids]
    if not any(fits):
        raise DataError(
            f"No request of the neighbouring task {one.name} leaves {model.name} room for an answer"
            f" ({model.base.context} tokens).",
            "Leave it out (--also-keep), or use a base with a longer context.",
        )
    note = found.note
    if not all(fits):
        told = f"{one.name}: {fits.count(False)} requests are too long for {model.name} and are left out."
        yield Said(told, warning=True)
        note = " ".join(filter(None, [note, told]))
        kept = [r for r, fit in zip(one.records, fits, strict=True) if fit]
        ready = PreparedArm.of(replace(arm, name=one.name), model.renderer, kept)
    result = yield from measure(how, ready, one.task.choice, None)
    yield Said(f"{one.name}: {one.task.choice.primary.title} {result.score.in_words}")
    took = time.monotonic() - start
    ctx.ledger.took("neighbouring tasks", took)
    return replace(
        found,
        scores=found.scores | {one.name: list(result.scores)},
        note=note,
        seconds=found.seconds + took,
        answers=found.answers
        | {one.name: dict(zip([r.prompt_text for r in ready.records], result.answers, strict=True))},
    )
