"""A reward model: what an answer is worth, learned from preferences (Bradley and Terry, 1952; as in
https://arxiv.org/abs/2203.02155).

A scalar head reads the hidden state of the last token of prompt and answer: r. A pair costs −log σ(r of the chosen
answer − r of the rejected one − margin), with the margin of the setting or, where the record has one in its metadata,
its own (Llama 2, https://arxiv.org/abs/2307.09288). Only differences are learned that way; `centre` times the mean of
(r chosen + r rejected)² holds the rewards around zero (https://arxiv.org/abs/2312.09244).

Shapes: B pairs of a microbatch, H hidden.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from postgrad.errors import DataError
from postgrad.measures import Score, wilson
from postgrad.models.rendering.pairs import RenderedPair
from postgrad.models.rendering.render import Rendered
from postgrad.objectives import OPTIONS, ObjectiveSpec, Options, Rates
from postgrad.progress import Working
from postgrad.records import Preference
from postgrad.training.compute_plan import cost_of_pairs
from postgrad.training.objectives.base import Setup, Start
from postgrad.training.objectives.paired import PreferenceObjective, pairs_of, tensor_of

if TYPE_CHECKING:
    import torch

    from postgrad.training.forward import Forward

MARGIN = "margin"
"""The key of a record's metadata."""
QUANTILE = 1.96


@dataclass(frozen=True, config=OPTIONS)
class RewardOptions(Options):
    """What `reward` reads."""

    margin: Annotated[float, Field(ge=0)] = 0.0
    """By how much the chosen answer's reward should be above the rejected one's, where a record does not say it."""
    centre: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the mean of (chosen + rejected reward)², which holds rewards around zero; 0.01 is usual."""


class RewardModelling(PreferenceObjective):
    """The objective `reward`."""

    def __init__(self, setup: Setup, options: RewardOptions) -> None:
        super().__init__("reward", setup)
        self.margin, self.centre, self.head, self.held = options.margin, options.centre, "kept", 0

    def rendered(self, record: Preference) -> RenderedPair | None:
        pair, margin = super().rendered(record), record.meta.get(MARGIN)
        if pair is None or margin is None:
            return pair
        if isinstance(margin, bool) or not isinstance(margin, int | float) or not math.isfinite(margin):
            raise DataError(
                f"{record.source}: the margin is {margin!r}, which is no number.",
                "Give a number, or leave it out; training.margin is for all pairs.",
            )
        return replace(pair, margin=float(margin))

    def begin(self, start: Start, examples: Sequence[Rendered], held: Sequence[Rendered]) -> Working[None]:
        self.held = len(held)
        yield from ()

    def loss(self, forward: Forward, batch: Sequence[Rendered], step: int | None = None) -> torch.Tensor:
        """Sum over the pairs of the microbatch."""
        from torch.nn.functional import logsigmoid  # here, because the spec is read without torch

        from postgrad.training.sequences import answer_scores  # here: it loads torch

        pairs = pairs_of(batch)
        found = answer_scores(forward, [side for pair in pairs for side in (pair.chosen, pair.rejected)], step)
        chosen_B, rejected_B = found[0::2], found[1::2]
        margin_B = tensor_of([self.margin if p.margin is None else p.margin for p in pairs], found)
        losses_B = -logsigmoid(chosen_B - rejected_B - margin_B) + self.centre * (chosen_B + rejected_B) ** 2
        self.note(chosen_B.detach(), rejected_B.detach())
        return losses_B.sum()

    def in_words(self, metrics: dict[str, list[tuple[int, float]]], best_step: int) -> str:
        accuracy = dict(metrics.get("eval_rewards/accuracies", [])).get(best_step)
        if accuracy is None or not self.held:
            return ""
        score = Score(accuracy, *wilson(round(accuracy * self.held), self.held, QUANTILE), self.held)
        margin = dict(metrics["eval_rewards/margins"])[best_step]
        return (
            f"On {self.held} validation pairs the chosen answer gets the higher reward in {score.in_words}, by"
            f" {margin:.3f} in the mean (step {best_step})."
        )


SPEC = ObjectiveSpec(
    "reward",
    "preferences",
    Preference,
    RewardModelling,
    cost_of_pairs,
    RewardOptions,
    Rates(1e-4, 1e-5),
    reads=(MARGIN,),
    makes="rewards",
)
