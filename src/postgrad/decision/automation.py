"""Which share of requests can be answered without human review at a wanted accuracy, with a guarantee that says its
probability.

A threshold on the model's confidence is chosen on calibration examples that neither training nor the test has seen. It
is "Learn then Test" (Angelopoulos et al. 2021) for the selective risk: each threshold of a fixed grid is the hypothesis
"above it the model is wrong more often than allowed", tested by the exact binomial tail where scores are right or wrong
(Geifman and El-Yaniv 2017) and by Hoeffding and Bentkus' bound (Bates et al. 2021) where they are graded. The grid is
walked from strict to lax from several starts with an equal share of the error probability each, so that the threshold
that comes out breaks its promise with at most the probability stated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

FAILURE = 0.1
"""Probability that the promise about the accuracy does not hold."""
_GRID = 20
_STARTS = ((200, 4), (100, 2), (0, 1))
"""(calibration examples from which, starts): each start costs a share of the error probability, which few examples
feel."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """What calibration allows.

    Attributes:
        target: The accuracy wanted among the answers that no person sees.
        value: Answers with at least this confidence go out; None where no threshold could be certified.
        failure: Probability that the true accuracy above the threshold is below the target all the same.
        examples: Calibration examples.
        automated: Those of them at or above the threshold.
        needed: The fewest calibration examples with which a faultless model could be certified at all.
    """

    target: float
    value: float | None
    failure: float
    examples: int
    automated: int
    needed: int


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """At this threshold: the share answered without human review, and how many of those answers are right."""

    threshold: float
    coverage: float
    accuracy: float


def certify(
    confidences: Sequence[float], scores: Sequence[float], target: float, failure: float = FAILURE
) -> Threshold:
    """The laxest threshold above which the mean score is at least `target`, except with probability `failure`.

    Args:
        confidences: One a calibration example; higher means surer.
        scores: Their scores in [0, 1].
        target: Accuracy wanted, between 0 and 1.
        failure: Error probability of the promise.

    Raises:
        ValueError: unequal lengths, or a target or probability outside (0, 1).
    """
    if len(confidences) != len(scores):
        raise ValueError(f"{len(confidences)} confidences for {len(scores)} scores")
    if not (0 < target < 1 and 0 < failure < 1):
        raise ValueError("target and failure lie between 0 and 1")
    starts = next(count for fewest, count in _STARTS if len(scores) >= fewest)
    allowed, share = 1 - target, failure / starts
    needed = math.ceil(math.log(share) / math.log(1 - allowed))
    order = sorted(range(len(scores)), key=lambda i: -confidences[i])
    ranked = [confidences[i] for i in order]
    losses = [1 - scores[i] for i in order]
    ends = _ends(ranked, min(needed + 1, len(ranked)))
    certified = 0
    for start in range(starts):
        for end in ends[len(ends) * start // starts :]:
            # The lowest confidence only marks the threshold: the examples above it are an honest sample given it.
            if _p_value(losses[: end - 1], allowed) > share:
                break
            certified = max(certified, end)
    value = ranked[certified - 1] if certified else None
    return Threshold(target, value, failure, len(scores), certified, needed + 1)


def _ends(ranked: Sequence[float], fewest: int) -> list[int]:
    """How many examples lie at or above each threshold of the grid, strict to lax; ties are never divided."""
    ends = set()
    for step in range(_GRID + 1):
        end = fewest + round((len(ranked) - fewest) * step / _GRID)
        while 0 < end < len(ranked) and ranked[end] == ranked[end - 1]:
            end += 1
        ends.add(end)
    return sorted(end for end in ends if end > 1)


def _p_value(losses: Sequence[float], allowed: float) -> float:
    """How surprising these losses would be if the true mean loss were above what is allowed."""
    from scipy.stats import binom

    n, total = len(losses), sum(losses)
    if not n:
        return 1.0
    if all(loss in (0.0, 1.0) for loss in losses):
        return float(binom.cdf(round(total), n, allowed))
    mean = total / n
    if mean >= allowed:
        return 1.0
    divergence = mean * math.log(mean / allowed) if mean > 0 else 0.0
    divergence += (1 - mean) * math.log((1 - mean) / (1 - allowed))
    bentkus = math.e * float(binom.cdf(math.ceil(n * mean), n, allowed))
    return min(1.0, math.exp(-n * divergence), bentkus)


def curve(confidences: Sequence[float], scores: Sequence[float], points: int = 20) -> list[CurvePoint]:
    """Coverage against accuracy over all thresholds, strictest first, on the examples given."""
    order = sorted(range(len(scores)), key=lambda i: -confidences[i])
    out: list[CurvePoint] = []
    total, done = 0.0, 0
    for position, index in enumerate(order, 1):
        total += scores[index]
        last = position == len(order) or confidences[order[position]] != confidences[index]
        if last and (position == len(order) or position - done >= len(order) / points):
            out.append(CurvePoint(confidences[index], position / len(order), total / position))
            done = position
    return out


def automation_sentence(
    threshold: Threshold, coverage: float, interval: tuple[float, float], accuracy: float | None
) -> str:
    """What a product owner reads.

    Args:
        threshold: From `certify`.
        coverage: Share of the test examples at or above it.
        interval: Of that share.
        accuracy: Mean score of those test examples; None where there are none.
    """
    sure, wanted = 100 * (1 - threshold.failure), f"{100 * threshold.target:.0f} %"
    if threshold.value is None:
        short = (
            f"; {threshold.examples} calibration examples cannot certify it however good the model is, "
            f"at least {threshold.needed} are needed"
            if threshold.examples < threshold.needed
            else f" on {threshold.examples} calibration examples"
        )
        return f"No share of the answers can be sent without human review with {wanted} right{short}."
    low, high = interval
    checked = "" if accuracy is None else f"; of those in the test, {100 * accuracy:.0f} % were right"
    return (
        f"{100 * coverage:.0f} % of requests ({100 * low:.0f} to {100 * high:.0f} %) can be answered without human"
        f" review with at least {wanted} right, which holds with {sure:.0f} % probability{checked}."
    )
