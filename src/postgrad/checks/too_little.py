"""Whether there is enough to learn from, and to measure by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from postgrad.answers import AnswerKind, answer_kind, label_counts
from postgrad.checks.structure import fault_of
from postgrad.checks.support.phrases import count_of, verb
from postgrad.findings import Check, Context, Finding, check_factory
from postgrad.records import Record, Text

USUAL = "50 to 100 examples are a usual start; a few hundred allow a reliable result"
KINDS: dict[AnswerKind, str] = {
    "label": "for labels, about 8 examples of each are where published few-shot methods start",
    "json": "for filling in fields, a few hundred are usual",
    "text": "for free answers, some hundred to a thousand carefully chosen ones are usual",
}
"""Sources: docs/checks/too_little.md."""


@check_factory(
    harm=100,
    advice=(
        "Collect more examples before judging by the result, or let `postgrad run` show whether prompting is enough."
    ),
)
def too_little(*, warn_below: int = 50, refuse_below: int = 10, per_label: int = 8, few_words: int = 10_000) -> Check:
    """Counts usable records, and those of a typical label.

    Args:
        warn_below: Fewer are enough to try, hardly enough to prove anything.
        refuse_below: Fewer cannot be divided into training and test.
        per_label: Labels whose middle one has fewer examples are mentioned.
        few_words: Raw text with fewer words in all teaches a model little.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        usable = [r for r in records if not fault_of(r)]
        if usable and all(isinstance(r, Text) for r in usable):  # one document may be a whole book
            words = sum(len(r.prompt_text.split()) for r in usable)
            if words < few_words:
                yield _few_words(words, len(usable))
            return
        answers = [r.answer_text for r in usable if not isinstance(r, Text)]
        kind = answer_kind(answers) if any(a.strip() for a in answers) else None
        if len(usable) < warn_below:
            yield _few(len(usable), refuse_below, kind)
        counts = label_counts(answers) if kind == "label" else None
        if counts and median(counts.values()) < per_label:
            middle = median(counts.values())
            yield Finding(
                "too_little",
                "info",
                f"There are {count_of(len(usable), 'usable record')} for {count_of(len(counts), 'label')}, and half of"
                f" the labels have {middle:g} or fewer; {KINDS['label']}.",
                details={"usable": len(usable), "kind": "label", "labels": len(counts), "median_per_label": middle},
            )

    return check


def _few_words(words: int, documents: int) -> Finding:
    sentence = (
        f"There are only {words:,} words of raw text in {count_of(documents, 'document')}; continued pretraining"
        " usually takes a hundred thousand and more."
    )
    return Finding("too_little", "warning", sentence, details={"words": words, "kind": "raw text"})


def _few(usable: int, refuse_below: int, kind: AnswerKind | None) -> Finding:
    there = f"There {verb(usable, 'is', 'are')} only {count_of(usable, 'usable record')}"
    refused = usable < refuse_below
    needed = f", and at least {refuse_below} are needed" if refused else ""
    usual = f"{USUAL}; {KINDS[kind]}" if kind else USUAL
    details = {"usable": usable, "kind": kind or "none"}
    return Finding("too_little", "error" if refused else "warning", f"{there}{needed}; {usual}.", details=details)
