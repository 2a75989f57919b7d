"""The story of `postgrad evaluate`: models that are there, measured on examples that are all test. Nothing is trained.

The same records, checks, metrics, decoding, intervals, comparisons and page as in `workflows.run`.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from postgrad.arm_kinds import REMOTE
from postgrad.data.load import data_hash
from postgrad.decision.resolution import assumed_resolution
from postgrad.errors import UsageError
from postgrad.evaluation import arms as ways
from postgrad.evaluation.measure import room_for_answers
from postgrad.evaluation.metrics.support.choose import choose_metric
from postgrad.measures import ArmResult
from postgrad.models.adapters.trained_weights import load_trained
from postgrad.models.language_model import LanguageModel
from postgrad.models.remote.client import RemoteModel
from postgrad.models.remote.rules import Asking
from postgrad.pages.report_page import write_report
from postgrad.progress import Said, Stage, Working
from postgrad.records import Record
from postgrad.registry import Catalogue
from postgrad.report.made_from import arm_part
from postgrad.report.results import write_results
from postgrad.report.run_report import Report
from postgrad.steps.ask_remote import IncompleteError, measure_remote
from postgrad.steps.context import Job
from postgrad.steps.evaluate_report import EvaluateRequest, Measurements, evaluation_report
from postgrad.steps.examples import DataSummary, Examples, Grounding, TaskSpec, groups_of
from postgrad.steps.forgetting import benchmark_scores
from postgrad.steps.measuring import measure_arm, measuring, prepared
from postgrad.steps.metric_resources import metric_resources
from postgrad.steps.named_models import Contestant, Named, contestants, instruction, named_models
from postgrad.steps.passages import grounding_in
from postgrad.steps.read import checked_records, token_histogram
from postgrad.steps.result_lines import result_lines
from postgrad.steps.train_test_overlap import Overlaps, overlap
from postgrad.storage import check_writable, home

ROOM = 2
"""A remote model counts other tokens: its answers may take so many times the room of ours."""


def evaluate(request: EvaluateRequest, out: Path, stopped: Callable[[], bool] = lambda: False) -> Working[Report]:
    """Measures, compares, judges; leaves `report.json`, `report.html` and `results.jsonl` in `out`.

    Raises:
        PostgradError: with one clear message; the same command goes on where it stopped.
    """
    check_writable(home())
    check_writable(out)
    models = named_models(request.models, Catalogue())
    if not models and not request.remotes:
        raise UsageError("No model is named.", "Name one or more: --model NAME, or --remote URL#MODEL.")
    job = _job(request, models, stopped)
    system, origin = instruction(request.recipe.data.system_prompt, models, job)

    yield Stage("data", "Reading and checking the examples")
    task, examples, grounding, summary = yield from _read(job, request, system)
    if system and origin:
        yield Said(f"The instruction of prompted arms: {origin}.")
    seen = yield from _overlaps(job, models, examples.test)

    yield Stage("arms", "Measuring the models on the same examples")
    asked = contestants(models, request.arms, system, grounding.retrieve if grounding else None, job)
    measured = yield from _measure_all(job, task, examples, asked, general=request.general)
    for remote in request.remotes:
        yield Said(f"Asking {remote.name}")
        try:
            result = yield from _remote(job, remote, task, examples, measured.room)
        except IncompleteError as error:
            yield Said(
                f"{remote.name} is left out, because all ways are compared on the same examples: {error}", warning=True
            )
            continue
        measured.results[result.name] = result
        measured.parts[result.name] = arm_part(result, remote.model)
        yield _told(task, result)
    if not measured.results:
        raise UsageError("Nothing was measured: every model was left out.", "See the reasons above.")

    yield Stage("verdict", "Judging")
    report = evaluation_report(job, request, task, examples, summary, measured, asked, seen)
    write_report(report, out)
    write_results(result_lines(examples.test, measured.ordered(asked), examples.groups, seen.by_place()), out)
    yield Said(report.verdict.sentence)
    return report


def _job(request: EvaluateRequest, models: Sequence[Named], stopped: Callable[[], bool]) -> Job:
    """A job that reads the data as it is: an instruction is given to the arms that take one, not put into the
    records."""
    data = request.recipe.data.model_copy(update={"system_prompt": None})
    base = models[0].base if models else request.recipe.base
    return Job(request.recipe.model_copy(update={"data": data, "base": base}), stopped)


def _read(
    job: Job, request: EvaluateRequest, system: str | None
) -> Working[tuple[TaskSpec, Examples, Grounding | None, DataSummary]]:
    """All examples are test; the instruction is given, never written."""
    loaded, checked, records = yield from checked_records(job, request.paths)
    renderer = yield from job.renderer()
    grounding = yield from grounding_in(job.recipe.evaluation.docs, renderer)
    choice = choose_metric(records, job.recipe.evaluation.metric, metric_resources(job))
    yield Said(f"{len(records)} test examples. {choice.why}")
    yield Said(assumed_resolution(len(records), job.recipe.decision.smallest_worth).sentence)
    for caution in choice.cautions(records):
        yield Said(caution, warning=True)
    task = TaskSpec(choice, system or "", own_instruction=system is not None)
    examples = Examples((), (), tuple(records), groups_of(records, job.recipe.data.group))
    histogram = token_histogram(renderer, records)
    return (
        task,
        examples,
        grounding,
        DataSummary(Path(request.paths[0]).stem, loaded, checked, data_hash(records), histogram),
    )


def _overlaps(job: Job, models: Sequence[Named], test: Sequence[Record]) -> Working[Overlaps]:
    seen = Overlaps()
    for model in models:
        if model.entry is not None and model.entry.id not in seen.found:
            found = overlap(job, model.entry, test)
            seen.found[model.entry.id] = found
            if found.sentence:
                yield Said(found.sentence, warning=True)
    return seen


def _measure_all(
    job: Job, task: TaskSpec, examples: Examples, asked: Sequence[Contestant], *, general: bool
) -> Working[Measurements]:
    """All arms, base by base, so that each base is loaded once."""
    out = Measurements()
    for base in dict.fromkeys(c.base for c in asked):
        own = [c for c in asked if c.base == base]
        job.base, job.recipe = None, job.recipe.model_copy(update={"base": base})
        model = yield from job.load()
        out.machine = {"device": model.device.name, "dtype": model.device.dtype, "python": platform.python_version()}
        out.room, _ = room_for_answers(model, examples.test)
        arms = [c.make(model.renderer, out.room) for c in own]
        for c, arm in zip(own, prepared(model, arms, examples.test, out.room), strict=True):
            yield Said(f"{c.name}: {arm.arm.note}")
            if remark := arm.arm.remark():
                yield Said(remark, warning=True)
            _place(job, model, c)
            how = measuring(job, model, out.room, c.blob)
            result = yield from measure_arm(job, how, arm, task.choice, examples.groups)
            out.results[c.name] = result
            out.parts[c.name] = arm_part(result, model.name + (" + adapter" if result.requires_training else ""))
            yield _told(task, result)
        if general:
            yield from _general(job, model, own, out)
        job.model = None
    return out


def _remote(job: Job, remote: RemoteModel, task: TaskSpec, examples: Examples, room: int) -> Working[ArmResult]:
    way = ways.prompted(task.instruction) if task.instruction else ways.base()
    arm = replace(way, name=f"{REMOTE}: {remote.model}", note=f"{way.note} Asked at {remote.url}.")
    budget = remote.budget
    limits = [
        f"{budget.max_usd:g} USD" if budget.max_usd is not None else "",
        f"{budget.max_tokens:,} tokens" if budget.max_tokens else "",
    ]
    return measure_remote(
        arm,
        lambda asked, asking, tools: remote.answer(asked, asking, job.stopped, tools),
        examples.test,
        task.choice,
        examples.groups,
        Asking(ROOM * room),
        budget.price,
        " and ".join(filter(None, limits)) or "this command",
    )


def _place(job: Job, model: LanguageModel, contestant: Contestant) -> None:
    blob = contestant.blob
    model.use(load_trained(job.blobs.get_folder(blob)) if blob else None, blob)


def _general(job: Job, model: LanguageModel, own: Sequence[Contestant], out: Measurements) -> Working[None]:
    """General benchmarks of the base and of what was trained on it."""
    model.use(None)
    yield Said(f"General ability of {model.name}")
    out.general[own[0].base] = yield from benchmark_scores(job, model, None)
    for c in {c.blob: c for c in own if c.entry is not None}.values():
        yield Said(f"General ability of {c.entry.id if c.entry else ''}")
        _place(job, model, c)
        out.general[c.name] = yield from benchmark_scores(job, model, c.blob)


def _told(task: TaskSpec, result: ArmResult) -> Said:
    return Said(f"{result.name}: {task.choice.primary.title} {result.score.in_words}")
