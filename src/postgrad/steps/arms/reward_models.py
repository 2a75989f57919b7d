"""Registered reward models, asked for what answers are worth: by the grader of a training, and by a metric."""

from __future__ import annotations

from collections.abc import Sequence

from postgrad.blobs import Blobs
from postgrad.errors import ModelError
from postgrad.json_types import JsonObject
from postgrad.models.adapters.trained_weights import ScoringWeights, load_trained
from postgrad.models.language_model import load_model
from postgrad.models.reward_model import Asked, RewardModel
from postgrad.records import ToolDefinition
from postgrad.registry import Catalogue, ModelEntry
from postgrad.registry.names import Names
from postgrad.report.run_report import TrainingPart
from postgrad.steps.arms.registered import REWARDS, check_template

ACCURACY = "eval_rewards/accuracies"


class RegisteredRewards:
    """A registered reward model; its base is loaded when it is first asked, beside whatever else is in memory.

    Args:
        entry: In the catalogue.
        blobs: Hold what was trained.
    """

    def __init__(self, entry: ModelEntry, blobs: Blobs) -> None:
        self.entry, self._blobs = entry, blobs
        self._loaded: list[RewardModel] = []

    @property
    def identity(self) -> JsonObject:
        """All that decides its rewards, JSON-safe."""
        return {
            "blob": self.entry.blob,
            "base": self.entry.base_hash,
            "instruction": self.entry.details.get("system_prompt"),
        }

    def rewards(self, answers: Sequence[Asked], tools: Sequence[Sequence[ToolDefinition]] = ()) -> list[float]:
        """What each answer is worth, see `RewardModel.rewards`.

        Raises:
            ModelError: its base cannot be had, or is not the one that it was trained on.
            StorageError: what was trained is damaged or missing.
        """
        return self.load().rewards(answers, tools)

    def load(self) -> RewardModel:
        """The reward model in memory; read once."""
        if not self._loaded:
            self._loaded.append(self._read())
        return self._loaded[0]

    def _read(self) -> RewardModel:
        model = load_model(self.entry.base)
        check_template(self.entry, model.renderer)
        trained = load_trained(self._blobs.get_folder(self.entry.blob))
        if not isinstance(trained, ScoringWeights):
            raise no_reward_model(self.entry)
        return RewardModel(model, trained, self.entry.details.get("system_prompt"))


def registered_rewards(name: str) -> RegisteredRewards:
    """A reward model by `NAME`, `NAME@VERSION` or `NAME@ALIAS`; a bare name means the one in production, else the
    newest. Nothing is loaded yet.

    Raises:
        ModelError: there is none of that name, or it is a model that answers.
    """
    entry = Names(Catalogue()).entry(name)
    if not entry.details.get(REWARDS):
        raise no_reward_model(entry)
    return RegisteredRewards(entry, Blobs())


def no_reward_model(entry: ModelEntry) -> ModelError:
    """What is wrong with a model that answers, where one is wanted that grades."""
    return ModelError(
        f"{entry.id} is no reward model: it was trained to answer.",
        "Train one on pairs: postgrad train pairs.jsonl --objective reward --name NAME.",
    )


def reward_figures(part: TrainingPart) -> JsonObject:
    """What the catalogue keeps of a reward model's training, JSON-safe; `accuracy` is the share of the validation
    pairs that it orders as people did, None where none were held out."""
    return {"accuracy": dict(part.metrics.get(ACCURACY, [])).get(part.best_step), "in_words": part.in_words}
