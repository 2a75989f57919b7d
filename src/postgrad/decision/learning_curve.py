"""What more examples would bring: a law through the scores at several sizes of the training data, with its doubt.

The error falls as e(n) = floor + b·(n0 + n)^(-c), the rectified power law (https://arxiv.org/abs/2402.02314): a model
that was trained before brings what n0 examples would have taught it. On sizes held out of real curves it foretells
better than the plain law, n0 = 0, which promises too little (`bench/curve_laws.py`, design/0012). Three or four sizes
cannot tell floor and n0 from the slope, so these are not fitted but drawn: each bootstrap resample of the test examples
takes a floor between nothing and nearly the lowest error seen, and an n0 of up to twice the largest size. Training
again with another seed moves a score too, so each resample moves every size by noise, with the spread that the sizes
show around their own line, and that is assumed where they are too few to show any. The forecast's interval holds all
three doubts: the test set's, the training's, the law's.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from postgrad.decision.wording import about

RESAMPLES = 2000
SHARES = (0.25, 0.5)
"""Of the training part, trained on besides the whole where nothing else is wished."""
SMALLER = 0.125
"""The share where there is time for none of these."""
MORE = 0.05
"""The gain for which the number of examples is reckoned, as one that nobody would miss."""
_FARTHEST = 16
"""Times the examples measured; nothing is said of more."""
FEWEST_EXAMPLES = 10
"""A part with fewer examples is no point of a curve."""
FEWEST_STEPS = 40
"""A training on a part makes at least so many steps, if the whole one does: fewer have not left the warm-up."""
TRAINING_SD = 0.03
"""How far the score of a training moves with its seed, assumed as if seen on two trainings."""
_ASSUMED_ON = 2
FALL = 0.02
"""A smaller fall with more examples is no sign of a training that is not stable."""
_HIGHEST_FLOOR = 0.9
_BROUGHT = 2.0
"""n0 at most, in times of the largest size; few are commoner."""
_SLOPES = (-0.15, 6.0)
"""Steep where n0 is large. Below 0 for the noise of trainings: cut off at 0, a flat curve would be drawn on as a rising
one."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """The score expected with so many training examples, and its 95 % interval."""

    examples: int
    score: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """What was measured, and what it promises.

    Attributes:
        points: (training examples, mean score on the test part), by size.
        forecasts: For the sizes asked for.
        gain: (low, high) of what the first forecast's size gains over the largest one measured, by the law: in the mean
            over trainings, not of a single one.
        needed: With about so many examples the score is 5 points higher, by the law; None where not even 16 times as
            many bring that, or nothing can be higher by so much.
        fell: (fewer examples, more examples) where the score clearly fell from the one to the other; empty where it did
            not.
    """

    points: tuple[tuple[int, float], ...]
    forecasts: tuple[Forecast, ...]
    gain: tuple[float, float]
    fell: tuple[int, int] | tuple[()] = ()
    needed: int | None = None


@dataclass(frozen=True, slots=True)
class Law:
    """What is drawn of the law for each resample: the floor as a share of the lowest error, and n0 in examples."""

    floors: NDArray[np.float64]
    brought: NDArray[np.float64]


def steps_for(share: float, total: int) -> int:
    """Optimiser steps of the training on a share: in proportion to the whole one's, with a floor."""
    return min(total, max(FEWEST_STEPS, round(share * total)))


def affordable(shares: Sequence[float], costs: Mapping[float, float], left: float | None) -> list[float]:
    """The shares that are trained on: the smallest ones first, as far as the time lasts.

    Args:
        shares: Those wished for.
        costs: Share → the seconds that training on it, and measuring, will take.
        left: Seconds left; None without a limit.
    """
    out: list[float] = []
    for share in sorted(shares):
        if left is None or sum(costs[s] for s in (*out, share)) <= left:
            out.append(share)
    return out


