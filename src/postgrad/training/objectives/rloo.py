"""Reinforcement that leaves one out (RLOO, https://arxiv.org/abs/2402.14740): an answer is made likelier by as much as
its reward is above the mean of the *other* answers to the same prompt, and the answer as a whole is one action.

Loss of an answer with advantage A and ratio ρ = p(answer)/p_sampled(answer): −min(ρA, clip(ρ)A), where A is the reward
less the others' mean. The divergence from the starting model is part of the reward: −β (log p_sampled − log p_start),
summed over the answer.

Shapes: N tokens of one answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

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


@dataclass(frozen=True, config=OPTIONS)
class RlooOptions(RolloutOptions):
    """What `rloo` reads."""

    beta: Annotated[float, Field(ge=0)] = 0.05
    """Weight of the divergence from the starting model, which is taken off the reward; 0: none, and it is not asked."""
    ratio_clip: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """How far an answer is followed whose probability moves from what it was when sampled: 1 plus or minus this."""

    @property
    def refers(self) -> bool:
        return self.beta > 0

    @property
    def recalls(self) -> bool:
        return super().recalls or self.refers


class Rloo(RolloutObjective):
    """The objective `rloo`."""

    def __init__(self, setup: Setup, options: RlooOptions) -> None:
        super().__init__("rloo", setup, options, figures=("kl", "clip_ratio"))
        self.beta, self.ratio_clip = options.beta, options.ratio_clip

    def advantages(self, rewards: Sequence[float]) -> list[float]:
        return above_the_others(rewards)

    def settled(self, attempts: list[Attempt]) -> list[Attempt]:
        """With the divergence taken off the rewards; advantages are linear in them."""
        if not self.beta:
            return attempts
        out: list[Attempt] = []
        for first in range(0, len(attempts), self.options.samples):
            group = attempts[first : first + self.options.samples]
            away = [sum(self.old[a.number]) - sum(self.reference[a.number]) for a in group]
            self.tally.add("kl", sum(away), sum(a.supervised for a in group))
            out += [
                replace(a, advantage=a.advantage - self.beta * further)
                for a, further in zip(group, above_the_others(away), strict=True)
            ]
        return out

    def loss_of(self, attempt: Attempt, found: TokenLogprobs) -> torch.Tensor:
        ratio = (found.now.sum() - found.sampled.sum()).exp()
        clipped = ratio.clamp(1 - self.ratio_clip, 1 + self.ratio_clip)
        self.tally.add("clip_ratio", float((clipped != ratio).item()))
        return -(ratio * attempt.advantage).minimum(clipped * attempt.advantage)


def above_the_others(values: Sequence[float]) -> list[float]:
    """How much each is above the mean of the others; 0 where all are equal."""
    if len(set(values)) < 2:
        return [0.0] * len(values)
    total, others = sum(values), len(values) - 1
    return [v - (total - v) / others for v in values]


SPEC = ObjectiveSpec(
    "rloo",
    "answers that --set grader=… grades",
    Task,
    Rloo,
    cost_of_rollouts,
    RlooOptions,
    Rates(3e-4, 1e-5),
    needs=("reward",),
    validates_itself=True,
)
