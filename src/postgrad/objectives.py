"""What an objective is, told without computing it: its options, rates, records and cost. Imports no torch.

`OBJECTIVES` is the only list. The recipe, the plan of a training, a job's hyperparameters, `estimate`, the commands'
help and the docs are derived from it. To add an objective: a file like those in `training/objectives/`, and a line
here. One that lives elsewhere is named by an entry point of its package in the group `postgrad.objectives`, or is
given to a Python call as its spec (`pg.train(data, objective=SPEC)`).
"""

from __future__ import annotations

import copy
import importlib
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass as checked_dataclass
from pydantic.fields import FieldInfo

from postgrad.extensions import Extended, calling, of_its_name
from postgrad.fingerprint import fingerprint
from postgrad.records import Conversation, Record, Text

OPTIONS = ConfigDict(extra="forbid", use_attribute_docstrings=True)
"""How the options of an objective are declared."""


@checked_dataclass(frozen=True, config=OPTIONS)
class Options:
    """Settings that one objective reads; each field has a docstring, and a default that was tested."""

    def fault(self, objective: str) -> str:
        """Why these do not go together, as a sentence; empty where they do."""
        return ""


MEASURED_WIDTH, WIDTH_POWER = 576, 0.78
"""Hidden size of the model that the usual rates were measured on, and the power by which wider ones need less
(https://thinkingmachines.ai/blog/lora/: 0.775 and 0.781 in two families)."""
SHORT_STEPS = 100
"""Trainings of so many steps or fewer get a short training's rate; in longer ones it falls with their number, to the
usual one."""


@dataclass(frozen=True)
class Rates:
    """Peak rates when none is given; see design/0004-training.md.

    Attributes:
        adapters: For low-rank adapters.
        full: For whole weights.
        short: So many times the rate in short trainings, whose weights have less far to go than time to get there.
    """

    adapters: float = 1e-3
    full: float = 1e-4
    short: float = 1.0

    def of(self, method: str, width: int = MEASURED_WIDTH, steps: int = 10**9) -> float:
        """The one for a method of training.

        Args:
            width: Hidden size of the model.
            steps: Of the whole training.
        """
        usual = self.full if method == "full" else self.adapters
        hurry = 1.0 if method == "full" else min(self.short, max(1.0, self.short * SHORT_STEPS / max(1, steps)))
        return float(f"{usual * hurry * min(1.0, (MEASURED_WIDTH / width) ** WIDTH_POWER):.3g}")


@dataclass(frozen=True)
class Cost:
    """What one pass over the data computes.

    Attributes:
        sequences: Tokens of each sequence that is computed forward and backward; a prompt that several share counts
            once.
        supervised: Tokens that are learned.
        units: Sequences that come of one record.
        repeats: Optimiser steps made with what was drawn once.
        forward: Forward passes of the same tokens besides, in every pass.
        once: Forward passes of the same tokens before the first step.
        sampled: Tokens in the cache while answers are sampled.
        note: What was assumed.
    """

    sequences: list[int]
    supervised: int
    units: int = 1
    repeats: int = 1
    forward: float = 0.0
    once: float = 0.0
    sampled: int = 0
    note: str = ""


