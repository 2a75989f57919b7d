"""Odds-ratio preference optimisation (ORPO, https://arxiv.org/abs/2403.07691): answers and preferences learned at once,
without a reference.

Loss of a pair: the mean −log p of the chosen answer's tokens − β log σ(log odds of chosen − log odds of rejected), with
odds p / (1 − p) of p, the geometric mean probability of a token of the answer.

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
class OrpoOptions(PairOptions):
    """What `orpo` reads."""

    beta: Annotated[float, Field(ge=0)] = 0.1
    """Weight of the preference (λ in the paper)."""


class Orpo(PairObjective):
    """The objective `orpo`."""

    def __init__(self, setup: Setup, options: OrpoOptions) -> None:
        super().__init__("orpo", setup)
        self.beta = options.beta

    def judged(self, sides: Sides, pairs: Sequence[RenderedPair]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        from torch.nn.functional import logsigmoid  # here, because the spec is read without torch

        chosen, rejected = sides.chosen / sides.chosen_tokens, sides.rejected / sides.rejected_tokens
        preferred = -logsigmoid(_log_odds(chosen) - _log_odds(rejected))
        return self.beta * preferred - chosen, self.beta * chosen, self.beta * rejected


def _log_odds(mean_B: torch.Tensor) -> torch.Tensor:
    """log(p / (1 − p)) of p = exp(mean)."""
    return mean_B - (-mean_B.expm1()).log()


SPEC = ObjectiveSpec("orpo", "preferences", Preference, Orpo, cost_of_pairs, OrpoOptions, Rates(1e-4, 1e-5))
