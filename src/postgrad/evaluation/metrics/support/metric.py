"""What a metric is: a named function from answers and references to numbers in [0, 1], made by a factory.

A metric judges a whole sequence of cases at once, because some must (a judge is asked in batches, programs run side by
side, a confusion table is of the whole set). `each` makes that out of a function of one answer and one reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from postgrad.json_types import JsonMapping
from postgrad.records import Message, Record, ToolDefinition


@dataclass(frozen=True, slots=True)
class Case:
    """One answer to judge.

    Attributes:
        answer: What an arm said; empty where only the data is looked at.
        reference: The right answer as text; a call of tools as JSON (see `reference_of`).
        record: Where the case comes from, for metrics that need tests, a schema or the request.
        asked: The messages that the arm asked with; empty for the record's own prompt.
    """

    answer: str
    reference: str
    record: Record | None = None
    asked: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class MetricResult:
    """What a metric found.

    Attributes:
        scores: One number in [0, 1] for each case, in order.
        figures: Numbers of the whole set that are no mean over cases (macro-F1), by name.
        details: JSON-safe tables for the report (scores by class, counts of faults), by name.
        remarks: Sentences that the reader of the scores must know.
    """

    scores: tuple[float, ...]
    figures: Mapping[str, float] = field(default_factory=dict)
    details: JsonMapping = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @property
    def mean(self) -> float:
        """The mean score; 0 where there are no cases."""
        return sum(self.scores) / max(1, len(self.scores))


AskModel = Callable[[Sequence[Sequence[Mapping[str, str]]]], Sequence[str]]
"""Chats (each a list of `{"role", "content"}`) → the model's answers, in order. A local or a remote model alike."""
Likelihoods = Callable[[Sequence[tuple[tuple[Message, ...], str]]], Sequence[float]]
"""(messages, answer) pairs → the mean natural log-probability a token of each answer; NaN where the messages leave no
room for it."""

Sides = Callable[[Sequence[tuple[tuple[Message, ...], tuple[str, ...]]]], Sequence[Sequence[float]]]
"""(messages, answers) → the natural log-probability of each answer, summed over its tokens; NaN where the messages
leave no room for it."""


Rewards = Callable[[Sequence[tuple[Sequence[Message], str]], Sequence[Sequence[ToolDefinition]]], Sequence[float]]
"""(messages, answer) pairs, and the tools of each → what the answers are worth, in order."""


@dataclass(frozen=True, slots=True)
class MetricResources:
    """What metrics may use besides text; given by the door, never fetched by a metric.

    Attributes:
        ask: The model that judges.
        judge: Its name, for sentences.
        likelihoods: How likely the measured model finds an answer.
        sides: How likely it finds each of several answers to one request.
        starting: How likely the base model finds them, whatever was trained since.
        own_code: Whether a function of the user's may run in this process.
        rewards: A registered reward model by its name.
    """

    ask: AskModel | None = None
    judge: str = ""
    likelihoods: Likelihoods | None = None
    sides: Sides | None = None
    starting: Sides | None = None
    own_code: bool = False
    rewards: Callable[[str], Rewards] | None = None


def _fits_all(_cases: Sequence[Case]) -> str:
    return ""


def _no_parts(cases: Sequence[Case]) -> Mapping[str, tuple[float, ...]]:
    return {}


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric, called as `metric(answer, reference)` for one case and `metric.measure(cases)` for many.

    Attributes:
        name: Machine name, as in `METRICS` and in `report.json`.
        measure: The function that does the work; any text may be an answer, so it never raises on one.
        title: How a person calls it.
        right_or_wrong: Whether it gives only 0 and 1.
        judges_form: Whether the form of an answer is what it judges, so that nothing may be taken away before.
        unfit: Why these references cannot be judged by this metric, as the end of a sentence; empty where they can.
        judges_answers: Whether it looks at what an arm says; else at what the model finds likely, which plain and
            remote arms cannot be asked.
        parts: The scores of each part of the answers (of objects their fields), by its name; empty where answers have
            no parts of their own.
    """

    name: str
    measure: Callable[[Sequence[Case]], MetricResult]
    title: str = ""
    right_or_wrong: bool = False
    unfit: Callable[[Sequence[Case]], str] = _fits_all
    judges_form: bool = False
    judges_answers: bool = True
    parts: Callable[[Sequence[Case]], Mapping[str, tuple[float, ...]]] = _no_parts

    def __call__(self, answer: str, reference: str, record: Record | None = None) -> float:
        return self.measure([Case(answer, reference, record)]).scores[0]


def each(score: Callable[[str, str], float]) -> Callable[[Sequence[Case]], MetricResult]:
    """The measure that scores each case by its answer and reference alone."""
    return lambda cases: MetricResult(tuple(score(c.answer, c.reference) for c in cases))


def paired(answers: Sequence[str], references: Sequence[str], records: Sequence[Record] | None = None) -> list[Case]:
    """Cases of sequences that run in parallel."""
    return [
        Case(answer, reference, records[i] if records else None)
        for i, (answer, reference) in enumerate(zip(answers, references, strict=True))
    ]


def lacking(cases: Sequence[Case], what: str, has: Callable[[Case], bool], share: float = 1.0) -> str:
    """The end of a sentence where fewer than `share` of the cases have what a metric needs; else empty."""
    count = sum(has(case) for case in cases)
    return "" if cases and count >= share * len(cases) else f"only {count} of {len(cases)} {what}"
