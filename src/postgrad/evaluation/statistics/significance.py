"""P-values for paired scores, and what many of them at once are worth. Exact where that is cheap."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from postgrad.evaluation.statistics.intervals import tango_statistic

_ENUMERATE = 12
"""Up to so many units all 2^n sign patterns are tried."""
_FLIPS = 10_000


def mcnemar(first_only: int, second_only: int) -> float:
    """McNemar's exact two-sided test: are the pairs that differ split like coin tosses?"""
    from scipy.special import bdtr

    pairs = first_only + second_only
    return min(1.0, 2 * float(bdtr(min(first_only, second_only), pairs, 0.5))) if pairs else 1.0


def beyond_margin(tuned: NDArray[np.float64], base: NDArray[np.float64], margin: float) -> float:
    """One-sided p-value against "the paired mean of tuned minus base is -margin or more": small where more was lost.

    Tango's score test (1998) for right-or-wrong values, else Student's t.
    """
    from scipy.special import ndtr
    from scipy.stats import t

    change = tuned - base
    count = len(change)
    if np.all(np.isin(change, (-1.0, 0.0, 1.0))):
        gained, lost = int(np.count_nonzero(change > 0)), int(np.count_nonzero(change < 0))
        return float(ndtr(tango_statistic(gained, lost, count, -margin)))
    error = float(change.std(ddof=1)) / math.sqrt(count)
    if error == 0:
        return float(change.mean() >= -margin)
    return float(t.cdf((change.mean() + margin) / error, count - 1))


def sign_flip(sums: NDArray[np.float64], *, seed: int) -> float:
    """Paired permutation test, two-sided: how often random signs give a total at least as large.

    Args:
        sums: Summed difference of each independent unit (an example or a group).
        seed: Of the random signs, used beyond 12 units; then the smallest p-value is 1 in 10,001.
    """
    moving = sums[np.abs(sums) > 1e-12]
    if len(moving) == 0:
        return 1.0
    total = abs(moving.sum()) - 1e-9
    if len(moving) <= _ENUMERATE:
        bits = np.arange(2 ** len(moving))[:, None] >> np.arange(len(moving)) & 1
        return float(np.mean(np.abs((1 - 2 * bits) @ moving) >= total))
    generator = np.random.default_rng(seed)
    hits, step = 0, max(1, 2_000_000 // len(moving))
    for start in range(0, _FLIPS, step):
        signs = generator.integers(0, 2, (min(step, _FLIPS - start), len(moving)), dtype=np.int8)
        hits += int(np.count_nonzero(np.abs((1.0 - 2.0 * signs) @ moving) >= total))
    return (hits + 1) / (_FLIPS + 1)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's step-down correction (1979): adjusted p-values in the order given, valid for any dependence."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return tuple(adjusted)
