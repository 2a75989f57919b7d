"""The story of `postgrad evaluate`: models that are there, measured on examples that are all test. Nothing is trained.

The same records, checks, metrics, decoding, intervals, comparisons and page as in `workflows.run`.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from postgrad.arm_kinds import REMOTE, is_remote
from postgrad.data.load import data_hash
from postgrad.decision.resolution import assumed_resolution
from postgrad.errors import UsageError
from postgrad.evaluation import arms as ways
from postgrad.evaluation.measure import Answers, check_room, measure, room_for_answers
from postgrad.evaluation.metrics.support.choose import choose_metric
from postgrad.measures import ArmResult
from postgrad.models.adapters.trained_weights import load_trained
from postgrad.models.generation.generate import Decoding
from postgrad.models.language_model import LanguageModel
from postgrad.models.remote.client import RemoteModel
from postgrad.models.remote.rules import Asking
from postgrad.pages.report_page import write_report
from postgrad.progress import Said, Stage, Working
from postgrad.records import tools_of
from postgrad.registry import Catalogue
from postgrad.report.made_from import arm_part
from postgrad.report.results import write_results
from postgrad.report.run_report import Report
from postgrad.steps.ask_remote import IncompleteError, measure_remote
from postgrad.steps.context import Job
from postgrad.steps.evaluate_report import EvaluateRequest, Measurements, evaluation_report
from postgrad.steps.forgetting import benchmark_scores
from postgrad.steps.metric_resources import metric_resources
from postgrad.steps.named_models import Contestant, Named, contestants, instruction, named_models
from postgrad.steps.passages import read_passages, retriever
from postgrad.steps.read import Data, checked_records, token_histogram
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
    data = yield from _data(job, request, system)
    if system and origin:
        yield Said(f"The instruction of prompted arms: {origin}.")
    seen = yield from _overlaps(job, models, data)

    yield Stage("arms", "Measuring the models on the same examples")
    asked = contestants(models, request.arms, system, data.retrieve, job)
    measured = yield from _measure_all(job, request, data, asked)
    for remote in request.remotes:
        yield Said(f"Asking {remote.name}")
        try:
            result = yield from _remote(job, remote, data, measured.room)
        except IncompleteError as error:
            yield Said(
                f"{remote.name} is left out, because all ways are compared on the same examples: {error}", warning=True
            )
            continue
        measured.results[result.name] = result
        measured.parts[result.name] = arm_part(result, remote.model)
        yield _told(data, result)
    if not measured.results:
        raise UsageError("Nothing was measured: every model was left out.", "See the reasons above.")

    yield Stage("verdict", "Judging")
    order = [*(c.name for c in asked), *(n for n in measured.results if is_remote(n))]
    results = [measured.results[name] for name in order]
    report = evaluation_report(job, request, data, results, measured, asked, seen)
    write_report(report, out)
    write_results(result_lines(data.test, results, data.groups, seen.by_place()), out)
    yield Said(report.verdict.sentence)
    return report


def _job(request: EvaluateRequest, models: Sequence[Named], stopped: Callable[[], bool]) -> Job:
    """A job that reads the data as it is: an instruction is given to the arms that take one, not put into the
    records."""
    data = request.recipe.data.model_copy(update={"system_prompt": None})
    base = models[0].base if models else request.recipe.base
    return Job(request.recipe.model_copy(update={"data": data, "base": base}), stopped)


def _data(job: Job, request: EvaluateRequest, system: str | None) -> Working[Data]:
    loaded, checked, records = yield from checked_records(job, request.paths)
    renderer = yield from job.renderer()
    passages = yield from read_passages(job.recipe.evaluation.docs, renderer)
    retrieve = yield from retriever(passages)
    choice = choose_metric(records, job.recipe.evaluation.metric, metric_resources(job))
    resolution = assumed_resolution(len(records), job.recipe.decision.smallest_worth)
    yield Said(f"{len(records)} test examples. {choice.why}")
    yield Said(resolution.sentence)
    for caution in choice.cautions(records):
        yield Said(caution, warning=True)
    return Data(
        Path(request.paths[0]).stem,
        loaded,
        checked,
        (),
        (),
        tuple(records),
        choice,
        system or "",
        system is not None,
        resolution.resolvable,
        data_hash(records),
        token_histogram(renderer, records),
        passages,
        retrieve,
        job.recipe.data.group,
    )


def _overlaps(job: Job, models: Sequence[Named], data: Data) -> Working[Overlaps]:
    seen = Overlaps()
    for model in models:
        if model.entry is not None and model.entry.id not in seen.found:
            found = overlap(job, model.entry, data.test)
            seen.found[model.entry.id] = found
            if found.sentence:
                yield Said(found.sentence, warning=True)
    return seen


def _measure_all(job: Job, request: EvaluateRequest, data: Data, asked: Sequence[Contestant]) -> Working[Measurements]:
    """All arms, base by base, so that each base is loaded once."""
    out = Measurements()
    for base in dict.fromkeys(c.base for c in asked):
        own = [c for c in asked if c.base == base]
        job.base, job.recipe = None, job.recipe.model_copy(update={"base": base})
        model = yield from job.load()
        out.machine = {"device": model.device.name, "dtype": model.device.dtype, "python": platform.python_version()}
        room, _ = room_for_answers(model, data.test)
        decoding, out.room = Decoding(room), room
        arms = {c.name: c.make(model.renderer, room) for c in own}
        prompts = {name: [arm.ask(r) for r in data.test] for name, arm in arms.items()}
        ids = {
            name: [model.renderer.prompt_ids(m, tools_of(r)) for m, r in zip(messages, data.test, strict=True)]
            for name, messages in prompts.items()
        }
        for name in arms:  # all refusals before the first answer is computed
            check_room(model, name, ids[name], decoding, data.test)
        for c in own:
            yield Said(f"{c.name}: {arms[c.name].note}")
            if remark := arms[c.name].remark():
                yield Said(remark, warning=True)
            _place(job, model, c)
            start = time.monotonic()
            answers = Answers.open(job.store, model.base.hash, c.blob, decoding, model.device.dtype)
            result = yield from measure(
                model,
                arms[c.name],
                ids[c.name],
                data.test,
                data.choice,
                decoding,
                answers,
                job.price,
                data.groups,
                job.stopped,
                prompts[c.name],
            )
            job.seconds[f"arm {c.name}"] = time.monotonic() - start
            out.results[c.name] = result
            out.parts[c.name] = arm_part(result, model.name + (" + adapter" if result.requires_training else ""))
            yield _told(data, result)
        if request.general:
            yield from _general(job, model, own, out)
        job.model = None
    return out


def _remote(job: Job, remote: RemoteModel, data: Data, room: int) -> Working[ArmResult]:
    way = ways.prompted(data.system_prompt) if data.system_prompt else ways.base()
    arm = replace(way, name=f"{REMOTE}: {remote.model}", note=f"{way.note} Asked at {remote.url}.")
    budget = remote.budget
    limits = [
        f"{budget.max_usd:g} USD" if budget.max_usd is not None else "",
        f"{budget.max_tokens:,} tokens" if budget.max_tokens else "",
    ]
    return measure_remote(
        arm,
        lambda asked, asking, tools: remote.answer(asked, asking, job.stopped, tools),
        data.test,
        data.choice,
        data.groups,
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


def _told(data: Data, result: ArmResult) -> Said:
    return Said(f"{result.name}: {data.choice.primary.title} {result.score.in_words}")
