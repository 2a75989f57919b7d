"""Answers that know and do not say it right: the right answer stands in them, or they were cut before they came to it.

Where an arm fails so, its score tells how it writes and not what it knows, and no other arm is better for that.
"""

from __future__ import annotations

from collections.abc import Sequence

from postgrad.evaluation.answer_form import AnswerForm
from postgrad.evaluation.metrics.support.choose import MetricChoice
from postgrad.evaluation.metrics.support.fields import reference_of
from postgrad.evaluation.metrics.support.normal import plain, words
from postgrad.measures import FormFaults
from postgrad.records import Record

LOW = 0.5
"""A graded answer that scores less is taken for wrong."""
TELLING = 3
"""A right answer of fewer letters stands in many texts by chance; it must stand at their beginning."""


def form_faults(
    choice: MetricChoice,
    answers: Sequence[str],
    records: Sequence[Record],
    scores: Sequence[float],
    finishes: Sequence[str],
) -> FormFaults:
    """Which of these answers failed by their form.

    Args:
        choice: The metric, and what of a text it took for the answer.
        answers: As they were generated, in the order of the records.
        scores: By the primary metric.
        finishes: `length` where an answer was cut at the limit.
    """
    if not choice.primary.judges_answers:
        return FormFaults()
    wrong = [i for i, score in enumerate(scores) if score < LOW]
    hidden = [i for i in wrong if _holds(answers[i], reference_of(records[i]), choice.form)]
    cut = [i for i in wrong if finishes[i] == "length" and i not in hidden and _open(answers[i], choice)]
    return FormFaults(tuple(hidden), tuple(cut))


def _holds(text: str, reference: str, form: AnswerForm) -> bool:
    """Whether the right answer stands in a text as a sequence of whole words; of labels, whether it is the first named
    one."""
    wanted, said = words(reference), words(text)
    if not wanted:
        return False
    if form.labels:
        named = [at for label in form.labels if (at := _place(said, words(label))) is not None]
        return bool(named) and _place(said, wanted) == min(named)
    at = _place(said, wanted)
    return at == 0 or (at is not None and len(plain(reference)) >= TELLING)


def _place(said: Sequence[str], wanted: Sequence[str]) -> int | None:
    """Where a sequence of words begins in another one."""
    n = len(wanted)
    return next((i for i in range(len(said) - n + 1) if said[i : i + n] == wanted), None) if n else None


def _open(text: str, choice: MetricChoice) -> bool:
    """Whether what was taken for the answer goes on where the text was cut; a graded likeness needs no end."""
    return choice.primary.right_or_wrong and text.rstrip().endswith(choice.form.take(text).rstrip())
