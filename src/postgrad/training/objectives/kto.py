"""Ratings (KTO, https://arxiv.org/abs/2402.01306): an answer that was wanted is made likelier than the starting model
has it, one that was not less likely; no pairs are needed.

With r = log p − log p₀ of an answer and z = max(0, mean of log p − log p₀ of answers to prompts that are not theirs),
an estimate of how far the model has moved as a whole: a wanted answer costs λ (1 − σ(β(r − z))), an unwanted one
λ (1 − σ(β(z − r))). z has no gradient; it is one for a step, taken from the examples drawn for it, however they are cut
into microbatches. λ makes both kinds count alike unless told (the paper asks for a ratio of 1 to 4/3).

Shapes: B answers of a microbatch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from postgrad.models.rendering.render import Rendered
from postgrad.objectives import OPTIONS, ObjectiveSpec, Options, Rates
from postgrad.records import Rating
from postgrad.training.compute_plan import cost_of_ratings
from postgrad.training.guards.likelihoods import CHOSEN
from postgrad.training.objectives.base import Setup
from postgrad.training.objectives.paired import tensor_of
from postgrad.training.objectives.rated import RatedObjective, ratings

if TYPE_CHECKING:
    import torch

    from postgrad.training.forward import Forward


@dataclass(frozen=True, config=OPTIONS)
class KtoOptions(Options):
    """What `kto` reads."""

    beta: Annotated[float, Field(gt=0)] = 0.1
    """How strongly the model is held to the starting one."""
    desirable_weight: Annotated[float, Field(gt=0)] | None = None
    """λ of wanted answers. None: with the other one so that both kinds count alike."""
    undesirable_weight: Annotated[float, Field(gt=0)] | None = None
    """λ of unwanted answers. None: as above."""


class Kto(RatedObjective):
    """The objective `kto`."""

    def __init__(self, setup: Setup, options: KtoOptions) -> None:
        super().__init__("kto", setup, (options.undesirable_weight, options.desirable_weight))
        self.beta = options.beta

    def loss(self, forward: Forward, batch: Sequence[Rendered], step: int | None = None) -> torch.Tensor:
        """Sum over the answers of the microbatch; validation takes z from the microbatch."""
        import torch  # here, because the spec is read without it

        from postgrad.training.sequences import token_logprobs  # here: it loads torch

        own, lambdas = ratings(batch), self.lambdas or (1.0, 1.0)
        moved = self.moved if step is not None else self.measure(forward, own)
        found = token_logprobs(forward, own, step)
        sums = torch.stack([v.to(tensor_of([], v).dtype).sum() for v in found])
        ahead = sums - tensor_of([self.reference[id(e)][0] for e in own], sums) - moved
        for value, example in zip(ahead.tolist(), own, strict=True):
            side = "rewards/chosen" if example.good else "rewards/rejected"
            self.tally.add(side, self.beta * (value + moved))
            self.tally.add("rewards/accuracies", float((value > 0) == example.good))
            self.tally.add("kl", moved)
        for logps, example in zip(found, own, strict=True):
            if example.good:
                self.tally.add(CHOSEN, logps.detach().mean().item())
        sign, scale = ([1.0 if e.good else -1.0 for e in own], [lambdas[e.good] for e in own])
        wanted = torch.sigmoid(self.beta * tensor_of(sign, sums) * ahead)
        return (tensor_of(scale, sums) * (1 - wanted)).sum()


SPEC = ObjectiveSpec("kto", "ratings", Rating, Kto, cost_of_ratings, KtoOptions, Rates(1e-4, 1e-5))
