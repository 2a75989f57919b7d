"""Simple preference optimisation (SimPO, https://arxiv.org/abs/2405.14734): the mean log-probability of a token is the
reward, without a reference.

Loss of a pair: −log σ(β (mean log p of chosen − mean log p of rejected) − γ), γ being the margin that is asked for.

Shapes: B pairs of a microbatch.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn.functional import logsigmoid

from postgrad.models.rendering.pairs import Pair
from postgrad.models.rendering.render import Renderer, TooLong
from postgrad.training.objectives.paired import PairObjective, Sides

BETA, MARGIN = 2.0, 1.0


class Simpo(PairObjective):
    """The objective `simpo`.

    Args:
        beta: Scale of the reward; 2 when None.
        margin: γ, by how much the chosen reward should be higher; 1 when None.
    """

    name = "simpo"

    def __init__(
        self,
        renderer: Renderer,
        max_length: int | None = None,
        too_long: TooLong = "error",
        beta: float | None = None,
        margin: float | None = None,
    ) -> None:
        super().__init__(renderer, max_length, too_long)
        self.beta, self.margin = BETA if beta is None else beta, MARGIN if margin is None else margin

    def judged(self, sides: Sides, pairs: Sequence[Pair]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        chosen = self.beta * sides.chosen / sides.chosen_tokens
        rejected = self.beta * sides.rejected / sides.rejected_tokens
        return -logsigmoid(chosen - rejected - self.margin), chosen, rejected
