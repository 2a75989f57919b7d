"""One job: the recipe, the stores, the clock, and the base model once it is loaded."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

from postgrad.arm_kinds import FINE_TUNED, is_trained
from postgrad.costs import MachinePrice, machine_price
from postgrad.errors import UsageError
from postgrad.evaluation.battery import check_names
from postgrad.models.base_models import BaseModel, at_hand, find_model
from postgrad.models.language_model import LanguageModel
from postgrad.models.remote.rules import SharedBudget
from postgrad.models.rendering.render import Renderer, load_renderer
from postgrad.progress import Said, Working
from postgrad.recipe import Recipe
from postgrad.report.run_report import LeftOutPart
from postgrad.storage import Blobs, StageStore, name_from, stage_key

USUAL_MINUTES = 14.0
"""A run of 500 short examples is planned for so many minutes, where no limit is given."""


class Job:
    """What the steps of one run share."""

    def __init__(self, recipe: Recipe, stopped: Callable[[], bool]) -> None:
        self.recipe, self.stopped = recipe, stopped
        self.limited = recipe.max_minutes is not None  # by who asked for the run
        self.store, self.blobs = StageStore.default(), Blobs()
        self.started = time.monotonic()
        self.seconds: dict[str, float] = {}
        self.base: BaseModel | None = None
        self.model: LanguageModel | None = None
        self.purse = SharedBudget(recipe.evaluation.remote_budget_usd)
        self.left_out: list[LeftOutPart] = []
        check_names(recipe.evaluation.benchmarks)
        trained = [arm for arm in recipe.evaluation.arms if is_trained(arm)]
        if trained and FINE_TUNED not in trained:
            raise UsageError(f"The arm {trained[0]} needs the arm {FINE_TUNED}.", "Name both in --arms.")

    @property
    def trains(self) -> bool:
        return FINE_TUNED in self.recipe.evaluation.arms

    @functools.cached_property
    def price(self) -> MachinePrice:
        import torch

        return machine_price("cuda" if torch.cuda.is_available() else "cpu", self.recipe.decision.price_per_hour)

    def model_name(self, data_name: str) -> str:
        """The resulting model's name: as wished, or from the first file's name."""
        return self.recipe.name or name_from(data_name, "model").lower()

    def find_base(self) -> Working[BaseModel]:
        """The base model's files, fetched if need be."""
        if self.base is None:
            if not at_hand(self.recipe.base):
                yield Said(f"Fetching the base model {self.recipe.base} (once)")
            self.base = find_model(self.recipe.base)
        return self.base

    def renderer(self) -> Working[Renderer]:
        """The base's renderer; imports no torch."""
        base = yield from self.find_base()
        return load_renderer(base.folder, base.context)

    def load(self) -> Working[LanguageModel]:
        """The base model in memory."""
        base = yield from self.find_base()
        self.model = model = LanguageModel(base)
        rates = ", ".join(f"{name} {rate:.0f} GFLOP/s" for name, rate in model.device.gflops.items())
        yield Said(
            f"{model.name}: {model.parameters / 1e6:.0f} M parameters, computing in {model.device.dtype} on"
            f" {model.device.name} ({rates})."
        )
        return model

    def seconds_left(self) -> float | None:
        """Seconds until `max_minutes` is over; None without a limit."""
        if self.recipe.max_minutes is None:
            return None
        return self.recipe.max_minutes * 60 - (time.monotonic() - self.started)

    @property
    def pace(self) -> float:
        """Minutes that the search for a prompt and the general benchmarks are sized for: the run's limit; of other
        commands the usual minutes."""
        return self.recipe.max_minutes or USUAL_MINUTES

    def took(self, what: str, seconds: float) -> None:
        """Notes the time of a part of the run; what is done in several goes is added up."""
        self.seconds[what] = self.seconds.get(what, 0.0) + seconds

    def kept(self, stage: str, inputs: Mapping[str, Any], packages: tuple[str, ...]) -> tuple[str, Any | None]:
        """The key of a stage and its stored result, if there is one."""
        key = stage_key(inputs, packages)
        return key, self.store.get(stage, key)
