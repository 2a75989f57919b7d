"""Pairs of answers where an objective samples answers and has them graded: their prompts are answered, and they
themselves say what answers are worth. No torch: `estimate` asks too.

Without a grader a reward model is trained on the pairs first (`reward_first`); with one that was trained before
(`reward:NAME`) pairs give their prompts alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from postgrad.data.load import LoadedRecords
from postgrad.errors import UsageError
from postgrad.evaluation.metrics.support.spec import reward_model_in
from postgrad.recipe import TrainingSection
from postgrad.records import Preference, Record, Task
from postgrad.storage import sha256_json
from postgrad.training.rollouts import RolloutOptions
from postgrad.training_settings import MethodSettings

REWARD = "reward"
"""The objective that a reward model is trained with."""
_SHARED = (*MethodSettings.model_fields, "optimizer", "token_budget", "recompute", "max_length", "too_long")


def needs_reward_model(settings: TrainingSection) -> bool:
    """Whether answers are to be graded and nothing is named that does."""
    options = settings.options
    return isinstance(options, RolloutOptions) and options.grader is None and options.environment is None


def reading_objective(settings: TrainingSection, load: Callable[[], LoadedRecords]) -> str:
    """The objective whose kind of records is read: `reward`, where data for graded answers are pairs.

    Args:
        settings: Of the training.
        load: Reads the data; called only where it decides.

    Raises:
        UsageError: nothing grades answers, and the data are no pairs to learn it from.
        DataError: the data cannot be read.
    """
    grader = settings.options.grader if isinstance(settings.options, RolloutOptions) else None
    by_model = isinstance(grader, str) and bool(reward_model_in(grader))
    if not by_model and not needs_reward_model(settings):
        return settings.objective
    if any(isinstance(r, Preference) for r in load().records[:1]):
        return REWARD
    if by_model:
        return settings.objective
    raise UsageError(
        f"The objective {settings.objective} requires a grader, or pairs from which a reward model can learn what"
        " answers are worth.",
        "Name one: --set grader=grader.json (OpenAI's form), a metric, or reward:NAME, a reward model of yours.",
    )


def reward_settings(settings: TrainingSection) -> TrainingSection:
    """How the reward model is trained: what is trained and how it is computed as the recipe says, all else as usual."""
    return TrainingSection(objective=REWARD, **{name: getattr(settings, name) for name in _SHARED})


def prompts_of(records: Sequence[Record]) -> list[Record]:
    """The prompts of pairs as tasks, each once."""
    found: dict[str, Record] = {}
    for r in records:
        if isinstance(r, Preference):
            key = sha256_json([[m.to_dict() for m in r.prompt], list(r.tools)])
            found.setdefault(key, Task(prompt=r.prompt, tools=r.tools, source=r.source))
    return list(found.values())
