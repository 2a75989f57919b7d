"""Odds-ratio preference optimisation (ORPO, https://arxiv.org/abs/2403.07691): answers and preferences learned at once,
without a reference.

Loss of a pair: the mean −log p of the chosen answer's tokens − β log σ(log odds of chosen − log odds of rejected), with
odds p / (1 − p) of p, the geometric mean probability of a token of the answer.

Shapes: B pairs of a microbatch.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn.functional import logsigmoid

from postgrad.models.rendering.pairs import Pair
from postgrad.models.rendering.render import Renderer, TooLong
from postgrad.training.objectives.paired import PairObjective, Sides

BETA = 0.1


class Orpo(PairObjective):
    """The objective `orpo`.

    Args:
        beta: Weight of the preference (λ in the paper); 0.1 when None.
    """

    name = "orpo"

    def __init__(
        self, renderer: Renderer, max_length: int | None = None, too_long: TooLong = "error", beta: float | None = None
    ) -> None:
        super().__init__(renderer, max_length, too_long)
        self.beta = BETA if beta is None else beta

    def judged(self, sides: Sides, pairs: Sequence[Pair]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        chosen, rejected = sides.chosen / sides.chosen_tokens, sides.rejected / sides.rejected_tokens
        preferred = -logsigmoid(_log_odds(chosen) - _log_odds(rejected))
        return self.beta * preferred - chosen, self.beta * chosen, self.beta * rejected


def _log_odds(mean_B: torch.Tensor) -> torch.Tensor:
    """log(p / (1 − p)) of p = exp(mean)."""
    return mean_B - torch.log(-torch.expm1(mean_B))
