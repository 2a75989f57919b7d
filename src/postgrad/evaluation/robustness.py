"""What disturbed requests cost: the same test examples undisturbed and disturbed, paired, corrected for all that is
asked."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

from postgrad.evaluation.statistics.scores import compare
from postgrad.evaluation.statistics.significance import holm
from postgrad.measures import Comparison


@dataclass(frozen=True, slots=True)
class DisturbedAnswers:
    """One arm's answers to the same examples, undisturbed and disturbed in one way."""

    arm: str
    kind: str
    clean: tuple[float, ...]
    disturbed: tuple[float, ...]
    clean_answers: tuple[str, ...]
    disturbed_answers: tuple[str, ...]
    groups: tuple[Hashable, ...] | None = None


@dataclass(frozen=True, slots=True)
class DisturbanceCost:
    """What it cost: `comparison` is disturbed minus undisturbed; `changed` the share of answers that became others."""

    asked: DisturbedAnswers
    comparison: Comparison
    changed: float


def judged(asked: Sequence[DisturbedAnswers], seed: int = 0) -> list[DisturbanceCost]:
    """The paired difference of each, Holm-corrected over all; of each arm the dearest disturbance first."""
    found = [compare(a.disturbed, a.clean, a.groups, arm=a.arm, against=a.kind, seed=seed) for a in asked]
    adjusted = holm([c.p_value for c in found])
    out = [
        DisturbanceCost(a, replace(c, p_adjusted=p), _changed(a))
        for a, c, p in zip(asked, found, adjusted, strict=True)
    ]
    arms = list(dict.fromkeys(a.arm for a in asked))
    return sorted(out, key=lambda j: (arms.index(j.asked.arm), j.comparison.difference, j.asked.kind))


def _changed(asked: DisturbedAnswers) -> float:
    pairs = list(zip(asked.clean_answers, asked.disturbed_answers, strict=True))
    return sum(a.strip() != b.strip() for a, b in pairs) / len(pairs)
