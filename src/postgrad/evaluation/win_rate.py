"""How often one answer is called better than another, with what length alone explains of it taken out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_ROUNDS, _RIDGE = 50, 1e-3


def length_controlled(wins: Sequence[float], lengths: Sequence[int], against: Sequence[int]) -> float | None:
    """The win rate of answers that are as long as their rivals'.

    A logistic regression of the outcome on tanh of the difference in length, in standard deviations, read off at
    difference 0 (https://arxiv.org/abs/2404.04475, without the terms for models and questions).

    Args:
        wins: 1, 0, or 0.5 for a tie, a question.
        lengths: Characters of the answers.
        against: Characters of their rivals.

    Returns:
        None where all lengths, or all outcomes, are alike.
    """
    y = np.asarray(wins, dtype=float)
    gap = np.asarray(lengths, dtype=float) - np.asarray(against, dtype=float)
    spread = gap.std()
    if len(y) < 2 or not spread or y.std() == 0:
        return None
    x = np.column_stack([np.ones_like(y), np.tanh(gap / spread)])
    beta, ridge = np.zeros(2), np.diag([_RIDGE, _RIDGE])
    for _ in range(_ROUNDS):
        p = 1 / (1 + np.exp(-x @ beta))
        step = np.linalg.solve(x.T @ (x * (p * (1 - p))[:, None]) + ridge, x.T @ (y - p) - ridge @ beta)
        beta = beta + step
        if np.abs(step).max() < 1e-9:
            break
    return float(1 / (1 + np.exp(-beta[0])))
