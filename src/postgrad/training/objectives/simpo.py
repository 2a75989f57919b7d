"""Simple preference optimisation (SimPO, https://arxiv.org/abs/2405.14734): the mean log-probability of a token is the
reward, without a reference.

Loss of a pair: −log σ(β (mean log p of chosen − mean log p of rejected) − γ), γ being the margin that is asked for.

Shapes: B pairs of a microbatch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from postgrad.models.rendering.pairs import RenderedPair
from postgrad.objectives import OPTIONS, ObjectiveSpec, Rates
from postgrad.records import Preference
from postgrad.training.compute_plan import cost_of_pairs
from postgrad.training.objectives.base import Setup
from postgrad.training.objectives.paired import PairObjective, PairOptions, Sides

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, config=OPTIONS)
class SimpoOptions(PairOptions):
    """What `simpo` reads."""

    beta: Annotated[float, Field(ge=0)] = 2.0
    """Scale of the reward."""
    margin: Annotated[float, Field(ge=0)] = 1.0
    """γ: by how much the chosen answer's reward should be higher."""


class Simpo(PairObjective):
    """The objective `simpo`."""

    def __init__(self, setup: Setup, options: SimpoOptions) -> None:
        super().__init__("simpo", setup)
        self.beta, self.margin = options.beta, options.margin

    def judged(self, sides: Sides, pairs: Sequence[RenderedPair]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        from torch.nn.functional import logsigmoid  # here, because the spec is read without torch

        chosen = self.beta * sides.chosen / sides.chosen_tokens
        rejected = self.beta * sides.rejected / sides.rejected_tokens
        return -logsigmoid(chosen - rejected - self.margin), chosen, rejected


SPEC = ObjectiveSpec("simpo", "preferences", Preference, Simpo, cost_of_pairs, SimpoOptions, Rates(1e-4, 1e-5))
