"""What a metric is: a named function from (answer, reference) to a number in [0, 1], made by a factory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


def _no_figures(_answers: Sequence[str], _references: Sequence[str]) -> dict[str, float]:
    return {}


def _fits_all(_references: Sequence[str]) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric, called as `metric(answer, reference)`.

    Attributes:
        name: Machine name, as in `METRICS` and in `report.json`.
        score: The function that does the work.
        title: How a person calls it.
        right_or_wrong: Whether it gives only 0 and 1.
        figures: Numbers of the whole set that are no mean over examples (macro-F1), by name.
        unfit: A sentence saying why these references cannot be judged by this metric; empty where they can.
    """

    name: str
    score: Callable[[str, str], float]
    title: str = ""
    right_or_wrong: bool = False
    figures: Callable[[Sequence[str], Sequence[str]], dict[str, float]] = _no_figures
    unfit: Callable[[Sequence[str]], str] = _fits_all

    def __call__(self, answer: str, reference: str) -> float:
        return self.score(answer, reference)

    def mean(self, answers: Sequence[str], references: Sequence[str]) -> float:
        """The mean over examples; `answers` and `references` run in parallel and are not empty."""
        scores = [self.score(a, r) for a, r in zip(answers, references, strict=True)]
        return sum(scores) / len(scores)
