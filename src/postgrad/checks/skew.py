"""Whether training requests look like those of production: a model is only as good as its practice resembles its
work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from postgrad.answers import label_counts
from postgrad.checks.support.embedding_space import clusters, distinguishing, sample, vectors, words_of
from postgrad.checks.support.phrases import quote
from postgrad.findings import Check, Context, Finding, check_factory
from postgrad.json_types import JsonObject
from postgrad.records import Record
from postgrad.similarity.classifier import fit, out_of_fold
from postgrad.similarity.near_duplicates import exact_keys

_PENALTY = 1.0
_TOPICS = 12
_SHOWN = 20
_VOCABULARY = 10


@check_factory(
    harm=48,
    advice="Add examples like the requests listed, which occur in production but not in the training data.",
)
def skew(*, most: int = 4000, fewest: int = 30, p_below: float = 0.01, auc_from: float = 0.6) -> Check:
    """Compares the requests with `Context.production` by a classifier two-sample test (Lopez-Paz and Oquab 2017).

    A classifier learns to tell training requests from production's, on embeddings and length, and judges requests that
    it has not seen. If it does clearly better than a coin they differ, and what it is surest of shows how: topics,
    words, length, predicted labels, and the production requests that training lacks, first in the details. Nothing is
    repaired.

    Args:
        most: Requests of each side that are compared, chosen by content.
        fewest: With fewer different requests on a side nothing is said.
        p_below: Chance of such a result, were there no difference, from which it is reported.
        auc_from: Least area under the curve that is worth reporting: 0.5 is a coin, 1 tells all apart.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        train, production = _distinct(records, most), _distinct(context.production, most)
        if min(len(train), len(production)) < fewest:
            return
        texts = [r.prompt_text for r in (*train, *production)]
        points = vectors(texts)
        side = np.repeat([0, 1], [len(train), len(production)])
        probability = out_of_fold(_features(points, texts), side, 2, penalty=_PENALTY)[:, 1]
        auc, error, p_value = area(probability[side == 1], probability[side == 0])
        if p_value >= p_below or auc < auc_from:
            return
        missing = _missing(production, points, side, probability)
        details = {
            "auc": round(auc, 4),
            "interval": [round(max(0.0, auc - 1.96 * error), 4), round(min(1.0, auc + 1.96 * error), 4)],
            "p_value": p_value,
            "compared": [len(train), len(production)],
            "missing": missing,
            **_differences(texts, points, side),
            **_labels(train, production, points, side),
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


def _labels(train: Sequence[Record], production: Sequence[Record], points: np.ndarray, side: np.ndarray) -> JsonObject:
    """Shares of the labels in training, and as predicted for production; nothing where the answers are not labels."""
    answers = [r.answer_text.strip() for r in train]
    counts = label_counts(answers)
    if counts is None or len(counts) < 2 or not all(answers):
        return {}
    names = list(counts)
    classes = np.array([names.index(a) for a in answers])
    chance = fit(points[side == 0], classes, len(names)).probabilities(points[side == 1]).mean(axis=0)
    shares = {n: [round(counts[n] / len(train), 4), round(float(chance[i]), 4)] for i, n in enumerate(names)}
    return {"labels": dict(sorted(shares.items(), key=lambda item: item[1][0] - item[1][1]))}


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
