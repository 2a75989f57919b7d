"""What evaluation measures and decision judges: the small frozen records that the two share without knowing each other.

All scores and differences are shares in [0, 1] (or [-1, 1]); intervals are two-sided, and 95 % where they do not say
otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from postgrad.json_types import JsonObject

ForgettingVerdict = Literal["kept", "lost", "cannot_tell"]

KINDS: dict[str, str] = {
    "knowledge": "Knowledge",
    "commonsense": "Common sense",
    "reading": "Reading",
    "arithmetic": "Arithmetic",
    "together": "All multiple choice together",
    "instructions": "Following instructions",
    "refusals": "Refusals",
    "languages": "Other languages",
    "style": "Style",
    "alignment": "Harmless answers",
    "own": "Tasks of lm-eval",
    "neighbour": "Neighbouring tasks of your own",
}
"""Kinds of general ability in words for people, in the order that reports show them."""
CONDUCT = ("instructions", "refusals", "languages", "style", "alignment")
"""Kinds that are about how a model behaves when it is asked anything; the others are about what it can do."""
BINDING = ("alignment",)
"""Conduct whose loss is a veto, whatever a model is for."""
NEIGHBOUR = "neighbour"
"""The kind of a task of the user's own that must not be lost."""


@dataclass(frozen=True, slots=True)
class Score:
    """A mean over `n` test examples with its interval."""

    value: float
    low: float
    high: float
    n: int

    @property
    def in_words(self) -> str:
        """The mean in per cent with its interval, to a tenth."""
        return f"{100 * self.value:.1f} % (95 % interval {100 * self.low:.1f} to {100 * self.high:.1f})"


@dataclass(frozen=True, slots=True)
class Comparison:
    """How much better `arm` is than `against` on the same examples; positive means `arm` is better.

    Attributes:
        p_value: Two-sided, of this comparison alone.
        p_adjusted: After Holm's correction over the family that it belongs to, and that for further looks.
        n: Number of paired examples.
        family: Over how many comparisons the correction went, times what a further look multiplies; 1 for one that
            stands alone.
        confidence: Of the interval, two-sided.
    """

    arm: str
    against: str
    difference: float
    low: float
    high: float
    p_value: float
    p_adjusted: float
    n: int
    family: int = 1
    confidence: float = 0.95


@dataclass(frozen=True, slots=True)
class FormFaults:
    """Answers that were scored low for how they are written, by their place among an arm's answers.

    Attributes:
        hidden: The right answer stands in them, with more around it.
        cut: They were cut at the limit before they came to an end.
    """

    hidden: tuple[int, ...] = ()
    cut: tuple[int, ...] = ()

    A_FEW: ClassVar[int] = 2
    """So many answers that fail by form are nothing, however few there are in all; and so is a share of them:"""
    FEW_SHARE: ClassVar[float] = 0.05

    def many(self, n: int) -> bool:
        """Whether more than a few of `n` answers are wrong for how they are written alone."""
        return len({*self.hidden, *self.cut}) > max(self.A_FEW, self.FEW_SHARE * n)

    def sentence(self, n: int) -> str:
        """How an arm with `n` answers fails: `in 37 of 40 answers the right one stands with more around it`."""
        parts = [
            f"in {len(self.hidden)} of {n} answers the right one stands with more around it" if self.hidden else "",
            f"{len(self.cut)} of {n} answers are cut before they end, and more room makes some of them right"
            if self.cut
            else "",
        ]
        return " and ".join(filter(None, parts))