def fit(
    scores: Mapping[int, Sequence[float]],
    sizes: Sequence[int],
    seed: int = 0,
    groups: Sequence[Hashable] | None = None,
) -> LearningCurve:
    """The curve through the scores at each size, and the forecast for `sizes`.

    Args:
        scores: Training examples → the score of each test example, in [0, 1], all on the same test examples.
        sizes: Training examples to forecast for, each larger than those measured.
        seed: Of the resampling.
        groups: What each test example belongs to; those of one group are drawn together, None stands alone.

    Raises:
        ValueError: fewer than two sizes, unequal lengths, or nothing to forecast.
    """
    known = sorted(scores)
    if len(known) < 2 or not sizes:
        raise ValueError("a curve needs scores at two sizes at least, and a size to forecast for")
    table_SN = np.array([scores[n] for n in known], dtype=float)
    generator = np.random.default_rng(seed)
    errors_RS = _resampled(table_SN, groups, generator)
    exact_RS, noise = errors_RS, _training_sd(table_SN, known, float(errors_RS.var(axis=0).mean()))
    errors_RS = np.clip(errors_RS + generator.normal(0.0, noise, errors_RS.shape), 0.0, 1.0)
    law = Law(
        _HIGHEST_FLOOR * generator.random(RESAMPLES) ** 2,  # low floors are commoner
        _BROUGHT * known[-1] * generator.random(RESAMPLES) ** 2,
    )
    wanted_RK = extrapolated(errors_RS, law, known, sizes)
    wanted_RK = np.clip(wanted_RK + generator.normal(0.0, noise, wanted_RK.shape), 0.0, 1.0)
    low_K, middle_K, high_K = np.quantile(1 - wanted_RK, [0.025, 0.5, 0.975], axis=0)
    law_RK = extrapolated(errors_RS, law, known, [known[-1], sizes[0]])
    low, high = np.quantile(law_RK[:, 0] - law_RK[:, 1], [0.025, 0.975])
    return LearningCurve(
        tuple((n, float(row.mean())) for n, row in zip(known, table_SN, strict=True)),
        tuple(
            Forecast(n, float(m), float(a), float(b)) for n, a, m, b in zip(sizes, low_K, middle_K, high_K, strict=True)
        ),
        (float(low), float(high)),
        _fell(exact_RS, known),
        _needed(errors_RS, law, known),
    )


