"""More items for the forgetting test, where those measured could not show a loss that matters and time is left.

How many are needed follows from how many items changed, either way, never from whether the score fell: looking twice
would otherwise make false alarms likelier.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from postgrad.decision.wording import points
from postgrad.evaluation.battery.judging import pooled_choice, reach
from postgrad.models.language_model import LanguageModel
from postgrad.progress import Said, Working
from postgrad.recipe import Recipe
from postgrad.records import Record
from postgrad.steps.context import RunContext
from postgrad.steps.examination.forgetting import BLOCK, General, benchmark_scores
from postgrad.steps.fitting.training import Result

TO_BE_SEEN = 0.05
"""A loss over all items of multiple choice that should be seen four times in five."""
MOST = 2000
"""Items a benchmark, however much changed."""
TIME_SHARE = 0.4
"""Of the time that a run has left after training."""


def needed_items(before: General, after: General, margin: float) -> int:
    """Items a benchmark with which the loss `TO_BE_SEEN` would be seen four times in five over all of them; those
    measured where none are pooled."""
    pooled = pooled_choice(before.scores, after.scores)
    if pooled is None:
        return before.items
    beyond = max(TO_BE_SEEN - margin, 0.01)
    needed = (reach(*pooled, len(after.scores) + 1) / beyond) ** 2
    return min(MOST, math.ceil(before.items * needed / len(pooled[0])))


def more_items(
    ctx: RunContext,
    recipe: Recipe,
    model: LanguageModel,
    trained: Result,
    before: General,
    after: General,
    train: Sequence[Record],
) -> Working[tuple[General, General]]:
    """The same measurements on more items where they are needed and affordable; a number that was asked for stays.

    Afterwards the model answers with the trained weights, as before.
    """
    settings, margin = recipe.evaluation, recipe.decision.forgetting_margin
    if settings.general_items is not None:
        return before, after
    needed, left = needed_items(before, after, margin), ctx.clock.seconds_left()
    an_item = (before.choosing + after.choosing) / max(1, before.items)
    room = MOST if left is None or not an_item else int(TIME_SHARE * max(0.0, left) / an_item)
    items = min(needed, before.items + room)
    if items < before.items + BLOCK:
        return before, after
    yield Said(
        f"{before.items} items a benchmark would not show a loss of {points(TO_BE_SEEN)} points;"
        f" {items} are measured, before and after training."
    )
    model.use(None)
    first = yield from benchmark_scores(ctx, settings, model, None, train, items)
    model.use(trained.trained, trained.blob)
    then = yield from benchmark_scores(ctx, settings, model, trained.blob, train, items)
    return _with_others(first, before), _with_others(then, after)


def _with_others(more: General, found: General) -> General:
    """The larger measurement, with what the first had beside the benchmarks (neighbouring tasks)."""
    return replace(more, scores=found.scores | more.scores, answers=found.answers | more.answers)
