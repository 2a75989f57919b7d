"""What a test set can tell, before anything is spent on it: the smallest difference it resolves, the examples needed.

All figures are for two-sided tests of paired scores at ALPHA with 80 % power, unless told otherwise.
"""

from __future__ import annotations

import math

POWER = 0.8
ALPHA = 0.02
"""Two-sided level at which a difference is believed enough to recommend by it: a gain that is none passes in one of a
hundred."""
ASSUMED_DISCORDANCE = 0.25
"""Share of examples on which two arms differ, assumed while nothing is measured."""
FEWEST_PAIRS = 7
"""Six pairs that all favour one arm give p = 0.031: no smaller set can show anything."""


def examples_needed(difference: float, sd: float, *, power: float = POWER, alpha: float = ALPHA) -> int:
    """Test examples that show a true mean difference with that power.

    Args:
        difference: The mean paired difference to be shown, not 0.
        sd: Standard deviation of the paired differences; for right-or-wrong scores about the square root of the share
            of examples on which the arms differ.
        power: Probability of showing it.
        alpha: Two-sided level of the test.

    Raises:
        ValueError: `difference` is 0: no number of examples shows nothing.
    """
    if difference == 0:
        raise ValueError("no number of examples shows a difference of 0")
    return max(FEWEST_PAIRS, math.ceil((_quantiles(power, alpha) * sd / difference) ** 2))


def smallest_resolvable_difference(
    n: int,
    *,
    discordance: float | None = None,
    sd: float | None = None,
    power: float = POWER,
    alpha: float = ALPHA,
) -> float:
    """The smallest true paired difference that a test set of `n` shows with that power; 1.0 where it can show none.

    Args:
        n: Test examples.
        discordance: For right-or-wrong scores the share of examples on which the arms differ (at least the difference
            itself); 0.25 while nothing is measured. The power is that of McNemar's exact test.
        sd: For graded scores the standard deviation of the paired differences; takes the place of `discordance`.
        power: Probability of showing it.
        alpha: Two-sided level of the test.
    """
    if n < FEWEST_PAIRS:
        return 1.0
    if sd is not None:
        return min(1.0, _quantiles(power, alpha) * sd / math.sqrt(n))
    share = ASSUMED_DISCORDANCE if discordance is None else discordance
    low, high = 0.0, 1.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        if mcnemar_power(n, middle, max(share, middle), alpha=alpha) >= power:
            high = middle
        else:
            low = middle
    return high


def mcnemar_power(n: int, difference: float, discordance: float, *, alpha: float = ALPHA) -> float:
    """Probability that McNemar's exact test on `n` pairs is significant in the right direction.

    Sums over the number of discordant pairs, which is binomial. `discordance` is at least `difference`.
    """
    import numpy as np
    from scipy.stats import binom

    pairs = np.arange(n + 1)
    favour = (discordance + difference) / (2 * discordance)
    # The most losses among m discordant pairs that are still significant: P(X <= limit) <= alpha / 2.
    limit = binom.ppf(alpha / 2, pairs, 0.5)
    limit = np.where(binom.cdf(limit, pairs, 0.5) > alpha / 2, limit - 1, limit)
    significant = np.where(limit >= 0, binom.cdf(limit, pairs, 1 - favour), 0.0)
    return float((binom.pmf(pairs, n, discordance) * significant).sum())


def _quantiles(power: float, alpha: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(1 - alpha / 2) + NormalDist().inv_cdf(power)
