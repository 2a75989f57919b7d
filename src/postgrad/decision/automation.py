"""Which share of requests can be answered without human review at a wanted accuracy, with a guarantee that says its
probability.

A threshold on the model's confidence is certified on the test part: answers that took no part in training, nor in the
choice of its checkpoint or of a prompt. It is "Learn then Test" (Angelopoulos et al. 2021) for the selective risk: each
threshold of a fixed list is the hypothesis "above it the model is wrong more often than allowed", tested by the exact
binomial tail where scores are right or wrong (Geifman and El-Yaniv 2017) and by Hoeffding and Bentkus' bound (Bates et
al. 2021) where they are graded. One walk, from about a quarter of the answers to all of them, ends at the first
hypothesis that is not refuted: no correction is needed for what is tried on the way, and the threshold that comes out
breaks its promise with at most the probability stated.

The thresholds lie where one more wrong answer is allowed; between two such places a test has more to show and no more
to gain by. Groups (near-duplicates) count as if all of a group were one answer: Kish's effective number in place of the
number of answers, the binomial tail as the incomplete beta function, as Korn and Graubard (1998) do for intervals.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from postgrad.decision.wording import about

FAILURE = 0.1
"""Probability that the promise about the accuracy does not hold."""
FIRST_SHARE = 0.25
"""The walk begins with about so many of the answers: with fewer no mistake at all would be allowed, with more the walk
would end before it began where a model is good for less. Simulated in `bench/automation_operating.py`."""
LOWER = (0.9, 0.85, 0.8)
"""Accuracies that are looked at where the wanted one cannot be certified, the highest first."""
_FEWEST_ABOVE = 20
"""Answers above the first threshold where there are too few of them to certify the wanted accuracy in any case."""
_POWER, _MOST = 0.8, 8000
"""How sure an advised number of examples makes it, and the largest number that is advised."""


@dataclass(frozen=True, slots=True)
class Floor:
    """What holds of the surest answers, where the wanted accuracy could not be certified.

    Attributes:
        accuracy: At least so many of them are right: one of `LOWER`, or the exact lower limit where that is below all.
        value: Answers with at least this confidence.
        automated: How many of the calibration examples those are.
    """

    accuracy: float
    value: float
    automated: int


@dataclass(frozen=True, slots=True)
class Threshold:
    """What calibration allows.

    Attributes:
        target: The accuracy wanted among the answers that no person sees.
        value: Answers with at least this confidence go out; None where no threshold could be certified.
        failure: Probability that the true accuracy above the threshold is below the target all the same.
        examples: Calibration examples.
        independent: How many independent ones they are worth.
        automated: Those of them at or above the threshold.
        needed: The fewest independent calibration examples with which a faultless model could be certified at all.
        floor: What can be said instead where nothing was certified; None else, and where there are too few examples.
        advised: With about so many calibration examples a share would be certified four times in five, if the model is
            as good as it was here; None where one was, and where more examples would not help.
    """

    target: float
    value: float | None
    failure: float
    examples: int
    independent: int
    automated: int
    needed: int
    floor: Floor | None = None
    advised: int | None = None


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """At this threshold: the share answered without human review, and how many of those answers are right."""

    threshold: float
    coverage: float
    accuracy: float


def certify(
    confidences: Sequence[float],
    scores: Sequence[float],
    target: float,
    failure: float = FAILURE,
    groups: Sequence[Hashable | None] | None = None,
    among: int = 1,
    on_all: float = 0.0,
) -> Threshold:
    """The laxest threshold above which the mean score is at least `target`, except with probability `failure`.

    The lowest answer at a threshold only marks it: those above it are an honest sample given it. The first threshold is
    exact for any model; those walked to from there are where surer answers are right no less often.

    Args:
        confidences: One a calibration example; higher means surer.
        scores: Their scores in [0, 1].
        target: Accuracy wanted, between 0 and 1.
        failure: Error probability of the promise.
        groups: What each example belongs to, None for one that stands alone; None where all do.
        among: Of how many arms this one was chosen by these scores: each could have been promised wrongly.
        on_all: The share of the error probability that is spent on all answers at once, before the walk: one mistake
            among the surest ends a walk, however good the rest is.

    Raises:
        ValueError: unequal lengths, or a target or probability outside (0, 1).
    """
    if len(confidences) != len(scores) or (groups is not None and len(groups) != len(scores)):
        raise ValueError(f"{len(confidences)} confidences and {len(groups or scores)} groups for {len(scores)} scores")
    if not (0 < target < 1 and 0 < failure < 1):
        raise ValueError("target and failure lie between 0 and 1")
    level, allowed = failure / among, 1 - target
    needed = math.ceil(math.log(level) / math.log(target)) + 1
    ranked = _Ranked.of(confidences, scores, groups)
    certified = len(scores) if on_all and ranked.p_value(len(scores), allowed) <= on_all * level else 0
    level *= 1 - on_all
    for end in () if certified else ranked.ends(allowed, level):
        if ranked.p_value(end, allowed) > level:
            break
        certified = end
    size, worth = len(scores), math.floor(ranked.effective[-1] + 1e-9)
    if certified:
        return Threshold(target, ranked.confidences[certified - 1], failure, size, worth, certified, needed)
    floor, advised = ranked.floor(target, level), ranked.advised(allowed, level)
    return Threshold(target, None, failure, size, worth, 0, needed, floor, advised)


@dataclass(frozen=True, slots=True)
class _Ranked:
    """Calibration examples, the surest first: their confidences, losses, and how many independent ones the first so
    many are worth (`effective[n]` of the first n)."""

    confidences: list[float]
    losses: list[float]
    effective: list[float]

    @classmethod
    def of(
        cls, confidences: Sequence[float], scores: Sequence[float], groups: Sequence[Hashable | None] | None
    ) -> _Ranked:
        order = sorted(range(len(scores)), key=lambda i: -confidences[i])
        sizes: Counter[Hashable] = Counter()
        squares, effective = 0, [0.0]
        for number, i in enumerate(order, 1):
            group = groups[i] if groups is not None and groups[i] is not None else ("alone", i)
            squares += 2 * sizes[group] + 1
            sizes[group] += 1
            effective.append(number * number / squares)
        return cls([confidences[i] for i in order], [1 - scores[i] for i in order], effective)

    def ends(self, allowed: float, level: float) -> list[int]:
        """How many examples lie at or above each threshold, strict to lax: one for each further mistake that is allowed
        of the independent ones above it, from about a quarter of all on; ties are never divided."""
        ends: list[int] = []
        sizes = _sizes(allowed, level, len(self.losses))
        for number, worth in enumerate(self.effective[:-1]):
            if len(ends) < len(sizes) and worth >= sizes[len(ends)]:
                ends.append(self._whole(number + 1))
        first = min(ends, key=lambda end: abs(end - FIRST_SHARE * len(self.losses)), default=0)
        return sorted({end for end in ends if end >= first})

    def p_value(self, end: int, allowed: float) -> float:
        """How surprising the losses above this threshold would be if the true mean loss were above what is allowed."""
        return _p_value(self.losses[: end - 1], allowed, self.effective[end - 1])

    def floor(self, target: float, level: float) -> Floor | None:
        """What the exact lower limit of the accuracy at the first threshold is: at one threshold all accuracies are
        tested at no further cost."""
        found = self.ends(1 - target, level)
        if not found and len(self.losses) <= _FEWEST_ABOVE:
            return None
        end = found[0] if found else self._whole(max(_FEWEST_ABOVE + 1, len(self.losses) // 2))
        limit = next((low for low in LOWER if low < target and self.p_value(end, 1 - low) <= level), None)
        if limit is None:
            low, high = 0.0, min(target, LOWER[-1])
            for _ in range(30):
                middle = (low + high) / 2
                low, high = (middle, high) if self.p_value(end, 1 - middle) <= level else (low, middle)
            limit = low
        return Floor(limit, self.confidences[end - 1], end)

    def advised(self, allowed: float, level: float) -> int | None:
        """With how many independent examples the walk would mostly begin; None where it would not with any number.

        The model is taken to be as good at each share as it was here.
        """
        import numpy as np
        from scipy.stats import binom

        wrong, count = np.cumsum([0.0, *self.losses]), len(self.losses)
        sizes = np.array(_sizes(allowed, level, round(_MOST * FIRST_SHARE)))
        mistakes = np.arange(len(sizes))
        found = []
        for examples in (sizes + 1, np.rint((sizes + 1) / FIRST_SHARE).astype(int)):
            above = np.maximum(1, count * sizes // examples)
            risks = (wrong[above] + 0.25) / (above + 0.5)  # about the median of what it may be
            enough = (risks < allowed) & (binom.cdf(mistakes, sizes, risks) >= _POWER)
            found += [int(examples[enough.argmax()])] if enough.any() else []
        return min(found, default=None)

    def _whole(self, end: int) -> int:
        """The next end that divides no equal confidences."""
        while 0 < end < len(self.confidences) and self.confidences[end] == self.confidences[end - 1]:
            end += 1
        return end


@functools.lru_cache(maxsize=64)
def _sizes(allowed: float, level: float, most: int) -> tuple[int, ...]:
    """The fewest examples, at most `most`, of which no one, one, two … may be wrong."""
    import numpy as np
    from scipy.stats import binom

    counts = np.arange(1, most + 1)
    mistakes = binom.ppf(level, counts, allowed)
    mistakes -= binom.cdf(mistakes, counts, allowed) > level
    return tuple(int(n) for n in np.searchsorted(mistakes, np.arange(mistakes.max(initial=-1) + 1)) + 1)


def _tail(wrong: float, count: float, allowed: float) -> float:
    """The binomial probability of at most so many wrong of so many, for whole and broken numbers."""
    from scipy.special import betainc

    return 1.0 if wrong >= count else float(betainc(count - wrong, wrong + 1, 1 - allowed))


def _p_value(losses: Sequence[float], allowed: float, effective: float) -> float:
    """See `_Ranked.p_value`.

    Args:
        effective: How many independent examples the losses are worth.
    """
    if not losses:
        return 1.0
    mean = sum(losses) / len(losses)
    if all(loss in (0.0, 1.0) for loss in losses):
        return _tail(mean * effective, effective, allowed)
    if mean >= allowed:
        return 1.0
    divergence = mean * math.log(mean / allowed) if mean > 0 else 0.0
    divergence += (1 - mean) * math.log((1 - mean) / (1 - allowed))
    bentkus = math.e * _tail(math.ceil(effective * mean), effective, allowed)
    return min(1.0, math.exp(-effective * divergence), bentkus)


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
    sure, wanted = _sure(threshold), f"{100 * threshold.target:.3g} %"
    if threshold.value is not None:
        low, high = interval
        checked = "" if accuracy is None else f"; of those in the test, {100 * accuracy:.0f} % were right"
        return (
            f"{100 * coverage:.0f} % of requests ({100 * low:.0f} to {100 * high:.0f} %) can be answered without human"
            f" review with at least {wanted} right, which holds with {sure} probability{checked}."
        )
    few = threshold.independent < threshold.needed
    known = f"{threshold.examples} test examples"
    if threshold.independent < 0.9 * threshold.examples:
        known += f", worth {threshold.independent} independent ones,"
    short = (
        f"; {known} cannot certify it however good the model is, at least {threshold.needed} are needed"
        if few
        else f" on {known.removesuffix(',')}"
    )
    out = [f"No share of the answers can be sent without human review with {wanted} right{short}."]
    out += [floor_sentence(threshold)] if threshold.floor else []
    if threshold.advised:
        out.append(
            f"About {about(threshold.advised)} test examples would show a share with {wanted}, if it answers as here."
        )
    elif not few:
        out.append(f"More test examples would not change it: too many of the surest answers are wrong for {wanted}.")
    return " ".join(out)


def floor_sentence(threshold: Threshold) -> str:
    """What is certain of the surest answers where the wanted accuracy is not."""
    found = threshold.floor
    if found is None:
        return ""
    share = 100 * found.automated / threshold.examples
    return (
        f"Of the surest {share:.0f} % of the answers at least {math.floor(100 * found.accuracy + 1e-9)} % are right,"
        f" with {_sure(threshold)} probability."
    )


def fields_sentence(fields: Sequence[tuple[str, float, float]], target: float, failure: float) -> str:
    """What a product owner reads of answers with fields; empty where there are none.

    Args:
        fields: Name, certified share (0: none), and share right in the test.
    """
    if not fields:
        return ""
    sure = sorted((f for f in fields if f[1] > 0), key=lambda f: -f[1])
    rest = [f"{name} ({100 * right:.0f} % right)" for name, share, right in fields if not share]
    wanted = f"{100 * target:.3g} %"
    if not sure:
        return f"Nor can any field alone, with {wanted} right: {_listed(rest)}."
    known = _listed([f"{name} in {100 * share:.0f} % of the answers" for name, share, _ in sure])
    after = f"; a person reviews {_listed(rest)}" if rest else ""
    return (
        f"Field by field, at least {wanted} are right without review: {known}, which holds for all of them together"
        f" with {100 * (1 - failure):.0f} % probability{after}."
    )


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def _sure(threshold: Threshold) -> str:
    return f"{100 * (1 - threshold.failure):.0f} %"
