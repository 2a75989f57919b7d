"""Agreement of a judge with people beyond chance: Cohen's kappa (1960; with quadratic weights for points, 1968)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from postgrad.json_types import JsonObject

RESAMPLES = 2000
_WORDS = ((0.0, "no better than chance"), (0.2, "slight"), (0.4, "fair"), (0.6, "moderate"), (0.8, "substantial"))


@dataclass(frozen=True, slots=True)
class Agreement:
    """Kappa with its 95 % percentile-bootstrap interval over `n` judgements, and the plain share of equal ones."""

    kappa: float
    low: float
    high: float
    equal: float
    n: int

    def to_dict(self) -> JsonObject:
        return asdict(self)

    def sentence(self, name: str) -> str:
        """For the reader of the scores."""
        word = next((w for most, w in _WORDS if self.kappa <= most), "almost perfect")
        return (
            f"{name} agrees with people on {self.n} judgements: kappa {self.kappa:.2f} (95 % interval {self.low:.2f} to"
            f" {self.high:.2f}, {word}), {100 * self.equal:.0f} % equal."
            + (" That it does better than chance is not shown." if self.low <= 0 else "")
        )


def cohen_kappa(left: Sequence[Hashable], right: Sequence[Hashable], *, weighted: bool = False) -> float:
    """Agreement beyond chance: 1 is full, 0 what chance gives; 0 too where both always say the same one thing.

    Args:
        left: The judgements of one.
        right: Of the other, in the same order.
        weighted: Judgements are whole numbers, and being far off counts as the square of the distance.
    """
    index = {v: i for i, v in enumerate(sorted(set(left) | set(right), key=str))}
    table = np.zeros((len(index), len(index)))
    np.add.at(table, ([index[v] for v in left], [index[v] for v in right]), 1)
    return float(_kappas(table[None], _weights(list(index), weighted))[0])


def agreement(
    people: Sequence[Hashable], judge: Sequence[Hashable], *, weighted: bool = False, seed: int = 0
) -> Agreement:
    """Kappa of a judge against people with its interval; needs at least one judgement."""
    values = sorted(set(people) | set(judge), key=str)
    index = {v: i for i, v in enumerate(values)}
    left, right = np.array([index[v] for v in people]), np.array([index[v] for v in judge])
    weights, size, count = _weights(values, weighted), len(values), len(left)
    dice = np.random.default_rng(seed)
    cells = np.bincount(left * size + right, minlength=size * size)
    tables = dice.multinomial(count, cells / count, size=RESAMPLES).reshape(RESAMPLES, size, size)
    low, high = np.quantile(_kappas(tables.astype(float), weights), [0.025, 0.975])
    equal = float(np.mean(left == right))
    kappa = _kappas(cells.reshape(1, size, size).astype(float), weights)[0]
    return Agreement(float(kappa), float(low), float(high), equal, count)


def _weights(values: Sequence[Any], weighted: bool) -> np.ndarray:
    if not weighted:
        return 1.0 - np.eye(len(values))
    numbers = np.array([float(v) for v in values])
    return (numbers[:, None] - numbers[None, :]) ** 2


def _kappas(tables_RKK: np.ndarray, weights_KK: np.ndarray) -> np.ndarray:
    """Kappa of each of R tables of K by K counts."""
    totals = tables_RKK.sum(axis=(1, 2))
    by_chance = tables_RKK.sum(axis=2)[:, :, None] * tables_RKK.sum(axis=1)[:, None, :] / totals[:, None, None]
    expected = (weights_KK * by_chance).sum(axis=(1, 2))
    found = (weights_KK * tables_RKK).sum(axis=(1, 2))
    return np.where(expected > 0, 1.0 - found / np.where(expected > 0, expected, 1.0), 0.0)