def _resampled(
    table_SN: NDArray[np.float64], groups: Sequence[Hashable] | None, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Errors_RS on test sets drawn anew, whole groups at a time."""
    number: dict[Hashable, int] = {}
    members = range(table_SN.shape[1]) if groups is None else [(i,) if g is None else g for i, g in enumerate(groups)]
    unit_N = np.array([number.setdefault(m, len(number)) for m in members])
    picks = generator.integers(0, len(number), (RESAMPLES, len(number)))
    sizes = np.bincount(unit_N)[picks].sum(axis=1)
    sums = [np.bincount(unit_N, weights=row)[picks].sum(axis=1) for row in table_SN]
    return np.stack([1 - of_row / sizes for of_row in sums], axis=1)


def _training_sd(table_SN: NDArray[np.float64], known: Sequence[int], test: float) -> float:
    """The spread of scores by training alone: what the sizes show around a line through them beyond `test`, the test
    set's own noise, with the assumed one as a prior."""
    x_S, y_S = np.log(np.array(known, dtype=float)), table_SN.mean(axis=1)
    left_S = y_S - np.polyval(np.polyfit(x_S, y_S, 1), x_S)
    freedom = max(0, len(known) - 2)
    seen = max(0.0, float((left_S**2).sum()) - freedom * test)
    return float(np.sqrt((_ASSUMED_ON * TRAINING_SD**2 + seen) / (_ASSUMED_ON + freedom)))


def _needed(errors_RS: NDArray[np.float64], law: Law, known: Sequence[int]) -> int | None:
    """The fewest examples, in steps of about a sixth, with which the middle of the law gains `MORE`."""
    sizes = [round(known[-1] * 2 ** (step / 4)) for step in range(round(4 * np.log2(_FARTHEST)) + 1)]
    middle_K = np.median(extrapolated(errors_RS, law, known, sizes), axis=0)
    enough_K = middle_K <= middle_K[0] - MORE
    return sizes[int(enough_K.argmax())] if enough_K.any() else None


def _fell(errors_RS: NDArray[np.float64], known: Sequence[int]) -> tuple[int, int] | tuple[()]:
    """The size with the best score and the largest one, where the score is clearly lower with more examples."""
    best = int(errors_RS.mean(axis=0).argmin())
    drops_R = errors_RS[:, -1] - errors_RS[:, best]
    if best == len(known) - 1 or float(np.quantile(drops_R, 0.05)) <= 0 or float(drops_R.mean()) <= FALL:
        return ()
    return known[best], known[-1]


def extrapolated(
    errors_RS: NDArray[np.float64], law: Law, known: Sequence[int], sizes: Sequence[int]
) -> NDArray[np.float64]:
    """Errors_RK at the sizes asked for: least squares in logarithms above each resample's floor.

    Args:
        errors_RS: Of each resample at each known size.
    """
    floor_R = law.floors * errors_RS.min(axis=1)
    above_RS = np.log(np.maximum(errors_RS - floor_R[:, None], 1e-6))
    x_RS = np.log(law.brought[:, None] + np.array(known, dtype=float))
    middle_R = x_RS.mean(axis=1)
    centred_RS = x_RS - middle_R[:, None]
    slope_R = np.clip(-(above_RS * centred_RS).sum(axis=1) / (centred_RS**2).sum(axis=1), *_SLOPES)
    start_R = above_RS.mean(axis=1) + slope_R * middle_R
    x_RK = np.log(law.brought[:, None] + np.array(sizes, dtype=float))
    return np.minimum(floor_R[:, None] + np.exp(start_R[:, None] - slope_R[:, None] * x_RK), 1.0)


def curve_sentence(found: LearningCurve, smallest_worth: float) -> str:
    """Whether more examples of the same kind are worth collecting."""
    if found.fell:
        scores = dict(found.points)
        few, many = found.fell
        return (
            f"With more examples the score fell, from {100 * scores[few]:.0f} with {few:,} to {100 * scores[many]:.0f}"
            f" with {many:,}: the training is not stable, so nothing is known of what more examples would bring. Train"
            " again with another seed and a lower rate (--seed, training.learning_rate) first."
        )
    measured = found.points[-1][0]
    expected = [
        f"with {f.examples / measured:g} times the examples ({f.examples:,}) about {100 * f.score:.0f} points are"
        f" expected ({100 * f.low:.0f} to {100 * f.high:.0f})"
        for f in found.forecasts
    ]
    told = expected[0][0].upper() + "; ".join(expected)[1:]
    low, high = found.gain
    if high < smallest_worth:
        return f"{told}: more examples of this kind will hardly help. {_enough(found)}"
    if low > smallest_worth:
        return f"{told}: more examples are worth collecting. {_enough(found)}"
    return (
        f"{told}: whether more examples would help by {100 * smallest_worth:.0f} points cannot be said from these."
        f" {_enough(found)}"
    )


def _enough(found: LearningCurve) -> str:
    """How many examples it takes, as far as the curve's middle tells."""
    size, score = found.points[-1]
    if found.needed:
        return f"For {100 * MORE:.0f} points more it takes about {about(found.needed)} examples ({size:,} now)."
    if score + MORE > 1:
        return f"The {size:,} examples are enough: the score cannot rise by {100 * MORE:.0f} points."
    return f"Up to {_FARTHEST * size:,} examples do not bring {100 * MORE:.0f} points more ({size:,} now)."
