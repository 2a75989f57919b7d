"""How often intervals hold the truth where rare values are often unseen, and what that costs on kind scores.

For each world and size: the share of samples whose interval holds the truth, and (for differences) the share whose
interval leaves 0 out, without and with `postgrad.evaluation.statistics.unseen`. Minutes on one core.

    python bench/unseen_values.py [draws]
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from postgrad.evaluation.statistics import intervals
from postgrad.evaluation.statistics.intervals import difference_interval, share_interval, units
from postgrad.evaluation.statistics.unseen import spread_tells_little

Floats = np.ndarray
Scores = Callable[[np.random.Generator, int], Floats]
Pairs = Callable[[np.random.Generator, int], tuple[Floats, Floats]]
MANY = 2_000_000


def failing(share: float) -> Scores:
    return lambda g, n: np.where(g.random(n) < share, 0, np.clip(g.normal(0.97, 0.02, n), 0, 1))


SCORES: dict[str, Scores] = {
    "kind: chrF-like": lambda g, n: g.beta(4, 6, n),
    "kind: graded": lambda g, n: g.beta(5, 2, n),
    "0.97, 5 % fail": failing(0.05),
    "0.97, 2 % fail": failing(0.02),
    "clipped log-normal": lambda g, n: np.clip(np.exp(g.normal(-3, 1.2, n)), 0, 1),
}


def gaining(gain: float, sd: float) -> Pairs:
    def draw(g: np.random.Generator, n: int) -> tuple[Floats, Floats]:
        other = g.beta(4, 6, n)
        return np.clip(other + gain + g.normal(0, sd, n), 0, 1), other

    return draw


def rare_losses(g: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    other = np.clip(g.normal(0.7, 0.02, n), 0, 1)
    lost = g.random(n) < 0.05
    return np.where(lost, 0.13, np.clip(other + 0.03 + g.normal(0, 0.01, n), 0, 1)), other


def rare_changes(g: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    other = 0.3 + 0.4 * g.random(n)
    moved = (g.random(n) < 0.08) * g.random(n) * 0.6 * np.where(g.random(n) < 0.7, 1, -1)
    return np.clip(other + moved, 0, 1), other


PAIRS: dict[str, Pairs] = {
    "kind: gain 5, spread 15": gaining(0.05, 0.15),
    "kind: gain 5, spread 8": gaining(0.05, 0.08),
    "no gain, rare large losses": rare_losses,
    "8 % differ, both ways": rare_changes,
}


def main(draws: int) -> None:
    """Prints a row for each world and size."""
    rules = (lambda *_: False, spread_tells_little)
    print(f"{'scores':28} {'n':>4}  held before, after")
    for name, draw in SCORES.items():
        truth = float(draw(np.random.default_rng(0), MANY).mean())
        for n in (30, 80, 200):
            held = []
            for rule in rules:
                intervals.spread_tells_little, generator = rule, np.random.default_rng(1)
                found = [share_interval(units(draw(generator, n), None), 0.95) for _ in range(draws)]
                held.append(np.mean([low <= truth <= high for low, high in found]))
            print(f"{name:28} {n:4}  {held[0]:.3f} {held[1]:.3f}", flush=True)
    print(f"{'differences':28} {'n':>4}  held before, after; 0 left out before, after")
    for name, pair in PAIRS.items():
        first, second = pair(np.random.default_rng(0), MANY)
        truth = float((first - second).mean())
        for n in (30, 80, 200):
            held, clear = [], []
            for rule in rules:
                intervals.spread_tells_little, generator = rule, np.random.default_rng(1)
                drawn = [pair(generator, n) for _ in range(draws)]
                found = [
                    difference_interval(units(a - b, None), 0.95, (-float(b.mean()), float(a.mean()))) for a, b in drawn
                ]
                held.append(np.mean([low <= truth <= high for low, high in found]))
                clear.append(np.mean([low > 0 or high < 0 for low, high in found]))
            print(f"{name:28} {n:4}  {held[0]:.3f} {held[1]:.3f}; {clear[0]:.3f} {clear[1]:.3f}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
