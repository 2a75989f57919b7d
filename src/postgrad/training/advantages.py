"""How much better an answer's tokens were than what was to be expected: pure arithmetic, in float64.

Shapes: lists over the tokens of one answer, or of all answers of a batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

TINY = 1e-8


def generalised_advantages(
    rewards: Sequence[float], values: Sequence[float], discount: float, gae_lambda: float
) -> list[float]:
    """Aₜ = Σₗ (γλ)ˡ δₜ₊ₗ with δₜ = rₜ + γVₜ₊₁ − Vₜ (https://arxiv.org/abs/1506.02438); after the last token nothing is
    to come.

    Args:
        rewards: At each token of an answer.
        values: What was expected before each.
        discount: γ.
        gae_lambda: λ.
    """
    out, ahead, following = [0.0] * len(rewards), 0.0, 0.0
    for t in range(len(rewards) - 1, -1, -1):
        ahead = rewards[t] + discount * following - values[t] + discount * gae_lambda * ahead
        out[t], following = ahead, values[t]
    return out


def whitened(values: Sequence[float]) -> list[float]:
    """With mean 0 and variance 1 (unbiased), as they are where there is but one."""
    if len(values) < 2:
        return list(values)
    mean = math.fsum(values) / len(values)
    variance = math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1)
    return [(v - mean) / math.sqrt(variance + TINY) for v in values]
