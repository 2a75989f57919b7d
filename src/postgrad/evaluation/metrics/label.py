"""Labels: right or wrong for each example, and F1 by class, because a rare class hides in plain accuracy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from postgrad.evaluation.metrics.support.metric import Case, Metric, MetricResult
from postgrad.evaluation.metrics.support.normal import plain
from postgrad.json_types import JsonObject

_FEW = 10  # among fewer answers labels need not have recurred yet


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One class: `n` is how often it is the reference."""

    precision: float
    recall: float
    f1: float
    n: int


@dataclass(frozen=True, slots=True)
class LabelReport:
    """Everything about a labelled test part.

    Attributes:
        classes: By label, as the references spell it.
        confusion: `confusion[reference][answer]` counts; answers that are no label stand under `unknown_key`.
        unknown: How many answers are none of the labels; each counts as wrong.
        macro_f1: Mean F1 over the labels that occur as a reference.
    """

    accuracy: float
    macro_f1: float
    unknown: int
    classes: dict[str, ClassScore]
    confusion: dict[str, dict[str, int]]

    unknown_key = ""

    def to_details(self) -> JsonObject:
        """JSON-safe tables by class and of the confusions, the classes in order of the alphabet."""
        names = sorted(self.classes)
        return {
            "classes": {name: asdict(self.classes[name]) for name in names},
            "confusion": {name: dict(sorted(self.confusion[name].items())) for name in names},
        }

    def worst(self, count: int = 3) -> list[tuple[str, ClassScore]]:
        """The classes with the lowest F1, of equal ones the largest first."""
        return sorted(self.classes.items(), key=lambda item: (item[1].f1, -item[1].n))[:count]


def label(*, labels: Iterable[str] = (), ignore_case: bool = True) -> Metric:
    """1 where the answer is the reference's label, give or take whitespace, marks at the ends and (by option) case.

    Args:
        labels: All labels there are; without them those of the references count as known.
        ignore_case: Turn off where labels differ in case alone.
    """
    known = tuple(labels)

    def measure(cases: Sequence[Case]) -> MetricResult:
        answers, references = [c.answer for c in cases], [c.reference for c in cases]
        scores = tuple(
            float(plain(a, ignore_case=ignore_case) == plain(r, ignore_case=ignore_case))
            for a, r in zip(answers, references, strict=True)
        )
        report = label_report(answers, references, labels=known, ignore_case=ignore_case)
        figures = {"macro_f1": report.macro_f1, "unknown_answers": report.unknown / max(1, len(answers))}
        return MetricResult(scores, figures, report.to_details())

    return Metric("label", measure, title="right labels", right_or_wrong=True, unfit=_unfit)


def _unfit(cases: Sequence[Case]) -> str:
    distinct = len({plain(c.reference) for c in cases})
    if len(cases) < _FEW or distinct <= len(cases) / 2:
        return ""
    return f"the {len(cases)} reference answers are {distinct} different texts, and labels recur"


def label_report(
    answers: Sequence[str], references: Sequence[str], *, labels: Iterable[str] = (), ignore_case: bool = True
) -> LabelReport:
    """Accuracy, F1 by class and the confusion table; see `LabelReport`."""
    spelling: dict[str, str] = {}
    for text in (*references, *labels):
        spelling.setdefault(plain(text, ignore_case=ignore_case), text.strip())
    pairs = Counter(
        (spelling[plain(r, ignore_case=ignore_case)], spelling.get(plain(a, ignore_case=ignore_case), ""))
        for a, r in zip(answers, references, strict=True)
    )
    wanted: Counter[str] = Counter()
    given: Counter[str] = Counter()
    confusion: dict[str, dict[str, int]] = {}
    for (reference, answer), count in pairs.items():
        wanted[reference] += count
        given[answer] += count
        confusion.setdefault(reference, {})[answer] = count
    classes = {name: _class_score(pairs[name, name], given[name], n) for name, n in wanted.items()}
    total = len(references)
    return LabelReport(
        accuracy=sum(pairs[name, name] for name in wanted if name) / total if total else 0.0,
        macro_f1=sum(c.f1 for c in classes.values()) / len(classes) if classes else 0.0,
        unknown=given[LabelReport.unknown_key],
        classes=classes,
        confusion=confusion,
    )


def _class_score(hits: int, given: int, wanted: int) -> ClassScore:
    precision = hits / given if given else 0.0
    recall = hits / wanted
    return ClassScore(precision, recall, 2 * hits / (given + wanted), wanted)
