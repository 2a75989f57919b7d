"""What a mean may be although no example shows it: the rare value that a few dozen examples need not hold.

Student's t reads the spread from the values seen. Where nearly all lie close together, or where one or two of them
make up all the spread, the values seen say little of a rare other one: of thirty answers at 0.97 of which one in twenty
fails, a fifth of the samples hold no failure. There the mean is bounded by Gaffke's method (2005; found again by
Learned-Miller and Thomas 2019): the sample with one more value at the end of the scale, all values weighted at random
(Dirichlet). For right-or-wrong values that is Clopper and Pearson's limit; no values are known for which it fails.
Legend: G independent units.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ONE_MORE = 2.0
"""Where one unseen value at the end of the scale would move the mean by more than so many standard errors, out of the
interval, the spread seen says too little."""
FEW_TELL = 7.0
"""And where the spread rests on fewer values than this: (sum of squares)² / sum of fourth powers of what each value is
off the mean. Normal values count a third of their number."""
_CERTAIN = 37.0
"""Normal quantile beyond which a probability is 0 or 1 in floating point."""
_STEPS = 60


def spread_tells_little(off_G: Floats, farthest: float, error: float) -> bool:
    """Whether the mean's standard error must not be taken from the values seen.

    Args:
        off_G: What each unit is off the mean.
        farthest: How far the mean lies from the farther end of the scale.
        error: The mean's standard error.
    """
    squares_G = off_G**2
    fourths = float((squares_G**2).sum())
    few = fourths == 0 or float(squares_G.sum()) ** 2 / fourths < FEW_TELL
    return few or farthest / len(off_G) > ONE_MORE * error


def likelihood_below(sums_G: Floats, sizes_G: Floats, end: float, mean: float) -> float:
    """How likely it is that the randomly weighted sample, with one more unit at `end`, has a mean of at most `mean`.

    Units weighted by a Dirichlet distribution are exponential variables divided by their sum, so that this is the
    chance that a weighted sum of them is below 0: by the saddlepoint (Lugannani and Rice 1980 in the form of
    Barndorff-Nielsen 1986), good to about two in a thousand.

    Args:
        sums_G: Sum of each unit's values.
        sizes_G: Number of each unit's values; the added unit has the average.
        end: Value of the added unit.
        mean: The value asked for.
    """
    from scipy.special import ndtr

    return float(ndtr(_normal_below(sums_G, sizes_G, end, mean)))


def lowest(sums_G: Floats, sizes_G: Floats, end: float, error: float) -> float:
    """The lower limit of the mean at one-sided `error`; for the upper one, all values with the sign turned.

    Args:
        sums_G: As in `likelihood_below`.
        sizes_G: As in `likelihood_below`.
        end: The lower end of the scale.
        error: One-sided.
    """
    from scipy.optimize import brentq
    from scipy.special import ndtri

    mean, wanted = float(sums_G.sum() / sizes_G.sum()), float(ndtri(error))
    if mean - end < 1e-12:
        return end
    edge = end + 1e-9 * (mean - end)
    found = brentq(lambda at: _normal_below(sums_G, sizes_G, end, at) - wanted, edge, mean, xtol=1e-6)
    return float(found)  # pyright: ignore[reportArgumentType]


def _normal_below(sums_G: Floats, sizes_G: Floats, end: float, mean: float) -> float:
    """The normal quantile of `likelihood_below`, which is nearly a straight line in the mean."""
    pulls = np.append(sums_G - mean * sizes_G, (end - mean) * sizes_G.mean())
    if pulls.max() <= 0:
        return _CERTAIN
    if pulls.min() >= 0:
        return -_CERTAIN
    point = _saddle(pulls)
    left = 1 - point * pulls
    depth, width = float(np.log(left).sum()), point * math.sqrt(float(((pulls / left) ** 2).sum()))
    root = math.copysign(math.sqrt(max(0.0, 2 * depth)), point)
    # at the mean of the weighted sample itself
    return root + math.log(width / root) / root if abs(root) > 1e-4 else 0.0


def _saddle(pulls: Floats) -> float:
    """Where the cumulant generating function of the weighted sum is lowest: Newton's steps, kept between the poles."""
    point, low, high = 0.0, 1 / float(pulls.min()), 1 / float(pulls.max())
    for _ in range(_STEPS):
        ratio = pulls / (1 - point * pulls)
        slope, bend = float(ratio.sum()), float(ratio @ ratio)
        if abs(slope) < 1e-7 * math.sqrt(bend):
            break
        low, high = (point, high) if slope < 0 else (low, point)
        step = point - slope / bend
        point = step if low < step < high else (low + high) / 2
    return point
