"""Whether training requests look like those of production: a model is only as good as its practice resembles its
work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from postgrad.answers import label_counts
from postgrad.checks.support.embedding_space import clusters, distinguishing, sample, vectors, words_of
from postgrad.checks.support.label_shift import Shares, counted, estimated
from postgrad.checks.support.phrases import percent, quote
from postgrad.checks.support.record_texts import with_answer
from postgrad.findings import Check, Context, Finding, Repair, check_factory
from postgrad.json_types import JsonObject
from postgrad.records import Conversation, Record
from postgrad.similarity.classifier import out_of_fold
from postgrad.similarity.near_duplicates import exact_keys

_PENALTY = 1.0
_TOPICS = 12
_SHOWN = 20
_VOCABULARY = 10
_WEIGHTS = (0.1, 10.0)
"""Heavier or lighter no record becomes: a few of them would be all that is learned."""
_LABELS_SHOWN = 3


@check_factory(
    harm=54,
    advice="Collect examples of what production has more of; until then --repair skew gives each label the weight of "
    "its share there.",
)
def skew(
    *,
    most: int = 4000,
    fewest: int = 30,
    p_below: float = 0.01,
    auc_from: float = 0.6,
    shift_from: float = 0.1,
    known_from: float = 0.9,
) -> Check:
    """Compares requests and labels with those of `Context.production`.

    Labels: where production has them they are counted, else their shares are estimated from the requests. Where a
    share differs clearly, weights that put it right are proposed; they are set only when asked for.

    Requests: a classifier two-sample test (Lopez-Paz and Oquab 2017). A classifier learns to tell training requests
    from production's, on embeddings and length, and judges requests that it has not seen. If it does clearly better
    than a coin they differ, and what it is surest of shows how: topics, words, length, and the production requests that
    training lacks, first in the details.

    Args:
        most: Requests of each side that are compared, chosen by content.
        fewest: With fewer different requests on a side nothing is said.
        p_below: Chance of such a result, were there no difference, from which it is reported.
        auc_from: Least area under the curve that is worth reporting: 0.5 is a coin, 1 tells all apart.
        shift_from: Least difference of a label's shares that is worth reporting.
        known_from: Share of production's answers that must be labels of the training data to count as labels.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        train, production = _distinct(records, most), _distinct(context.production, most)
        if min(len(train), len(production)) < fewest:
            return
        texts = [r.prompt_text for r in (*train, *production)]
        points = vectors(texts)
        side = np.repeat([0, 1], [len(train), len(production)])
        yield from _shifted(records, context.production, train, points, side, shift_from, known_from, fewest)
        probability = out_of_fold(_features(points, texts), side, 2, penalty=_PENALTY)[:, 1]
        auc, error, p_value = area(probability[side == 1], probability[side == 0])
        if p_value >= p_below or auc < auc_from:
            return
        missing = _missing(production, points, side, probability)
        details = {
            "fault": "requests",
            "auc": round(auc, 4),
            "interval": [round(max(0.0, auc - 1.96 * error), 4), round(min(1.0, auc + 1.96 * error), 4)],
            "p_value": p_value,
            "compared": [len(train), len(production)],
            "missing": missing,
            **_differences(texts, points, side),
        }
        low, high = details["interval"]
        yield Finding(
            check="skew",
            severity="warning",
            sentence=(
                "Production requests differ from these records: a classifier separates them with an area under the "
                "curve of "
                f"{auc:.2f} (95 %: {low:.2f} to {high:.2f}; 0.5 is no difference). {_headline(details)}"
            ),
            details=details,
        )

    return check


def _distinct(records: Sequence[Record], most: int) -> list[Record]:
    """Each request once, so that repeats on one side teach the classifier nothing; at most `most`, by content."""
    first: dict[str, Record] = {}
    for key, record in zip(exact_keys([r.prompt_text for r in records]), records, strict=True):
        if key:
            first.setdefault(key, record)
    keys = list(first)
    return [first[keys[i]] for i in sample(keys, most)]


