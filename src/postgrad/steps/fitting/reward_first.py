"""Reinforcement from pairs alone (RLHF, https://arxiv.org/abs/2203.02155): the reward model that is trained on them
first, and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence

from postgrad.measures import wilson
from postgrad.models.language_model import LanguageModel
from postgrad.progress import Said, Stage, Working
from postgrad.recipe import Recipe
from postgrad.records import Record
from postgrad.steps.arms.reward_models import reward_figures
from postgrad.steps.context import RunContext
from postgrad.steps.fitting.pairs_as_prompts import reward_settings
from postgrad.steps.fitting.training import Result, trained_model, training_work
from postgrad.training.objectives.reward import QUANTILE
from postgrad.training_run import RunFolder

SHARE = 0.3
"""Of the time that is left, where there is a limit; the rest is for sampling and grading answers."""
FOLDER = "reward"


def reward_recipe(recipe: Recipe) -> Recipe:
    """The recipe by which the reward model is trained."""
    return recipe.model_copy(update={"training": reward_settings(recipe.training)})


def trained_reward(
    ctx: RunContext,
    recipe: Recipe,
    model: LanguageModel,
    pairs: Sequence[Record],
    held: Sequence[Record],
    folder: RunFolder | None,
    begin: str,
) -> Working[Result]:
    """Trains a reward model, or takes the kept result of the same training; an unfinished one goes on.

    Args:
        recipe: From `reward_recipe`.
        pairs: To learn from.
        held: To validate on.
        folder: Of the whole run, if the user names one; the reward model's own lies in it.
        begin: As for `trained_model`.

    Raises:
        PostgradError: with one clear message.
    """
    yield Stage("reward", "Training a reward model on the pairs, because no grader is named")
    left = ctx.clock.seconds_left()
    work = yield from training_work(ctx, recipe, model, pairs, held)
    own = None if folder is None else RunFolder(folder.path / FOLDER)
    result = yield from trained_model(ctx, model, work, None if left is None else SHARE * left, own, begin)
    yield doubt(result, len(held))
    return result


def doubt(result: Result, held: int) -> Said:
    """What a reader must know before answers are made by this reward model's taste.

    Args:
        held: Pairs that it was validated on.
    """
    accuracy = reward_figures(result.part)["accuracy"]
    if accuracy is None:
        return Said(
            "No pairs were held out, or nothing was learned of them: nobody knows how good it is.", warning=True
        )
    low, _ = wilson(round(accuracy * held), held, QUANTILE)
    if low <= 0.5:
        return Said(
            f"On the {held} pairs held out it is not seen to do better than a coin ({100 * accuracy:.0f} % right):"
            " answers will be made likelier by a taste that may be chance. More pairs help.",
            warning=True,
        )
    return Said(f"It orders {100 * accuracy:.0f} % of the {held} pairs that were held out as their authors did.")
