"""The whole story in one readable function: examples in, verdict out, model registered. Read this first.

`run` is a generator: it yields what a terminal, a server or a studio shows, and returns the report. Each stage's result
is kept under the hash of its inputs, so the same command again redoes only what changed. What a stage does in detail
stands in `steps/`, what it is made of in the stage's own folder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from postgrad.data.sources.in_memory import InMemory
from postgrad.pages.report_page import write_report
from postgrad.progress import Said, Stage, Working
from postgrad.recipe import Recipe
from postgrad.report.redaction import line_without_texts, without_texts
from postgrad.report.results import write_results
from postgrad.report.run_report import Report
from postgrad.steps.advice import advised
from postgrad.steps.arm_race import race
from postgrad.steps.arms import Making, fine_tuned_arms, untrained_arms
from postgrad.steps.automation import automation
from postgrad.steps.before_training import before_training, needs_documents
from postgrad.steps.conclude import Evidence, conclude, model_details, register
from postgrad.steps.context import Job
from postgrad.steps.forgetting import benchmark_scores, forgetting
from postgrad.steps.learning_curve import learning_curve
from postgrad.steps.measuring import as_tested, measure_arms
from postgrad.steps.prompt_proposer import check_proposer
from postgrad.steps.read import read_and_check
from postgrad.steps.remote_arms import measure_remotes
from postgrad.steps.remote_models import remote_arms
from postgrad.steps.request_kinds import kinds_part, production_requests
from postgrad.steps.result_lines import result_lines
from postgrad.steps.robustness import disturbances
from postgrad.steps.time_budget import usual_limit
from postgrad.steps.training import train_model
from postgrad.storage import check_writable, home


def run(
    recipe: Recipe, paths: Sequence[Path | InMemory], out: Path, stopped: Callable[[], bool] = lambda: False
) -> Working[Report]:
    """The main job.

    Args:
        recipe: All settings.
        paths: The user's files, or what is in memory.
        out: Folder for `report.json`, `report.html` and `results.jsonl`.
        stopped: Asked often; when it turns true, the work stops at the next safe place with everything kept.

    Raises:
        PostgradError: with one clear message; the same command goes on where it stopped.
    """
    check_writable(home())
    check_writable(out)
    job = Job(recipe, stopped)
    remotes = remote_arms(job)
    check_proposer(job)

    yield Stage("data", "Reading, checking and splitting the examples")
    production = yield from production_requests(job)
    examples, task, grounding, summary = yield from read_and_check(job, paths)
    yield from usual_limit(job, summary)

    yield Stage("model", f"Loading the base model {recipe.base}")
    model = yield from job.load()
    making = Making(job, model, examples, task, grounding)

    yield Stage("arms", "Measuring the ways that need no training")
    arms = ways = yield from untrained_arms(making)
    results = yield from race(job, examples, arms, partial(measure_arms, job, model, task))
    results += yield from measure_remotes(job, model, task, examples, remotes, results)
    early = yield from before_training(job, model, task, examples, grounding, results)
    trains = job.trains and early.stop is None

    before = None
    if recipe.evaluation.general and trains:
        yield Stage("general", "Measuring general ability before training")
        before = yield from benchmark_scores(job, model, None, examples.train)

    trained = after = None
    if trains:
        yield Stage("training", "Training")
        trained = yield from train_model(job, model, examples, grounding, results, before)

        yield Stage("fine_tuned", "Measuring the fine-tuned model on the same examples")
        model.use(trained.trained, trained.blob)
        arms = yield from fine_tuned_arms(making)
        ways = [*ways, *arms]
        results += yield from measure_arms(job, model, task, examples, arms, trained.blob)
        if before is not None:
            yield Stage("forgetting", "Measuring general ability after training")
            after = yield from benchmark_scores(job, model, trained.blob, examples.train)

    yield Stage("automation", "Measuring what could be answered without a person")
    how = as_tested(job, model, examples, trained.blob if trained else None)
    rate = yield from automation(how, task.choice, examples, arms, results, recipe.decision.target_accuracy)

    disturbed = yield from disturbances(job, model, task.choice, examples, ways, results, trained)
    curve = yield from learning_curve(making, ways, results, trained)

    yield Stage("verdict", "Judging")
    kinds = yield from kinds_part(job, examples, results, production)
    documents = needs_documents(examples, grounding)
    found = Evidence(results, forgetting(job, before, after), trained, rate, early, documents)
    report = conclude(job, model, task, examples, summary, found)
    report = advised(job, report, curve, kinds, disturbed)
    if trained is not None:
        details = model_details(job, model, task, examples, grounding)
        report = register(job, model, trained, report, details)
    lines = result_lines(examples.test, results, examples.groups)
    if not recipe.texts:
        report, lines = without_texts(report), map(line_without_texts, lines)
    write_report(report, out)
    write_results(lines, out)
    yield Said(report.verdict.sentence)
    return report
