"""What every step of one command is given: the stores, the clock, the price of the machine, the seed, the wish to stop,
and the ledger of what it used. A door makes it from the recipe; nothing in it changes but the ledger's entries.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from postgrad.arm_kinds import FINE_TUNED, is_trained
from postgrad.blobs import Blobs
from postgrad.costs import MachinePrice, machine_price
from postgrad.errors import UsageError
from postgrad.evaluation.battery import check_names
from postgrad.json_types import JsonObject
from postgrad.models.remote.rules import SharedBudget
from postgrad.recipe import Recipe
from postgrad.report.arm_parts import LeftOutPart
from postgrad.report.registration import RegistrationPart
from postgrad.storage import StageStore, stage_key

USUAL_MINUTES = 14.0
"""A run of 500 short examples is planned for so many minutes, where no limit is given."""


@dataclass(frozen=True)
class Clock:
    """The time of a command.

    Attributes:
        started: By the monotonic clock.
        minutes: What it may take; None without a limit.
        limited: Whether the user set that limit.
    """

    started: float
    minutes: float | None = None
    limited: bool = False

    @property
    def seconds(self) -> float:
        """Seconds since it started."""
        return time.monotonic() - self.started

    def seconds_left(self) -> float | None:
        """Seconds until the limit; None without one."""
        return None if self.minutes is None else self.minutes * 60 - self.seconds

    @property
    def pace(self) -> float:
        """Minutes that the search for a prompt and the general benchmarks are sized for: the run's limit; of other
        commands the usual minutes."""
        return self.minutes or USUAL_MINUTES


@dataclass(frozen=True)
class Ledger:
    """What a command used, and what it could not do.

    Attributes:
        purse: What is spent on remote models.
        seconds: By part of the command.
        left_out: Arms, with the reason.
    """

    purse: SharedBudget = field(default_factory=SharedBudget)
    seconds: dict[str, float] = field(default_factory=dict)
    left_out: list[LeftOutPart] = field(default_factory=list)

    def took(self, what: str, seconds: float) -> None:
        """Notes the time of a part; what is done in several goes is added up."""
        self.seconds[what] = self.seconds.get(what, 0.0) + seconds

    def leave_out(self, arm: str, reason: str) -> None:
        """Notes an arm that was not measured."""
        self.left_out.append(LeftOutPart(name=arm, reason=reason))

    def seconds_part(self, clock: Clock, **more: float) -> dict[str, float]:
        """The report's seconds: of each part, and of the command until now."""
        parts = {**self.seconds, **more, "this command": clock.seconds}
        return {what: round(value, 1) for what, value in parts.items()}


@dataclass(frozen=True)
class RunContext:
    """What the steps of one command share.

    Attributes:
        stopped: Asked often; when it turns true, the work stops at the next safe place with everything kept.
        seed: Of everything random.
        price_per_hour: What an hour of this machine costs in USD; None: from the dated facts.
        registration: What was fixed before the first arm was measured; None in commands that fix nothing.
    """

    stopped: Callable[[], bool]
    seed: int
    clock: Clock
    ledger: Ledger
    price_per_hour: float | None = None
    registration: RegistrationPart | None = None
    store: StageStore = field(default_factory=StageStore.default)
    blobs: Blobs = field(default_factory=Blobs)

    @classmethod
    def of(cls, recipe: Recipe, stopped: Callable[[], bool]) -> RunContext:
        """From the recipe's values.

        Raises:
            UsageError: arms or benchmarks that do not go together.
        """
        evaluation = recipe.evaluation
        check_names(evaluation.benchmarks)
        trained = [arm for arm in evaluation.arms if is_trained(arm)]
        if trained and FINE_TUNED not in trained:
            raise UsageError(f"The arm {trained[0]} needs the arm {FINE_TUNED}.", "Name both in --arms.")
        clock = Clock(time.monotonic(), recipe.max_minutes, limited=recipe.max_minutes is not None)
        ledger = Ledger(SharedBudget(evaluation.remote_budget_usd))
        return cls(stopped, recipe.seed, clock, ledger, recipe.decision.price_per_hour)

    @property
    def look(self) -> int:
        """Which look at the test part this command takes."""
        return self.registration.look if self.registration else 1

    @functools.cached_property
    def price(self) -> MachinePrice:
        """What this machine costs; imports torch, which knows the machine."""
        import torch

        from postgrad.models.device import device_kind  # here: it imports torch

        if device_kind() == "cuda":
            return machine_price("cuda", self.price_per_hour, torch.cuda.get_device_name())
        return machine_price("cpu", self.price_per_hour)

    def kept(
        self, stage: str, inputs: Mapping[str, object], packages: tuple[str, ...]
    ) -> tuple[str, JsonObject | None]:
        """The key of a stage and its stored result, if there is one."""
        key = stage_key(inputs, packages)
        return key, self.store.get(stage, key)