@dataclass(frozen=True)
class ObjectiveSpec:
    """An objective.

    Attributes:
        name: As in `OBJECTIVES`.
        learns: What it learns from, in one or two words for the help.
        records: The kind of record that it learns from.
        make: (`Setup`, options) → the objective at work, see training/objectives/base.py; torch is imported no earlier.
        cost: (renderer, records, max_length, too_long, options) → what a pass computes; without torch.
        options: What it reads besides the settings of all objectives.
        rates: Its usual ones.
        needs: What must be handed in besides records, by the name of its field in `Setup`: `reward`, `teacher`.
        validates_itself: Whether validation is a measure of its own instead of the mean loss.
        answers: Whether it learns the answers that stand in the records; else prompts alone do, and neither replay nor
            a blend goes with it.
        reads: Keys of the records' metadata that are learned from too.
        makes: What the trained model gives: answers, or rewards of others' answers.
    """

    name: str
    learns: str
    records: type[Record]
    make: Callable[..., Any]
    cost: Callable[..., Cost]
    options: type[Options] = Options
    rates: Rates = field(default_factory=Rates)
    needs: tuple[str, ...] = ()
    validates_itself: bool = False
    answers: bool = True
    reads: tuple[str, ...] = ()
    makes: Literal["answers", "rewards"] = "answers"

    @property
    def mixes_conversations(self) -> bool:
        """Whether general conversations may be mixed in against forgetting."""
        return self.records in (Conversation, Text) and self.answers

    @property
    def fields(self) -> dict[str, FieldInfo]:
        """Its options by name, with type, bounds, default and description."""
        found: dict[str, FieldInfo] = {}
        for kind in reversed(self.options.__mro__):  # a field that is inherited has its description above alone
            for name, info in vars(kind).get("__pydantic_fields__", {}).items():
                above, found[name] = found.get(name), copy.copy(info)
                found[name].description = info.description or (above.description if above else None)
        return found


OBJECTIVES: dict[str, str | ObjectiveSpec] = {
    "sft": "postgrad.training.objectives.sft",
    "pretrain": "postgrad.training.objectives.pretrain",
    "dpo": "postgrad.training.objectives.dpo",
    "orpo": "postgrad.training.objectives.orpo",
    "simpo": "postgrad.training.objectives.simpo",
    "cpo": "postgrad.training.objectives.cpo",
    "reward": "postgrad.training.objectives.reward",
    "kto": "postgrad.training.objectives.kto",
    "grpo": "postgrad.training.objectives.grpo",
    "rloo": "postgrad.training.objectives.rloo",
    "distill": "postgrad.training.objectives.distill",
    "ppo": "postgrad.training.objectives.ppo",
}
"""By name: the file whose `SPEC` it is, read when it is asked for; or a spec."""


def objectives() -> Mapping[str, str | ObjectiveSpec]:
    """Those of `OBJECTIVES`, of installed packages, and of the present call.

    Raises:
        UsageError: two packages offer one name, or a name of the house.
    """
    given = cast(Mapping[str, ObjectiveSpec], calling.get().objectives)  # the door takes nothing else
    return Extended("postgrad.objectives", OBJECTIVES, "objective", given, objective_of)


def objective_of(name: str, given: object) -> ObjectiveSpec:
    """What others give as an objective.

    Raises:
        UnfitError: it is no spec, or the spec of another name.
    """
    return of_its_name(given, ObjectiveSpec, name)


def names() -> list[str]:
    """Of all objectives; the house's first."""
    return list(objectives())


def spec_of(name: str) -> ObjectiveSpec:
    """The objective of that name.

    Raises:
        KeyError: there is none.
        UsageError: it cannot be loaded, or is none.
    """
    found = OBJECTIVES[name] if name in OBJECTIVES else objectives()[name]
    return found if isinstance(found, ObjectiveSpec) else importlib.import_module(found).SPEC


def others_code(name: str) -> str:
    """Which code an objective of others is, see `fingerprint`; empty for the house's, whose files are known."""
    return "" if isinstance(OBJECTIVES.get(name), str) else fingerprint(spec_of(name).make)


def owners(option: str) -> list[str]:
    """The objectives that read an option."""
    return [name for name in names() if option in spec_of(name).fields]


def option_names() -> list[str]:
    """Of all objectives."""
    return list(dict.fromkeys(option for name in names() for option in spec_of(name).fields))


def choices() -> str:
    """All objectives and what they learn from, for a command's help: `sft (answers), dpo, orpo (preferences)`."""
    groups = itertools.groupby(map(spec_of, names()), key=lambda spec: spec.learns)
    return ", ".join(f"{', '.join(spec.name for spec in specs)} ({learns})" for learns, specs in groups)
