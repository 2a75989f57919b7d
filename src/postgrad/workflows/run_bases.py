"""Which base is worth tuning: the same job for each base, each with its own report, and one report over all.

Every base runs `workflows.run` with the same split and seed; what it measured is kept as always. With `max_minutes` the
untrained arms of all bases come first, and only the bases that can still win are trained.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from postgrad.arm_kinds import is_trained
from postgrad.data.sources.in_memory import InMemory
from postgrad.decision.base_race import still_in
from postgrad.errors import UsageError
from postgrad.evaluation.statistics.scores import compare_arms
from postgrad.models.base_models import find_model
from postgrad.pages.answers_page import write_answers
from postgrad.pages.report_page import write_report
from postgrad.progress import Said, Stage, Working
from postgrad.recipe import Recipe, merged
from postgrad.report.results import read_results, write_results
from postgrad.report.run_report import Report
from postgrad.steps.arms.named_models import base_label
from postgrad.steps.base_files import bases_of
from postgrad.steps.reporting.advice import briefed
from postgrad.steps.reporting.bases_report import BaseRun, bases_report, best_untrained, common_results, merged_lines
from postgrad.steps.reporting.compared_runs import read_report
from postgrad.steps.time_budget import SMALLEST_CAP
from postgrad.storage import StageStore, check_writable, name_from, stage_key
from postgrad.workflows.run import run

LEAST_MINUTES = 1.0


def run_bases(
    recipe: Recipe, paths: Sequence[Path | InMemory], out: Path, stopped: Callable[[], bool] = lambda: False
) -> Working[Report]:
    """The main job for every base in `recipe.base`.

    Args:
        recipe: Its `base` names two or more, separated by commas.
        paths: The user's files.
        out: Folder; each base's report goes into a folder of its own in it.
        stopped: Asked often.

    Raises:
        PostgradError: with one clear message; the same command goes on where it stopped.
    """
    check_writable(out)
    labels = _labels(bases_of(recipe.base))
    for base in labels.values():
        find_model(base)  # all refusals before the first base is measured
    began = time.monotonic()
    trains = any(map(is_trained, recipe.evaluation.arms))
    plan: Mapping[str, float | None] = dict.fromkeys(labels)
    out_of_it: dict[str, str] = {}
    runs: dict[str, BaseRun] = {}
    if recipe.max_minutes is not None and recipe.data.max_test is None:
        recipe = merged(recipe, {"data.max_test": SMALLEST_CAP})  # of all bases alike, however the minutes are shared
    if trains and recipe.max_minutes is not None:
        for label, base in labels.items():
            yield Stage("bases", f"{label}: measuring the arms that need no training")
            runs[label] = yield from _one(_untrained(recipe), recipe, label, base, paths, out, stopped)
        left = recipe.max_minutes - (time.monotonic() - began) / 60
        plan, out_of_it = _planned(recipe, runs, left)
        for said in (f"{label}: {why}" for label, why in out_of_it.items()):
            yield Said(said)
        minutes = ", ".join(f"{label} {part:.1f}" for label, part in plan.items() if part is not None)
        yield Said(f"Minutes for training and what follows: {minutes}.")
    for label in plan:
        yield Stage("bases", f"{label}: the whole job")
        recipe_of_base = merged(recipe, {"max_minutes": plan[label]})
        runs[label] = yield from _one(recipe_of_base, recipe, label, labels[label], paths, out, stopped)

    yield Stage("verdict", "Judging the bases")
    ordered = [runs[label] for label in labels]
    results, note = common_results(ordered)
    if note:
        yield Said(note, warning=True)
    report = briefed(bases_report(recipe, ordered, results, out_of_it, note, time.monotonic() - began))
    write_report(report, out)
    write_results(merged_lines(ordered), out)
    if recipe.texts:
        write_answers(report, out)
    yield Said(report.verdict.sentence)
    return report


def _one(
    recipe: Recipe,
    plan: Recipe,
    label: str,
    base: str,
    paths: Sequence[Path | InMemory],
    out: Path,
    stopped: Callable[[], bool],
) -> Working[BaseRun]:
    """One base's job, with a model's name of its own; `plan` is the command's recipe."""
    name = recipe.name or name_from(Path(paths[0]).stem, "model").lower()
    folder = out / label
    own = merged(recipe, {"base": base, "name": f"{name}-{label}"})
    yield from run(own, paths, folder, stopped, plan)
    return BaseRun(label, base, read_report(folder), {line.hash: line for line in read_results(folder)})


def _untrained(recipe: Recipe) -> Recipe:
    arms = [arm for arm in recipe.evaluation.arms if not is_trained(arm)]
    if not arms:
        raise UsageError(
            "With --max-minutes the bases are chosen by their untrained arms, and none is listed.",
            "Name one: --arms prompted,fine_tuned. Or leave --max-minutes out.",
        )
    evaluation = recipe.evaluation.model_copy(update={"arms": arms, "general": False})
    return recipe.model_copy(update={"evaluation": evaluation, "max_minutes": None})


def _planned(
    recipe: Recipe, runs: Mapping[str, BaseRun], left: float
) -> tuple[dict[str, float | None], dict[str, str]]:
    """Minutes for each base that is trained, and why the others are not; kept, so that the same command plans alike."""
    store = StageStore.default()
    inputs = {
        "recipe": recipe.model_dump(mode="json"),
        "data": {label: one.report.data.hash for label, one in runs.items()},
        "scores": {label: [[a.name, a.score] for a in one.report.arms] for label, one in runs.items()},
    }
    key = stage_key(inputs, ("decision",))
    kept = store.get("bases", key)
    if kept is None:
        results, _ = common_results(list(runs.values()))
        best = {label: best_untrained(label, results) for label in runs}
        chosen, out_of_it = still_in(best, compare_arms(list(best.values())))
        share = max(LEAST_MINUTES, round(left / len(chosen), 1))
        kept = {"minutes": dict.fromkeys(chosen, share), "out": out_of_it}
        store.put("bases", key, inputs, kept)
    return kept["minutes"], kept["out"]


def _labels(bases: Sequence[str]) -> dict[str, str]:
    """Bases by a short name, which is the folder's too."""
    out: dict[str, str] = {}
    for base in bases:
        label = base_label(base)
        out[label if label not in out else f"{label}-{len(out) + 1}"] = base
    return out
