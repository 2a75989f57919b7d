"""A run as far as its data is read and its model loaded, for tests of what comes after."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from postgrad.models.language_model import LanguageModel
from postgrad.recipe import Recipe
from postgrad.steps.arms.making import Making
from postgrad.steps.arms.metric_resources import MeasuredModel, metric_resources
from postgrad.steps.arms.prompt_proposer import search_settings
from postgrad.steps.base_files import BaseFiles
from postgrad.steps.context import RunContext
from postgrad.steps.examples import DataSummary, Examples, Grounding, TaskSpec
from postgrad.steps.read import read_and_check
from tests.workflows.jobs import finish


@dataclass(frozen=True)
class Begun:
    """All that the steps after the beginning are given."""

    ctx: RunContext
    model: LanguageModel
    examples: Examples
    task: TaskSpec
    grounding: Grounding | None
    summary: DataSummary
    making: Making


def begun(recipe: Recipe, data: Path, stopped: Callable[[], bool] = lambda: False) -> Begun:
    """Reads, checks, splits and loads."""
    ctx, base, measured = RunContext.of(recipe, stopped), BaseFiles(recipe.base), MeasuredModel()
    resources = metric_resources(ctx, recipe.evaluation, measured)
    (_, examples, task, grounding, summary), _ = finish(read_and_check(base, recipe, resources, [data]))
    model, _ = finish(base.load())
    measured.model = model
    making = Making(ctx, model, examples, task, grounding, search_settings(ctx, recipe.evaluation))
    return Begun(ctx, model, examples, task, grounding, summary, making)
