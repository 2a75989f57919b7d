"""Reinforcement by groups (GRPO, https://arxiv.org/abs/2402.03300): answers are sampled, graded, and made likelier the
better they are than the others to the same prompt.

Loss of an answer with advantage A, its tokens' ratio ρ = p/p_sampled and its divergence k3
(http://joschu.net/blog/kl-approx.html) from the starting model: the mean over its tokens of −min(ρA, clip(ρ)A) + βρk3,
with A = (reward − mean of the group) / standard deviation of the group; the ρ before k3 makes its gradient that of the
reverse divergence (https://arxiv.org/abs/2512.02556). `dr_grpo` (https://arxiv.org/abs/2503.20783)
leaves out the division by the deviation, and divides by the longest possible answer instead of each answer's length:
both favour some answers over others for no good reason. With `ratio_level` sequence the ratio is the answer's, the
geometric mean of its tokens' (GSPO, https://arxiv.org/abs/2507.18071); `ratio_clip_high` follows what becomes likelier
further than what becomes less likely (DAPO, https://arxiv.org/abs/2503.14476).

Shapes: N tokens of one answer.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from postgrad.objectives import OPTIONS, ObjectiveSpec, Rates
from postgrad.records import Task
from postgrad.training.compute_plan import cost_of_rollouts
from postgrad.training.objectives.base import Setup
from postgrad.training.rollouts import RolloutObjective, RolloutOptions
from postgrad.training.sampled.attempt import Attempt, TokenLogprobs

if TYPE_CHECKING:
    import torch

TINY = 1e-4


@dataclass(frozen=True, config=OPTIONS)
class GrpoOptions(RolloutOptions):
    """What `grpo` reads."""

    loss: Literal["grpo", "dr_grpo"] = "grpo"
    """Whether advantages are divided by the group's deviation and tokens averaged in each answer (grpo), or neither
    (dr_grpo)."""
    beta: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the divergence (k3) from the starting model; 0: none, and it is not asked."""
    ratio_clip: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """How far a token is followed whose probability moves from what it was when sampled: 1 plus or minus this."""
    ratio_clip_high: Annotated[float, Field(gt=0)] | None = None
    """How far above 1, if not as far as below."""
    ratio_level: Literal["token", "sequence"] = "token"
    """Whether the ratio is that of each token or of the whole answer."""

    @property
    def refers(self) -> bool:
        return self.beta > 0

    def fault(self, objective: str) -> str:
        if self.ratio_level == "sequence" and self.loss == "dr_grpo":
            return "a ratio of the whole answer (ratio_level sequence) goes with loss grpo"
        return super().fault(objective)


class Grpo(RolloutObjective):
    """The objective `grpo`."""

    def __init__(self, setup: Setup, options: GrpoOptions) -> None:
        super().__init__("grpo", setup, options, figures=("kl", "clip_ratio"))
        self.beta, self.divides, self.whole = options.beta, options.loss == "grpo", options.ratio_level == "sequence"
        self.least, self.most = 1 - options.ratio_clip, 1 + (options.ratio_clip_high or options.ratio_clip)

    def advantages(self, rewards: Sequence[float]) -> list[float]:
        return advantages(rewards, divide=self.divides)

    def teaches(self, attempt: Attempt) -> bool:
        return bool(attempt.advantage or self.beta)

    def loss_of(self, attempt: Attempt, found: TokenLogprobs) -> torch.Tensor:
        moved_N = found.now - found.sampled
        ratio_N = (moved_N.mean().expand_as(moved_N) if self.whole else moved_N).exp()
        clipped_N = ratio_N.clamp(self.least, self.most)
        losses_N = -(ratio_N * attempt.advantage).minimum(clipped_N * attempt.advantage)
        self.tally.add("clip_ratio", (clipped_N != ratio_N).sum().item(), len(ratio_N))
        if found.reference is not None:
            away_N = found.reference - found.now
            k3_N = away_N.exp() - away_N - 1
            losses_N = losses_N + self.beta * ratio_N * k3_N
            self.tally.add("kl", k3_N.sum().item(), len(k3_N))
        return losses_N.sum() / (len(losses_N) if self.divides else self.options.answer_tokens)


def advantages(rewards: Sequence[float], *, divide: bool) -> list[float]:
    """How much better each answer is than the mean of its group, in its standard deviations if `divide`; 0 where all
    are equal."""
    if len(set(rewards)) < 2:
        return [0.0] * len(rewards)
    mean = sum(rewards) / len(rewards)
    scale = statistics.stdev(rewards) + TINY if divide else 1.0
    return [(r - mean) / scale for r in rewards]


SPEC = ObjectiveSpec(
    "grpo",
    "answers that --set grader=… grades",
    Task,
    Grpo,
    cost_of_rollouts,
    GrpoOptions,
    Rates(3e-4, 1e-5),
    needs=("reward",),
    validates_itself=True,
)
