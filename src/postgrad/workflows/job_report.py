"""What stands behind a fine-tuning job: its report, with as much measured as was asked for.

Without a wish it costs nothing: what was read and found, and how the training went. With one, the base and the
fine-tuned model answer the validation file alike, and general ability is measured before and after.
"""

from __future__ import annotations

import datetime
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from postgrad.arm_kinds import BASE
from postgrad.data.load import data_hash
from postgrad.evaluation import arms as ways
from postgrad.evaluation.battery.alignment import FORMS
from postgrad.evaluation.metrics.support.choose import choose_metric
from postgrad.evaluation.metrics.support.metric import MetricResources
from postgrad.evaluation.prompting import PromptBuilder
from postgrad.measures import ArmResult
from postgrad.progress import Said, Working
from postgrad.recipe import Recipe, merged
from postgrad.records import Conversation, Record, content_hash
from postgrad.report.run_report import ForgettingPart, Report, TaskKind, TaskPart, VerdictPart
from postgrad.steps.arms.measuring import answered, as_tested
from postgrad.steps.arms.metric_resources import MeasuredModel, metric_resources
from postgrad.steps.base_files import BaseFiles
from postgrad.steps.conclude import Evidence, conclude, data_part
from postgrad.steps.context import RunContext
from postgrad.steps.examination.forgetting import General, benchmark_scores, forgetting
from postgrad.steps.examples import DataSummary, Examples, TaskSpec
from postgrad.version import __version__
from postgrad.workflows.fine_tune import FineTuned, Material

_ALONE = "nothing was measured beside it"
MOST = 60
"""Validation examples that are answered; the shares are of these."""
FLATTERED = (
    "Scores are on the validation file. It also chose the training's best step, which flatters the fine-tuned model a"
    " little: for an important decision, hold out examples that no job has seen."
)


@dataclass(frozen=True)
class Wishes:
    """What a job's report is to hold besides the training.

    Attributes:
        compare: Base against fine-tuned on the validation file.
        general: The forgetting test.
    """

    compare: bool = False
    general: bool = False


def job_report(recipe: Recipe, done: FineTuned, wishes: Wishes, stopped: Callable[[], bool]) -> Working[Report]:
    """Makes a job's report.

    Raises:
        PostgradError: what was asked for could not be measured.
        Interrupted: `stopped()` turned true; answers so far are kept.
    """
    material, recipe = done.material, merged(recipe, {"evaluation.general": wishes.general})
    comparable = [r for r in material.validation if isinstance(r, Conversation)]
    if wishes.compare and not comparable:
        yield Said("There is no validation file with answers, so the model was compared with nothing.", warning=True)
    if (wishes.compare and comparable) or wishes.general:
        return (
            yield from _measured(RunContext.of(recipe, stopped), recipe, done, comparable if wishes.compare else [])
        )
    return _plain(recipe, done, None)


def _measured(ctx: RunContext, recipe: Recipe, done: FineTuned, comparable: Sequence[Conversation]) -> Working[Report]:
    model = yield from BaseFiles(recipe.base).load()
    chosen = sorted(comparable, key=content_hash)[:MOST]
    examples = Examples.of(done.material.train, done.material.validation, chosen)
    resources = metric_resources(ctx, recipe.evaluation, MeasuredModel(model))
    task = _task(recipe, resources, comparable) if chosen else None
    results: list[ArmResult] = []
    before: General | None = None
    after: General | None = None
    tuned = ways.fine_tuned(PromptBuilder(model.renderer, recipe.data.system_prompt))
    base = replace(tuned, name=BASE, trained=False, note="The base model, prompted exactly as the fine-tuned one.")
    for arm in (base, tuned):
        blob = done.result.blob if arm.trained else None
        model.use(done.result.trained if arm.trained else None, blob)
        if task is not None:
            how = as_tested(ctx, model, task, examples, blob)
            results.append((yield from answered(how, arm, examples.test, task.choice, examples.groups)))
            yield Said(
                f"{arm.name}: {100 * results[-1].score.value:.1f} % of {len(examples.test)} validation examples."
            )
        if recipe.evaluation.general:
            items = before.items if before else None
            more = () if recipe.training.objective in ("sft", "pretrain") else FORMS  # what rewards can make of a model
            scores = yield from benchmark_scores(ctx, recipe.evaluation, model, blob, items=items, more=more)
            before, after = (scores, None) if before is None else (before, scores)
    general = forgetting(recipe.decision.forgetting_margin, before, after, wanted=recipe.evaluation.general)
    if task is None:
        return _plain(recipe, done, general[0])
    summary = _summary(recipe, done.material, chosen)
    report = conclude(ctx, recipe, model, task, examples, summary, Evidence(results, general, done.result))
    verdict = report.verdict.model_copy(update={"reasons": [*report.verdict.reasons, FLATTERED]})
    return report.model_copy(update={"verdict": verdict})


def _plain(recipe: Recipe, done: FineTuned, general: ForgettingPart | None) -> Report:
    """The report of a training that was compared with nothing."""
    part, material = done.result.part, done.material
    summary = _summary(recipe, material, material.validation)
    sentence = "The model was trained; it was compared with nothing, so how much better it is remains unknown."
    mend = "Give a validation_file and `report: true` (extra_body): base and fine-tuned model then both answer it."
    return Report(
        name=recipe.name or "job",
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        postgrad_version=__version__,
        seed=recipe.seed,
        task=TaskPart(
            kind=_kind(material.train),
            metric="loss",
            why="Nothing was compared: only the training's loss is shown.",
        ),
        data=data_part(summary, Examples.of(material.train, material.validation, ())),
        system_prompt=recipe.data.system_prompt or "",
        forgetting=general,
        training=part,
        verdict=VerdictPart(recommendation="cannot_tell", sentence=sentence, reasons=[mend, part.in_words], why=_ALONE),
        machine={"device": part.device, "dtype": part.dtype, "python": platform.python_version()},
        seconds={"training": round(done.result.seconds, 1)},
    )


def _task(recipe: Recipe, resources: MetricResources, comparable: Sequence[Conversation]) -> TaskSpec:
    """Both models are asked as the job was trained: with the client's instruction, if there is one."""
    choice = choose_metric(comparable, recipe.evaluation.metric, resources)
    system = recipe.data.system_prompt
    return TaskSpec(choice, system or "", own_instruction=bool(system))


def _summary(recipe: Recipe, material: Material, validated_on: Sequence[Record]) -> DataSummary:
    """What the job read, and the hash of what it trained and is judged on."""
    used = data_hash([*material.train, *validated_on])
    return DataSummary(recipe.name or "job", material.loaded, material.checked, used)


def _kind(records: Sequence[Record]) -> TaskKind:
    """A word of the report's for what was trained on."""
    names: dict[str, TaskKind] = {"Preference": "preference", "Task": "reinforcement"}
    return names.get(type(records[0]).__name__, "generation") if records else "generation"
