"""The power figures against simulation and against what is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from postgrad.decision.power import (
    ALPHA,
    examples_needed,
    mcnemar_power,
    smallest_resolvable_difference,
)


def test_power_of_mcnemar_by_simulation() -> None:
    generator = np.random.default_rng(0)
    n, difference, discordance = 60, 0.2, 0.3
    first, second, _ = generator.multinomial(n, [0.25, 0.05, 0.7], 4000).T
    p = np.minimum(1, 2 * stats.binom.cdf(np.minimum(first, second), first + second, 0.5))
    share = np.mean((p <= ALPHA) & (first > second))
    assert mcnemar_power(n, difference, discordance) == pytest.approx(share, abs=0.02)


def test_more_examples_resolve_less() -> None:
    found = [smallest_resolvable_difference(n) for n in (3, 7, 10, 30, 100, 300, 1000, 3000)]
    assert found == sorted(found, reverse=True)
    assert found[0] == 1.0
    assert found[3] == pytest.approx(0.285, abs=0.01)


def test_examples_and_difference_are_inverse() -> None:
    n = examples_needed(0.1, 0.5)
    assert n == 251
    assert smallest_resolvable_difference(n, sd=0.5) == pytest.approx(0.1, abs=1e-3)
    assert smallest_resolvable_difference(n, discordance=0.25) == pytest.approx(0.1, abs=0.01)


def test_nothing_shows_with_six_pairs_and_nothing_shows_no_difference() -> None:
    assert smallest_resolvable_difference(6) == 1.0
    assert examples_needed(0.9, 0.1) == 7
    with pytest.raises(ValueError, match="difference of 0"):
        examples_needed(0, 0.5)
