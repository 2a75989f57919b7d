"""Proximal policy optimisation (PPO, https://arxiv.org/abs/1707.06347): answers are sampled and graded, a value head
says before each token what is still to come, and tokens after which more came than it said are made likelier.

An answer's reward comes at its last token; at every token −β (log p_sampled − log p_start) (the estimator k1) holds the
model to the one that it starts from. Advantages A are generalised ones (see `advantages`), whitened over the batch;
returns R are those before that, plus V. Loss of a token with the ratio ρ = p/p_sampled:
max(−ρA, −clip(ρ)A) + value_weight · ½ max((V − R)², (clip(V) − R)²), with V clipped around what it was when the answer
was sampled; the mean over all tokens of the batch.

Shapes: N tokens of one answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from postgrad.json_types import JsonObject
from postgrad.models.rendering.render import Rendered
from postgrad.objectives import OPTIONS, ObjectiveSpec, Rates
from postgrad.records import Task
from postgrad.training.advantages import generalised_advantages, whitened
from postgrad.training.compute_plan import cost_of_rollouts
from postgrad.training.objectives.base import Setup
from postgrad.training.objectives.paired import tensor_of
from postgrad.training.objectives.rloo import RlooOptions
from postgrad.training.rollouts import RolloutObjective
from postgrad.training.sampled.attempt import Attempt, TokenLogprobs

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, config=OPTIONS)
class PpoOptions(RlooOptions):
    """What `ppo` reads."""

    samples: Annotated[int, Field(ge=1, le=256)] = 4
    repeats: Annotated[int, Field(ge=1, le=16)] = 4
    ratio_clip: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """How far a token is followed whose probability moves from what it was when sampled: 1 plus or minus this."""
    gae_lambda: Annotated[float, Field(ge=0, le=1)] = 0.95
    """How far a token's advantage looks beyond what the value head says of the next: 0 one token, 1 to the end."""
    discount: Annotated[float, Field(gt=0, le=1)] = 1.0
    """What a reward counts one token earlier."""
    value_weight: Annotated[float, Field(ge=0)] = 0.1
    """Weight of the value head's loss."""
    value_clip: Annotated[float, Field(gt=0)] = 0.2
    """How far a value is followed from what it was when the answer was sampled."""

    @property
    def recalls(self) -> bool:
        return True


class Ppo(RolloutObjective):
    """The objective `ppo`."""

    compares = False

    def __init__(self, setup: Setup, options: PpoOptions) -> None:
        super().__init__("ppo", setup, options, figures=("kl", "clip_ratio", "value_loss"))
        self.own, self.head = options, "aside"
        self.targets: dict[int, tuple[list[float], list[float]]] = {}

    def advantages(self, rewards: Sequence[float]) -> list[float]:
        return list(rewards)

    def teaches(self, attempt: Attempt) -> bool:
        """The value head learns from every answer."""
        return True

    def weight(self, example: Rendered) -> float:
        """Every token counts alike."""
        return float(example.supervised)

    def settled(self, attempts: list[Attempt]) -> list[Attempt]:
        self.targets = self._targets(attempts)
        for a in attempts if self.reference else []:
            self.tally.add("kl", sum(self.old[a.number]) - sum(self.reference[a.number]), a.supervised)
        return attempts

    def load(self, state: JsonObject) -> None:
        super().load(state)
        self.targets = self._targets(self.attempts)

    def _targets(self, attempts: Sequence[Attempt]) -> dict[int, tuple[list[float], list[float]]]:
        """By answer the advantages and the returns of its tokens."""
        ahead: dict[int, list[float]] = {}
        for a in attempts:
            sampled = self.old[a.number]
            start = self.reference.get(a.number, sampled)
            rewards = [-self.own.beta * (now - then) for now, then in zip(sampled, start, strict=True)]
            rewards[-1] += a.advantage
            values = self.values[a.number]
            ahead[a.number] = generalised_advantages(rewards, values, self.own.discount, self.own.gae_lambda)
        white = iter(whitened([x for some in ahead.values() for x in some]))
        returns = {n: [x + v for x, v in zip(some, self.values[n], strict=True)] for n, some in ahead.items()}
        return {n: ([next(white) for _ in some], returns[n]) for n, some in ahead.items()}

    def loss_of(self, attempt: Attempt, found: TokenLogprobs) -> torch.Tensor:
        import torch  # here, because the spec is read without it

        assert found.values is not None, "a head is trained"
        advantages_N, returns_N = (tensor_of(some, found.now) for some in self.targets[attempt.number])
        ratio_N = (found.now - found.sampled).exp()
        clipped_N = ratio_N.clamp(1 - self.own.ratio_clip, 1 + self.own.ratio_clip)
        policy_N = torch.maximum(-ratio_N * advantages_N, -clipped_N * advantages_N)
        before_N = tensor_of(self.values[attempt.number], found.now)
        near_N = before_N + (found.values - before_N).clamp(-self.own.value_clip, self.own.value_clip)
        value_N = torch.maximum((found.values - returns_N) ** 2, (near_N - returns_N) ** 2) / 2
        self.tally.add("clip_ratio", (clipped_N != ratio_N).sum().item(), len(ratio_N))
        self.tally.add("value_loss", value_N.sum().item(), len(value_N))
        return (policy_N + self.own.value_weight * value_N).sum()


SPEC = ObjectiveSpec(
    "ppo",
    "answers that --set grader=… grades",
    Task,
    Ppo,
    cost_of_rollouts,
    PpoOptions,
    Rates(3e-4, 1e-5),
    needs=("reward",),
    validates_itself=True,
)
