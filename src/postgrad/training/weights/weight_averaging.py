"""Weight averaging with the base (WiSE-FT, https://arxiv.org/abs/2109.01903): how far to go from the base to the
trained weights.

The share is chosen on validation by the one-standard-error rule: the smallest one whose loss is not distinguishably
worse than the best one's, because the nearer to the base, the less is forgotten.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import torch

from postgrad.errors import TrainingError
from postgrad.models.adapters.trained_weights import Trained
from postgrad.models.language_model import LanguageModel
from postgrad.models.rendering.render import Rendered
from postgrad.training.batching import microbatches
from postgrad.training.forward import Forward
from postgrad.training.objectives.base import Objective

SHARES = (0.25, 0.5, 0.75, 1.0)


def best_blend(
    model: LanguageModel, trained: Trained, objective: Objective, held: Sequence[Rendered], token_budget: int
) -> tuple[Trained, str]:
    """The blended weights, and how they were chosen in words.

    Raises:
        TrainingError: there are fewer than two validation examples to choose on.
    """
    if len(held) < 2:
        raise TrainingError(
            "A blend is chosen on validation, and there are no validation examples.", "Set training.blend to false."
        )
    losses: dict[float, list[float]] = {}
    for share in SHARES:
        model.use(trained.blended(share))
        losses[share] = _losses(Forward(model), objective, held, token_budget)
    model.use(None)
    best = min(SHARES, key=lambda s: sum(losses[s]))
    chosen = next(s for s in SHARES if not_worse(losses[s], losses[best]))
    means = ", ".join(f"{s:g}: {statistics.mean(losses[s]):.3f}" for s in SHARES)
    said = f"Blend {chosen:g} of the way from the base (validation loss of an example by share: {means})."
    return trained.blended(chosen), said


def _losses(forward: Forward, objective: Objective, held: Sequence[Rendered], token_budget: int) -> list[float]:
    """Mean loss of each example."""
    with torch.no_grad():
        forward.choose([sequence for e in held for sequence in objective.sequences(e)])
        return [
            objective.loss(forward, [e]).item() / objective.weight(e)
            for micro in microbatches(held, token_budget)
            for e in micro
        ]


def not_worse(losses: Sequence[float], best: Sequence[float]) -> bool:
    """Whether the losses of the same examples are, on average, within one standard error of the best ones; of a single
    example only where it is no higher."""
    differences = [a - b for a, b in zip(losses, best, strict=True)]
    if len(differences) < 2:
        return differences[0] <= 0
    return statistics.mean(differences) <= statistics.stdev(differences) / math.sqrt(len(differences))
