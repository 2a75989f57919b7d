"""Which arms cannot win any more: a sequential test with an honest error rate. Policy without I/O.

Arms answer the test examples in one random order. At each look an arm is stopped where another arm is better on the
same examples beyond chance. The probability that the truly best arm is ever stopped is at most `ERROR`: it is spent
over the looks by Pocock's spending function (Lan and DeMets 1983), and over the rivals in equal parts; each part is a
test of its own (McNemar's exact, or sign flips), so that the sum holds however looks and rivals hang together.
"""

from __future__ import annotations

import math
import random
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from postgrad.evaluation.statistics.scores import compare

ERROR = 0.05
LOOKS = (25, 50, 100, 200, 400, 800, 1600)


@dataclass(frozen=True, slots=True)
class Stopped:
    """An arm that cannot win any more, after so many examples, and the arm that beats it."""

    arm: str
    beaten_by: str
    after: int


def looks(n: int) -> list[int]:
    """After how many of `n` examples the arms are compared; none close to the end, where nothing is saved."""
    return [k for k in LOOKS if k <= 0.8 * n]


def shuffled(n: int, seed: int) -> list[int]:
    """The fixed random order in which the places of the test part are answered."""
    order = list(range(n))
    random.Random(f"order of answering {seed}").shuffle(order)
    return order


def spent(share: float, error: float = ERROR) -> float:
    """How much of the error probability may be spent once that share of the examples is answered (Pocock's
    function)."""
    return error * math.log(1 + (math.e - 1) * share)


def level(look: int, n: int, arms: int, error: float = ERROR) -> float:
    """The one-sided level of each comparison at this look: what is spent anew, divided by the rivals.

    Args:
        look: Number of examples answered, one of `looks(n)`.
        n: Examples in the whole test part.
        arms: Arms that began.
        error: For the whole test.
    """
    earlier = max((k for k in looks(n) if k < look), default=0)
    return (spent(look / n, error) - spent(earlier / n, error)) / max(1, arms - 1)


def beaten(
    scores: Mapping[str, Sequence[float]],
    groups: Sequence[Hashable] | None,
    look: int,
    n: int,
    arms: int,
    seed: int = 0,
) -> list[Stopped]:
    """The arms that another one beats at this look; never all.

    Args:
        scores: Arm → scores on the examples answered so far, the same for all.
        groups: What each of these examples belongs to; None where each stands alone.
        look: Number of examples answered.
        n: Examples in the whole test part.
        arms: Arms that began.
        seed: Of the sign flips.
    """
    allowed, out = level(look, n, arms), []
    ranked = sorted(scores, key=lambda name: -sum(scores[name]))
    for place, name in enumerate(ranked):
        for rival in ranked[:place]:
            found = compare(scores[name], scores[rival], groups, arm=name, against=rival, seed=seed)
            if found.difference < 0 and found.p_value / 2 < allowed:
                out.append(Stopped(name, rival, look))
                break
    return out
