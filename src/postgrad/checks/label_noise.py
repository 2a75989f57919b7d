"""Labels that are probably wrong: what all the other records say of a record, against what its label says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from postgrad.answers import label_counts
from postgrad.checks.support.embedding_space import vectors
from postgrad.checks.support.noise_share import noise_of
from postgrad.checks.support.phrases import count_of, percent, quote, verb
from postgrad.findings import Check, Context, Finding, check_factory
from postgrad.records import Record, Task, Text
from postgrad.similarity.classifier import out_of_fold

_FEWEST_PER_LABEL = 5
_TRUSTED_FROM = 0.8
"""A classifier that errs more often says too much that is wrong to warn by it: its doubts are for information."""

_USEFUL_ABOVE_GUESSING = 0.2
_WARN_FROM = 3
_WARN_SHARE = 0.002
_WARN_LIKELY = 0.5


@check_factory(
    harm=76,
    advice="Look at these labels first and correct those that are wrong; do not drop them without looking.",
)
def label_noise(*, margin: float = 0.3, folds: int = 5, min_records: int = 50) -> Check:
    """Finds suspicious labels by confident learning (Northcutt, Jiang and Chuang 2021) on embeddings, out of fold.

    A record is shown where classifiers that never saw it are as sure of another label as they usually are of right
    ones, and surer by `margin` than of the label given. Nothing is repaired: a person decides. Silent where the labels
    cannot be predicted clearly better than by always saying the most frequent one.

    Args:
        margin: Least difference of the two labels' probabilities. 0 is plain confident learning: more found, more of it
            wrong.
        folds: Parts for cross-validation.
        min_records: Fewer labelled records are not judged.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        chosen, labels, names = _labelled(records)
        if len(chosen) < min_records or len(names) < 2:
            return
        points = vectors([records[i].prompt_text for i in chosen])
        probabilities = out_of_fold(points, labels, len(names), folds=folds)
        right = float((probabilities.argmax(axis=1) == labels).mean())
        guess = np.bincount(labels).max() / len(labels)
        if right < guess + _USEFUL_ABOVE_GUESSING * (1 - guess):
            return
        other = confident_label(probabilities, labels)
        row = np.arange(len(labels))
        gap = probabilities[row, np.maximum(other, 0)] - probabilities[row, labels]
        suspects = np.flatnonzero((other >= 0) & (gap >= margin))
        if not len(suspects):
            return
        noise = noise_of(probabilities, labels)
        ranked = suspects[np.lexsort((-gap[suspects], -noise.wrong[suspects]))]
        likely = float(noise.wrong[ranked].mean())
        real, at_most = round(likely * len(ranked)), round(float(noise.at_most[ranked].sum()))
        enough = real >= max(_WARN_FROM, _WARN_SHARE * len(chosen)) or (real > 0 and likely >= _WARN_LIKELY)
        pairs = Counter((names[labels[i]], names[other[i]]) for i in ranked)
        most, times = pairs.most_common(1)[0]
        often = f" Most often {most[0]!r} seems to be {most[1]!r} ({times}×)." if times > 1 else ""
        yield Finding(
            check="label_noise",
            severity="warning" if right >= _TRUSTED_FROM and enough else "info",
            sentence=(
                f"{count_of(len(ranked), 'label')} of {len(chosen):,} {verb(len(ranked), 'looks', 'look')} wrong to a "
                f"classifier that is right for {percent(right)} of the others; of these {_real(real, at_most)} "
                f"likely wrong.{often}"
            ),
            indices=tuple(chosen[i] for i in ranked),
            evidence=tuple(
                f"{names[labels[i]]!r}, more likely {names[other[i]]!r} ({probabilities[i, other[i]]:.2f} against "
                f"{probabilities[i, labels[i]]:.2f}; wrong with a chance of {percent(float(noise.wrong[i]))}): "
                f"{quote(records[chosen[i]].prompt_text)}"
                for i in ranked
            ),
            details={
                "accuracy": right,
                "suspects": len(ranked),
                "judged": len(chosen),
                "likely_wrong": [real, at_most],
                "confusions": [[*pair, n] for pair, n in pairs.most_common(10)],
            },
            likely=likely,
        )

    return check


def _real(real: int, at_most: int) -> str:
    if at_most > real:
        return f"about {real:,} to {at_most:,} are"
    return f"about {real:,} {verb(real, 'is', 'are')}"


def confident_label(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The label that confident learning believes instead of the given one, or -1 where it agrees or cannot tell.

    A class's threshold is the mean probability that records so labelled have for it; the believed label is the most
    probable of those at or above their thresholds (the off-diagonal of the confident joint).

    Args:
        probabilities: (records, classes), out of fold.
        labels: The class number given to each record.
    """
    count = probabilities.shape[1]
    own = probabilities[np.arange(len(labels)), labels]
    sizes = np.bincount(labels, minlength=count)
    thresholds = np.bincount(labels, weights=own, minlength=count) / np.maximum(sizes, 1)
    thresholds[sizes == 0] = np.inf
    sure = probabilities >= thresholds - 1e-6
    believed = np.where(sure, probabilities, -1.0).argmax(axis=1)
    return np.where(sure.any(axis=1) & (believed != labels), believed, -1)


def _labelled(records: Sequence[Record]) -> tuple[list[int], np.ndarray, list[str]]:
    """Records with a label that occurs often enough, their class numbers, and the names of the classes."""
    answers = {
        i: r.answer_text.strip()
        for i, r in enumerate(records)
        if not isinstance(r, Text | Task) and r.answer_text.strip() and r.prompt_text.strip()
    }
    counts = label_counts(list(answers.values())) or {}
    names = [name for name, count in counts.items() if count >= _FEWEST_PER_LABEL]
    number = {name: i for i, name in enumerate(names)}
    chosen = [i for i, answer in answers.items() if answer in number]
    return chosen, np.array([number[answers[i]] for i in chosen], dtype=np.int64), names
