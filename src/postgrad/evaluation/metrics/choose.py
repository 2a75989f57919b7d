"""Which metric suits the data, and why: looked at the reference answers, said in one sentence, never asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from postgrad.errors import UsageError
from postgrad.evaluation.metrics import metric_named
from postgrad.evaluation.metrics.chrf import chrf
from postgrad.evaluation.metrics.exact_match import exact_match
from postgrad.evaluation.metrics.json_object import are_objects, json_fields, json_match, json_valid
from postgrad.evaluation.metrics.label import label
from postgrad.evaluation.metrics.metric import Metric
from postgrad.evaluation.metrics.normal import plain
from postgrad.evaluation.metrics.numeric import is_number, numeric
from postgrad.evaluation.metrics.rouge_l import rouge_l
from postgrad.evaluation.metrics.token_f1 import token_f1
from postgrad.records import Preference, Record

Kind = Literal["classification", "extraction", "generation"]

LABEL_WORDS = 8
"""A label has at most so many words."""
FACT_WORDS = 6
"""A fact has at most so many words."""
_MOST = 0.95
"""What holds for so many answers holds for the set: one odd row in twenty must not turn labels into prose."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The metrics of a task: `primary` decides, `secondary` informs, `why` explains."""

    primary: Metric
    secondary: tuple[Metric, ...]
    kind: Kind
    why: str

    def measure(self, answers: Sequence[str], references: Sequence[str]) -> tuple[tuple[float, ...], dict[str, float]]:
        """The primary score of each example, and every figure of the whole set by name (the primary's mean too)."""
        scores = tuple(self.primary(a, r) for a, r in zip(answers, references, strict=True))
        if not scores:
            return (), {}
        figures = {self.primary.name: sum(scores) / len(scores), **self.primary.figures(answers, references)}
        for metric in self.secondary:
            figures[metric.name] = metric.mean(answers, references)
            figures |= metric.figures(answers, references)
        return scores, figures


def choose_metric(records: Sequence[Record], metric: str | None = None) -> Choice:
    """The metrics for these records.

    Args:
        records: All records of the task (training part too: the rule needs the whole set of labels).
        metric: The user's own choice of primary metric, by name.

    Raises:
        UsageError: The records have no reference answers; the name is unknown; or that metric cannot judge this data.
    """
    references = [r.answer_text for r in records if not isinstance(r, Preference) and r.answer_text.strip()]
    if not references:
        raise UsageError(
            f"None of the {len(records)} records has a reference answer, so no metric can judge an answer.",
            "Give input–output pairs (or chat messages that end with the assistant), or a reference for each prompt.",
        )
    chosen = _from_answers(references)
    if metric is None:
        return chosen
    primary = metric_named(metric)
    sentence = primary.unfit(references)
    if sentence:
        raise UsageError(
            f"The metric {metric!r} cannot judge this data: {sentence}.",
            f"Leave --metric out to take {chosen.primary.name!r}: {chosen.why}",
        )
    rest = tuple(m for m in (chosen.primary, *chosen.secondary) if m.name != metric)
    return Choice(primary, rest, chosen.kind, f"You asked for {primary.title}. Without that: {chosen.why}")


def _from_answers(references: Sequence[str]) -> Choice:
    """The rule, from the narrowest kind to the widest."""
    n = len(references)
    if are_objects(references):
        why = "The answers are JSON objects, so an answer is right when its whole object is."
        return Choice(json_match(), (json_fields(), json_valid()), "extraction", why)
    distinct = {plain(r) for r in references}
    if _most_within(references, LABEL_WORDS) and len(distinct) <= max(2, n // 3):
        why = f"The {n} answers are {len(distinct)} labels that recur, so an answer is right when its label is."
        return Choice(label(labels=sorted(distinct)), (), "classification", why)
    if sum(is_number(r) for r in references) >= _MOST * n:
        why = "The answers are numbers, so an answer is right when its number is."
        return Choice(numeric(), (exact_match(),), "extraction", why)
    if _most_within(references, FACT_WORDS):
        why = f"The answers are short facts of at most {FACT_WORDS} words, so words in common with the reference count."
        return Choice(token_f1(), (exact_match(),), "extraction", why)
    why = "The answers are free text, so likeness to the reference is measured on characters (chrF)."
    return Choice(chrf(), (token_f1(), rouge_l()), "generation", why)


def _most_within(references: Sequence[str], limit: int) -> bool:
    return sum(len(r.split()) <= limit and len(r) <= 12 * limit for r in references) >= _MOST * len(references)