def _features(points: np.ndarray, texts: Sequence[str]) -> np.ndarray:
    """Embeddings, and the logarithm of the length beside them at a like scale."""
    lengths = np.log1p([len(t) for t in texts])
    scaled = (lengths - lengths.mean()) / max(float(lengths.std()), 1e-9) / 4
    return np.column_stack((points.astype(np.float32), scaled.astype(np.float32)))


def area(positive: np.ndarray, negative: np.ndarray) -> tuple[float, float, float]:
    """(area under the ROC curve, its standard error by Hanley and McNeil 1982, one-sided p of the Mann-Whitney
    test)."""
    from scipy.stats import mannwhitneyu

    result = mannwhitneyu(positive, negative, alternative="greater")
    m, n = len(positive), len(negative)
    auc = float(result.statistic) / (m * n)
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = (auc * (1 - auc) + (m - 1) * (q1 - auc**2) + (n - 1) * (q2 - auc**2)) / (m * n)
    return auc, float(np.sqrt(max(variance, 0.0))), float(result.pvalue)


def _missing(
    production: Sequence[Record], points: np.ndarray, side: np.ndarray, probability: np.ndarray
) -> list[JsonObject]:
    """Production's most telling requests, each with how like its nearest training request is."""
    known, asked = points[side == 0].astype(np.float32), points[side == 1].astype(np.float32)
    own = probability[side == 1]
    out = []
    for i in np.argsort(-own, kind="stable")[:_SHOWN].tolist():
        source = production[i].source
        out.append(
            {
                "text": production[i].prompt_text[:300],
                "source": [source.file, source.line],
                "probability": round(float(own[i]), 3),
                "nearest": round(float((known @ asked[i]).max()), 3),
            }
        )
    return out