@dataclass(frozen=True, slots=True)
class ArmResult:
    """One way to do the task, measured on the test part.

    Attributes:
        places: Of an arm that was stopped early, which places of the test part its scores and answers belong to,
            rising; empty where it answered them all.
        scores: The primary metric for each test example, in the order of the test part.
        answers: What the arm answered, in the same order.
        metrics: Every metric's mean and figures, each one number for the whole test part.
        details: JSON-safe tables of the metrics (scores by class, counts of faults), by metric.
        cost_per_1000: Money for 1,000 queries; None where no price is known.
        requires_training: Whether this arm exists only after a training.
        note: One sentence on how the arm was made, for the report.
        confidences: How sure it was of each answer: the geometric mean probability of its tokens; empty where unknown.
        model: Which model answered, where it is another than the run's own.
        form: Answers that failed by their form.
        held: Whether its answers were held to the form of right ones while they were generated.
        finishes: Why each answer ended (`stop`, `length`); empty where unknown.
    """

    name: str
    scores: tuple[float, ...]
    answers: tuple[str, ...]
    metrics: dict[str, float]
    prompt_tokens_mean: float
    completion_tokens_mean: float
    latency_ms_p50: float
    cost_per_1000: float | None
    score: Score
    requires_training: bool = False
    note: str = ""
    confidences: tuple[float, ...] = ()
    details: JsonObject = field(default_factory=dict)
    places: tuple[int, ...] = ()
    model: str = ""
    finishes: tuple[str, ...] = ()
    form: FormFaults = FormFaults()
    held: bool = False

    @property
    def stopped(self) -> bool:
        """Whether it was measured on a part of the test examples only, because it could not win any more."""
        return bool(self.places)

    @property
    def fails_by_form(self) -> str:
        """How more than a few of its answers are wrong for how they are written alone, in half a sentence; else
        empty."""
        n = len(self.scores)
        return self.form.sentence(n) if self.form.many(n) else ""

    def at(self, place: int) -> tuple[str, float] | None:
        """Answer and score for one place of the test part; None where it was not asked."""
        if not self.places:
            return self.answers[place], self.scores[place]
        if place not in self.places:
            return None
        index = self.places.index(place)
        return self.answers[index], self.scores[index]


@dataclass(frozen=True, slots=True)
class Forgetting:
    """A general benchmark before and after tuning; `difference` is tuned minus base.

    Attributes:
        p_lost: One-sided p-value against "no more than the margin was lost"; after `judged_together` corrected by
            Holm's method over all benchmarks of a run.
        kind: What it is about, where it belongs to the battery.
        title: How a person calls it; empty: the name.
        note: What a reader must know of it.
        guessed: Whether the base is not seen to do better than chance: there is no ability that could be lost.
        seen: The smallest loss that would have been called `lost` four times in five; 0 where that was not computed.
    """

    name: str
    n: int
    base: float
    tuned: float
    difference: float
    low: float
    high: float
    verdict: ForgettingVerdict
    margin: float = 0.02
    p_lost: float = 1.0
    kind: str = ""
    title: str = ""
    note: str = ""
    guessed: bool = False
    seen: float = 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do, in a sentence for a manager, and why.

    Attributes:
        recommendation: `fine_tune`, `fine_tuned+rag`, the name of an untrained arm, or `cannot_tell`.
        examples_needed: Where more test examples would settle it: about how many in all.
        meanwhile: Where it cannot tell: the arm to use until it is settled; empty where none is of use.
        why: Where it cannot tell: why, in a few words.
    """

    recommendation: str
    sentence: str
    reasons: tuple[str, ...] = ()
    comparisons: tuple[Comparison, ...] = field(default=())
    examples_needed: int | None = None
    meanwhile: str = ""
    why: str = ""


def wilson(hits: float, n: float, quantile: float) -> tuple[float, float]:
    """Wilson's score interval (1927) for a share; never empty, never outside [0, 1].

    Args:
        hits: How many had it.
        n: Out of so many, at least 1.
        quantile: Of the normal distribution, two-sided: 1.96 for 95 %.
    """
    share = hits / n
    middle = (share + quantile**2 / (2 * n)) / (1 + quantile**2 / n)
    half = quantile / (1 + quantile**2 / n) * math.sqrt(share * (1 - share) / n + quantile**2 / (4 * n * n))
    return (0.0 if hits == 0 else middle - half, 1.0 if hits == n else middle + half)


def still_falling(validation_loss: Sequence[tuple[int, float]]) -> bool:
    """Whether a training ended while it was still learning: the last (step, loss) is the lowest, by 2 % under the one
    before."""
    if len(validation_loss) < 2:
        return False
    *before, (_, last) = validation_loss
    return last < min(loss for _, loss in before) and last <= 0.98 * before[-1][1]
