"""Contrastive preference optimisation (CPO, https://arxiv.org/abs/2401.08417): the chosen answer is preferred and
learned, without a reference.

Loss of a pair: −log σ(β (log p of chosen − log p of rejected)) + α × mean nats of the chosen answer's tokens.

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
class CpoOptions(PairOptions):
    """What `cpo` reads."""

    cpo_alpha: Annotated[float, Field(ge=0)] = 1.0
    """Weight of learning the chosen answer; 0 leaves the preference alone."""


class Cpo(PairObjective):
    """The objective `cpo`."""

    def __init__(self, setup: Setup, options: CpoOptions) -> None:
        super().__init__("cpo", setup)
        self.beta, self.alpha = options.beta, options.cpo_alpha

    def judged(self, sides: Sides, pairs: Sequence[RenderedPair]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        from torch.nn.functional import logsigmoid  # here, because the spec is read without torch

        chosen, rejected = self.beta * sides.chosen, self.beta * sides.rejected
        learned = -sides.chosen / sides.chosen_tokens
        return -logsigmoid(chosen - rejected) + self.alpha * learned, chosen, rejected


SPEC = ObjectiveSpec("cpo", "preferences", Preference, Cpo, cost_of_pairs, CpoOptions, Rates(1e-4, 1e-5))