def _differences(texts: Sequence[str], points: np.ndarray, side: np.ndarray) -> JsonObject:
    words = [words_of(t) for t in texts]
    everything = Counter(w for found in words for w in found)
    topic = clusters(points, min(_TOPICS, len(texts) // 20 + 1))
    topics = []
    for number in np.unique(topic):
        shares = [float((topic[side == s] == number).mean()) for s in (0, 1)]
        named = distinguishing([texts[i] for i in np.flatnonzero(topic == number).tolist()], everything, len(texts))
        topics.append({"words": named, "training": round(shares[0], 3), "production": round(shares[1], 3)})
    topics.sort(key=lambda t: t["training"] - t["production"])
    lengths = np.array([len(t.split()) for t in texts])
    middle = [float(np.median(lengths[side == s])) for s in (0, 1)]
    return {"topics": topics, "median_words": middle, "vocabulary": _vocabulary(words, side)}


def _vocabulary(words: Sequence[set[str]], side: np.ndarray) -> list[str]:
    """Words of production that training lacks, or nearly so."""
    counts = [Counter(w for i in np.flatnonzero(side == s).tolist() for w in words[i]) for s in (0, 1)]
    sizes = [int((side == s).sum()) for s in (0, 1)]

    def gain(word: str) -> float:
        return counts[1][word] / sizes[1] - 3 * counts[0][word] / sizes[0]

    return [w for w in sorted(counts[1], key=lambda w: (-gain(w), w))[:_VOCABULARY] if gain(w) > 0.01]


def _shifted(
    records: Sequence[Record],
    seen: Sequence[Record],
    train: Sequence[Record],
    points: np.ndarray,
    side: np.ndarray,
    shift_from: float,
    known_from: float,
    fewest: int,
) -> Iterator[Finding]:
    """Labels that are more or less frequent in production than here."""
    answers = [r.answer_text.strip() for r in records]
    counts = label_counts(answers)
    if counts is None or len(counts) < 2 or not all(answers):
        return
    names = list(counts)
    number = {name: i for i, name in enumerate(names)}
    here = np.bincount([number[a] for a in answers], weights=[_weight(r) for r in records], minlength=len(names))
    here = here / here.sum()
    there = _in_production(seen, number, known_from, fewest)
    if there is None:
        classes = np.array([number[r.answer_text.strip()] for r in train])
        there = estimated(points[side == 0], classes, len(names), points[side == 1])
    if there is None:
        return
    far = [
        i
        for i in np.argsort(-np.abs(there.shares - here)).tolist()
        if abs(there.shares[i] - here[i]) >= shift_from and not there.low[i] <= here[i] <= there.high[i]
    ]
    if not far:
        return
    weights = np.clip(there.shares / np.maximum(here, 1e-9), *_WEIGHTS)
    weights /= float((weights * here).sum())
    changed = {
        i: made
        for i, record in enumerate(records)
        if (made := _weighted(record, round(float(weights[number[answers[i]]]), 3))) is not None
    }
    lacking = [i for i in np.argsort(here - there.shares).tolist() if there.shares[i] > here[i]]
    yield Finding(
        check="skew",
        severity="warning",
        sentence=_told(names, here, there, far, counts, lacking),
        repairs=tuple(Repair(i, "replace", made, safe=False) for i, made in changed.items()),
        details={
            "fault": "labels",
            "counted": there.counted,
            "compared": [len(records), there.size],
            "labels": {
                names[i]: {
                    "training": round(float(here[i]), 4),
                    "production": round(float(there.shares[i]), 4),
                    "interval": [round(float(there.low[i]), 4), round(float(there.high[i]), 4)],
                    "weight": round(float(weights[i]), 3),
                }
                for i in np.argsort(here - there.shares).tolist()
            },
        },
    )


def _in_production(seen: Sequence[Record], number: dict[str, int], known_from: float, fewest: int) -> Shares | None:
    """The shares of production's own labels; None where it has none."""
    given = [a for r in seen if (a := r.answer_text.strip())]
    known = [number[a] for a in given if a in number]
    if len(known) < max(fewest, known_from * len(given), known_from * len(seen)):
        return None
    return counted(np.array(known), len(number))


def _weight(record: Record) -> float:
    return record.answer.weight if isinstance(record, Conversation) and record.answer is not None else 1.0


def _weighted(record: Record, weight: float) -> Record | None:
    """The record with its answer so weighted; None where it has no such place."""
    return with_answer(record, lambda answer: replace(answer, weight=weight))


def _told(
    names: Sequence[str],
    here: np.ndarray,
    there: Shares,
    far: Sequence[int],
    counts: dict[str, int],
    lacking: Sequence[int],
) -> str:
    how = f"counted in {there.size:,} answers" if there.counted else f"estimated from {there.size:,} requests"
    shown = "; ".join(_share_told(names, here, there, i) for i in far[:_LABELS_SHOWN])
    more = f"; {len(far) - _LABELS_SHOWN} more labels differ" if len(far) > _LABELS_SHOWN else ""
    wanted = ", ".join(
        f"{n:,} more of {names[i]!r}" for i in lacking[:_LABELS_SHOWN] if (n := _wanted(names, counts, there, i)) > 0
    )
    collect = f" The mixture would be production's with {wanted}." if wanted else ""
    return f"Labels are mixed otherwise in production ({how}): {shown}{more}.{collect}"


def _share_told(names: Sequence[str], here: np.ndarray, there: Shares, i: int) -> str:
    between = "" if there.counted else f" (95 %: {100 * there.low[i]:.0f} to {100 * there.high[i]:.0f})"
    return f"{names[i]!r} is {percent(float(here[i]))} here against {percent(float(there.shares[i]))} there{between}"


def _wanted(names: Sequence[str], counts: dict[str, int], there: Shares, label: int) -> int:
    """Records of a label that are missing while the most overrepresented one stays as it is."""
    had = np.array([counts[n] for n in names], dtype=float)
    with np.errstate(divide="ignore"):
        size = float(np.max(np.where(there.shares > 0.01, had / np.maximum(there.shares, 1e-9), 0.0)))
    return round(size * float(there.shares[label]) - counts[names[label]])


def _headline(details: JsonObject) -> str:
    topic = details["topics"][0]
    gain = topic["production"] - topic["training"]
    said = (
        f"Most underrepresented is the topic {', '.join(topic['words'])} ({100 * topic['training']:.0f} % here, "
        f"{100 * topic['production']:.0f} % there); for example "
        if gain > 0.05 and topic["words"]
        else "For example "
    )
    return f"{said}{quote(details['missing'][0]['text'])}."
