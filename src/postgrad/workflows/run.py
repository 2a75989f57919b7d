"""The whole story in one readable function: examples in, verdict out, model registered. Read this first.

`run` is a generator: it yields what a terminal, a server or a studio shows, and returns the report. Each stage's result
is kept under the hash of its inputs, so the same command again redoes only what changed. What a stage does in detail
stands in `steps/`, what it is made of in the stage's own folder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from postgrad.arm_kinds import GOOD_ANSWERS, is_trained
from postgrad.data.sources.in_memory import InMemory
from postgrad.evaluation.measure import room_for_answers
from postgrad.pages.answers_page import write_answers
from postgrad.pages.report_page import write_report
from postgrad.progress import Said, Stage, Working
from postgrad.recipe import Recipe
from postgrad.report.redaction import lines_without_texts, without_texts
from postgrad.report.results import write_results
from postgrad.report.run_report import Report
from postgrad.steps.arms.making import Making, fine_tuned_arms, untrained_arms
from postgrad.steps.arms.measuring import measure_arms
from postgrad.steps.arms.metric_resources import MeasuredModel, metric_resources
from postgrad.steps.arms.prompt_proposer import search_settings
from postgrad.steps.arms.race import race
from postgrad.steps.arms.remote_arms import measure_remotes, refuse_no_results
from postgrad.steps.arms.remote_models import remote_arms, task_writer
from postgrad.steps.base_choice import with_chosen_base
from postgrad.steps.base_files import BaseFiles, bases_of
from postgrad.steps.conclude import Evidence, conclude, model_details, register
from postgrad.steps.context import RunContext
from postgrad.steps.course import course
from postgrad.steps.examination.automation import automation
from postgrad.steps.examination.forgetting import forgetting
from postgrad.steps.examination.more_items import more_items
from postgrad.steps.examination.must_pass import must_pass, must_pass_cases
from postgrad.steps.examination.neighbours import general_ability, neighbours
from postgrad.steps.examination.request_kinds import kinds_part, production_requests
from postgrad.steps.examination.robustness import best_arms, disturbance_seconds, disturbances
from postgrad.steps.examination.voice import voices
from postgrad.steps.examination.win_rates import win_rates
from postgrad.steps.fitting.before_training import before_training, needs_documents
from postgrad.steps.fitting.good_answers import good_answers, teaches_answers
from postgrad.steps.fitting.learning_curve import CurvePlan, learning_curve
from postgrad.steps.fitting.training import seconds_for_training, train_model
from postgrad.steps.named_start import with_named_start
from postgrad.steps.read import read_and_check
from postgrad.steps.registration import registered
from postgrad.steps.reporting.advice import advised
from postgrad.steps.reporting.result_lines import result_lines
from postgrad.steps.task_sentence import told_by_base
from postgrad.steps.time_budget import usual_limit
from postgrad.storage import check_writable, home


def run(
    recipe: Recipe,
    paths: Sequence[Path | InMemory],
    out: Path,
    stopped: Callable[[], bool] = lambda: False,
    plan: Recipe | None = None,
) -> Working[Report]:
    """The main job.

    Args:
        recipe: All settings.
        paths: The user's files, or what is in memory.
        out: Folder for `report.json`, `report.html` and `results.jsonl`.
        stopped: Asked often; when it turns true, the work stops at the next safe place with everything kept.
        plan: The recipe of the whole command, where this run is a part of it: the command is one look at the test part.

    Raises:
        PostgradError: with one clear message; the same command goes on where it stopped.
    """
    check_writable(home())
    check_writable(out)
    recipe = yield from with_chosen_base(recipe)
    base, measured = BaseFiles(recipe.base), MeasuredModel()
    recipe = yield from with_named_start(recipe, base)
    ctx, wishes = RunContext.of(recipe, stopped), recipe.evaluation
    remotes, search = remote_arms(ctx, wishes), search_settings(ctx, wishes)
    writer = task_writer(ctx, wishes)
    resources = metric_resources(ctx, wishes, measured)

    trains = any(map(is_trained, wishes.arms))
    planned = partial(
        course,
        general=wishes.general or bool(wishes.also_keep),
        disturbed=wishes.perturb is not False,
        must_pass=bool(wishes.must_pass),
        curve=wishes.curve != [],
    )
    yield planned(ctx.clock.minutes, trains=trains)
    yield Stage("data", "Reading, checking and splitting the examples")
    production = yield from production_requests(wishes.production)
    cases = yield from must_pass_cases(recipe)
    kept = yield from neighbours(wishes, resources)
    recipe, examples, task, grounding, summary = yield from read_and_check(base, recipe, resources, paths, writer)
    ctx = replace(ctx, clock=(yield from usual_limit(ctx.clock, summary)))
    if examples.material is not None:
        planned = partial(
            planned,
            curve=False,
            wanted_answers=GOOD_ANSWERS in wishes.arms and not examples.raw,
            win_rates=bool(wishes.judge) and not examples.raw,
            voice=examples.raw,
        )
    yield planned(ctx.clock.minutes, trains=trains)
    ctx = replace(ctx, registration=(yield from registered(plan or recipe, task, examples)))

    yield Stage("model", f"Loading the base model {recipe.base}")
    model = measured.model = yield from base.load()
    task = yield from told_by_base(ctx, model, task, examples)
    making = Making(ctx, model, examples, task, grounding, search)

    yield Stage("arms", "Measuring the arms that need no training")
    arms = ways = yield from untrained_arms(making, wishes.arms)
    staged = wishes.sequential if task.choice.reads_answers else False  # likelihoods take no time worth saving
    results = yield from race(ctx, staged, examples, arms, partial(measure_arms, ctx, model, task))
    room = wishes.remote_max_tokens or room_for_answers(model, examples.known)[0]
    results += yield from measure_remotes(ctx, room, task, examples, remotes, ways)
    if not trains:
        refuse_no_results(ctx.ledger, results)
    early = yield from before_training(ctx, recipe, model, task, examples, grounding, results)
    trains = trains and early.stop is None
    yield planned(ctx.clock.minutes, trains=trains)

    before = None
    if trains and (wishes.general or kept):
        yield Stage("general", "Measuring general ability before training")
        before = yield from general_ability(ctx, wishes, model, None, kept, examples.train)

    trained = rival = after = None
    if trains:
        if examples.material is not None and GOOD_ANSWERS in wishes.arms and teaches_answers(examples):
            seconds = seconds_for_training(ctx, wishes, results, before)
            rival, measured_rival = yield from good_answers(making, recipe.training, seconds and seconds / 2)
            results += measured_rival
        yield Stage("training", "Training")
        seconds = seconds_for_training(ctx, wishes, results, before)
        trained = yield from train_model(ctx, model, examples, grounding, recipe, seconds)

        yield Stage("fine_tuned", "Measuring the fine-tuned model on the same examples")
        model.use(trained.trained, trained.blob)
        arms = yield from fine_tuned_arms(making, wishes.arms)
        ways = [*ways, *arms]
        results += yield from measure_arms(ctx, model, task, examples, arms, trained.blob)
        if before is not None:
            yield Stage("forgetting", "Measuring general ability after training")
            after = yield from general_ability(ctx, wishes, model, trained.blob, kept, examples.train, like=before)
            if after is not None:
                before, after = yield from more_items(ctx, recipe, model, trained, before, after, examples.train)

    yield Stage("automation", "Measuring what can be answered without human review")
    local, bases = {arm.name for arm in arms}, len(bases_of((plan or recipe).base))
    wanted = recipe.decision.target_accuracy
    rate = yield from automation(examples, task.choice, local, results, wanted, bases, ctx.look)

    perturbed = wishes.perturb is not False and task.choice.primary.judges_answers
    best = best_arms(ways, results) if perturbed else []
    limit = None if wishes.perturb else disturbance_seconds(ctx.clock, results, trained)
    disturbed = yield from disturbances(ctx, model, task, examples, best, trained, limit)
    passed = yield from must_pass(ctx, wishes, model, task, examples, cases, ways, results, trained)
    curve = yield from learning_curve(making, CurvePlan.of(recipe), ways, results, trained)

    preferred = yield from win_rates(resources, examples, results, wishes.votes)
    voice = yield from voices(task.choice, examples, results)

    yield Stage("verdict", "Judging")
    kinds = yield from kinds_part(ctx.seed, examples, results, production)
    documents = needs_documents(examples, grounding)
    general = forgetting(recipe.decision.forgetting_margin, before, after, wanted=wishes.general or bool(kept))
    found = Evidence(results, general, trained, rate, early, documents, ctx.registration, passed, preferred, voice)
    report = conclude(ctx, recipe, model, task, examples, summary, found)
    report = advised(report, curve, kinds, disturbed, recipe.decision.smallest_worth)
    if trained is not None:
        details = model_details(ctx.blobs, model, task, examples, grounding, results, paths, recipe.texts)
        report = register(ctx.blobs, recipe, model, trained, report, details, rival)
    lines = result_lines(examples.test, results, examples.groups)
    if not recipe.texts:
        report, lines = without_texts(report), lines_without_texts(lines)
    write_report(report, out)
    write_results(lines, out)
    if recipe.texts:
        write_answers(report, out)
    yield Said(report.verdict.sentence)
    return report
