"""The story of `postgrad evaluate`: models that are there, measured on examples that are all test. Nothing is trained.

The same records, checks, metrics, decoding, intervals, comparisons and page as in `workflows.run`.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from postgrad.arm_kinds import ARM_KINDS, BASE, REMOTE
from postgrad.arm_kinds import kind_of as arm_kind
from postgrad.blobs import Blobs
from postgrad.data.load import data_hash
from postgrad.data.sources.in_memory import InMemory
from postgrad.decision.resolution import assumed_resolution
from postgrad.errors import UsageError
from postgrad.evaluation import arms as ways
from postgrad.evaluation.measure import room_for_answers
from postgrad.evaluation.metrics.support.by_record import choose_for
from postgrad.evaluation.metrics.support.metric import MetricResources
from postgrad.evaluation.questions import question_of
from postgrad.evaluation.texts.passages import DOCUMENT
from postgrad.measures import ArmResult
from postgrad.models.adapters.trained_weights import load_trained
from postgrad.models.language_model import LanguageModel
from postgrad.models.remote.client import RemoteModel
from postgrad.models.remote.rules import Asking
from postgrad.pages.answers_page import write_answers
from postgrad.pages.report_page import write_report
from postgrad.progress import Said, Stage, Working
from postgrad.recipe import Recipe
from postgrad.records import Record, Text
from postgrad.registry import Catalogue
from postgrad.report.made_from import arm_part
from postgrad.report.results import write_results
from postgrad.report.run_report import Report
from postgrad.steps.arms.ask_remote import IncompleteError, measure_remote
from postgrad.steps.arms.measuring import measure_arm, measuring, prepared
from postgrad.steps.arms.metric_resources import MeasuredModel, metric_resources
from postgrad.steps.arms.named_models import Contestant, Named, contestants, instruction, named_models
from postgrad.steps.arms.passages import grounding_in
from postgrad.steps.base_files import BaseFiles
from postgrad.steps.context import RunContext
from postgrad.steps.examination.forgetting import General
from postgrad.steps.examination.neighbours import general_ability, neighbours
from postgrad.steps.examination.train_test_overlap import Overlaps, overlap
from postgrad.steps.examination.voice import voices
from postgrad.steps.examination.win_rates import win_rates
from postgrad.steps.examples import DataSummary, Examples, Grounding, TaskSpec
from postgrad.steps.fitting.reward import grader_of
from postgrad.steps.material import kind_of
from postgrad.steps.read import checked_records, token_histogram
from postgrad.steps.reporting.evaluate_report import Measurements, evaluation_report
from postgrad.steps.reporting.result_lines import result_lines
from postgrad.steps.text_parts import asked_of
from postgrad.storage import check_writable, home

ROOM = 2
"""A remote model counts other tokens: its answers may take so many times the room of ours."""


@dataclass(frozen=True)
class EvaluateRequest:
    """What is to be measured.

    Attributes:
        recipe: `data`, `evaluation` (but for its arms), `decision` and `seed` are read.
        paths: The examples; all of them are test.
        models: Registered models and base models, by name.
        arms: Arms of the base models; None for those that can be made.
        remotes: Remote models.
        general: Whether general benchmarks are measured too.
    """

    recipe: Recipe
    paths: Sequence[Path | InMemory]
    models: Sequence[str] = ()
    arms: Sequence[str] | None = None
    remotes: Sequence[RemoteModel] = ()
    general: bool = False


def evaluate(request: EvaluateRequest, out: Path, stopped: Callable[[], bool] = lambda: False) -> Working[Report]:
    """Measures, compares, judges; leaves `report.json`, `report.html` and `results.jsonl` in `out`.

    Raises:
        PostgradError: with one clear message; the same command goes on where it stopped.
    """
    check_writable(home())
    check_writable(out)
    models = named_models(request.models, Catalogue())
    if not models and not request.remotes:
        raise UsageError("No model is given.", "Name one or more: --model NAME, or --remote URL#MODEL.")
    recipe = request.recipe
    ctx = RunContext.of(recipe, stopped)
    base = BaseFiles(models[0].base if models else recipe.base)
    system, origin = instruction(recipe.data.system_prompt, models, ctx.blobs)
    loaded = MeasuredModel()
    resources = metric_resources(ctx, recipe.evaluation, loaded)

    yield Stage("data", "Reading and checking the examples")
    kept = yield from neighbours(recipe.evaluation, resources)
    task, examples, grounding, summary = yield from _read(base, request, resources, system)
    if system and origin:
        yield Said(f"The instruction of prompted arms: {origin}.")
    seen = yield from _overlaps(ctx.blobs, models, examples.test)

    yield Stage("arms", "Measuring the models on the same examples")
    asked = contestants(models, request.arms, system, grounding.retrieve if grounding else None, ctx.blobs)
    measured = Measurements(asked, general={} if request.general or kept else None)
    general = partial(general_ability, ctx, recipe.evaluation, tasks=kept, benchmarks=request.general)
    yield from _measure_all(ctx, general, task, examples, measured, loaded)
    for remote in request.remotes:
        yield Said(f"Asking {remote.name}")
        try:
            result = yield from _remote(ctx, remote, task, examples, measured.room)
        except IncompleteError as error:
            yield Said(
                f"{remote.name} is left out, because all arms are compared on the same examples: {error}", warning=True
            )
            continue
        measured.results[result.name] = result
        measured.parts[result.name] = arm_part(result, remote.model)
        yield _told(task, result)
    if not measured.results:
        raise UsageError("Nothing was measured: every model was left out.", "See the reasons above.")

    first = next((n for n in measured.results if arm_kind(n) is ARM_KINDS[BASE]), next(iter(measured.results)))
    preferred = yield from win_rates(resources, examples, measured.ordered, recipe.evaluation.votes, first)
    voice = yield from voices(task.choice, examples, measured.ordered, first)

    yield Stage("verdict", "Judging")
    report = evaluation_report(ctx, recipe, task, examples, summary, measured, seen)
    report = report.model_copy(update={"preferences": preferred, "voice": voice})
    write_report(report, out)
    write_results(result_lines(examples.test, measured.ordered, examples.groups, seen.by_place()), out)
    write_answers(report, out)
    yield Said(report.verdict.sentence)
    return report


def _read(
    base: BaseFiles, request: EvaluateRequest, resources: MetricResources, system: str | None
) -> Working[tuple[TaskSpec, Examples, Grounding | None, DataSummary]]:
    """All examples are test; the instruction is given, never written."""
    recipe = request.recipe
    as_it_is = recipe.data.model_copy(update={"system_prompt": None})  # given to arms that take one, not to records
    loaded, checked, read = yield from checked_records(base, as_it_is, "", request.paths)
    kind = kind_of(loaded)
    renderer = yield from base.renderer()
    records = [question_of(r) for r in read] if kind is not Text else asked_of(recipe.data, read, renderer)
    grounding = yield from grounding_in(recipe.evaluation.docs, renderer)
    grader = grader_of(recipe.training)
    choice = choose_for(kind, records, recipe.evaluation.metric, resources, grader)
    documents = {q.meta.get(DOCUMENT) for q in records}
    group = DOCUMENT if kind is Text and len(documents) > 1 else recipe.data.group
    examples = Examples.of((), (), records, group)
    yield Said(f"{len(examples.test)} test examples. {choice.why}")
    if examples.turns:
        yield Said(examples.turns.sentence)
    if kind is not Text:  # what it assumes is of right and wrong
        yield Said(assumed_resolution(len(examples.test), recipe.decision.smallest_worth, examples.units).sentence)
    for caution in choice.cautions(examples.test):
        yield Said(caution, warning=True)
    task = TaskSpec(choice, system or "", own_instruction=system is not None)
    histogram = token_histogram(renderer, records)
    return (
        task,
        examples,
        grounding,
        DataSummary(Path(request.paths[0]).stem, loaded, checked, data_hash(records), histogram),
    )


def _overlaps(blobs: Blobs, models: Sequence[Named], test: Sequence[Record]) -> Working[Overlaps]:
    seen = Overlaps()
    for model in models:
        if model.entry is not None and model.entry.id not in seen.found:
            found = overlap(blobs, model.entry, test)
            seen.found[model.entry.id] = found
            if found.sentence:
                yield Said(found.sentence, warning=True)
    return seen


def _measure_all(
    ctx: RunContext,
    general: Callable[[LanguageModel, str | None], Working[General | None]],
    task: TaskSpec,
    examples: Examples,
    out: Measurements,
    loaded: MeasuredModel,
) -> Working[None]:
    """All arms, base by base, so that each base is loaded once."""
    for base in dict.fromkeys(c.base for c in out.asked):
        own = [c for c in out.asked if c.base == base]
        model = loaded.model = yield from BaseFiles(base).load()
        out.machine = {"device": model.device.name, "dtype": model.device.dtype, "python": platform.python_version()}
        out.room, _ = room_for_answers(model, examples.test)
        arms = [c.make(model.renderer, out.room) for c in own]
        for c, arm in zip(own, prepared(model, arms, examples.test, out.room), strict=True):
            yield Said(f"{c.name}: {arm.arm.note}")
            if remark := arm.arm.remark():
                yield Said(remark, warning=True)
            _place(ctx.blobs, model, c)
            how = measuring(ctx, model, task, out.room, c.blob)
            result = yield from measure_arm(ctx, how, arm, task.choice, examples.groups)
            out.results[c.name] = result
            out.parts[c.name] = arm_part(result, model.name + (" + adapter" if result.requires_training else ""))
            yield _told(task, result)
        if out.general is not None:
            out.general |= yield from _general(ctx, general, model, own)
        loaded.model = None


def _remote(ctx: RunContext, remote: RemoteModel, task: TaskSpec, examples: Examples, room: int) -> Working[ArmResult]:
    way = ways.prompted(task.instruction) if task.instruction else ways.base()
    arm = replace(way, name=f"{REMOTE}: {remote.model}", note=f"{way.note} Queried at {remote.url}.")
    budget = remote.budget
    limits = [
        f"{budget.max_usd:g} USD" if budget.max_usd is not None else "",
        f"{budget.max_tokens:,} tokens" if budget.max_tokens else "",
    ]
    return measure_remote(
        arm,
        lambda asked, asking, tools: remote.answer(asked, asking, ctx.stopped, tools),
        examples.test,
        task.choice,
        examples.groups,
        Asking(ROOM * room),
        budget.price,
        " and ".join(filter(None, limits)) or "this command",
    )


def _place(blobs: Blobs, model: LanguageModel, contestant: Contestant) -> None:
    blob = contestant.blob
    model.use(load_trained(blobs.get_folder(blob)) if blob else None, blob)


def _general(
    ctx: RunContext,
    general: Callable[[LanguageModel, str | None], Working[General | None]],
    model: LanguageModel,
    own: Sequence[Contestant],
) -> Working[dict[str, General]]:
    """General ability of the base and of what was trained on it."""
    model.use(None)
    yield Said(f"General ability of {model.name}")
    out = {own[0].base: (yield from general(model, None))}
    for c in {c.blob: c for c in own if c.entry is not None}.values():
        yield Said(f"General ability of {c.entry.id if c.entry else ''}")
        _place(ctx.blobs, model, c)
        out[c.name] = yield from general(model, c.blob)
    return {name: found for name, found in out.items() if found is not None}


def _told(task: TaskSpec, result: ArmResult) -> Said:
    return Said(f"{result.name}: {task.choice.primary.title} {result.score.in_words}")
