"""Shares of labels in production: counted where production has labels, else estimated from its requests.

A classifier that learned on one mixture predicts something between that mixture and the true one. Its errors are known
from the training data (who is taken for whom, out of fold), and the mixture is sought that explains its predictions
(Lipton, Wang and Smola 2018, with probabilities in place of decisions).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from postgrad.similarity.classifier import fit, out_of_fold

_BOOTSTRAPS = 100
_MOST_LABELS = 30
"""With more labels the errors of a classifier say too little of each."""


@dataclass(frozen=True, slots=True)
class Shares:
    """The mixture of labels in production.

    Attributes:
        shares: (labels,), adding up to 1.
        low: Lower ends of the 95 % intervals.
        high: Upper ends.
        counted: The labels were there; otherwise they were estimated.
        size: Requests or labels that this stands on.
    """

    shares: np.ndarray
    low: np.ndarray
    high: np.ndarray
    counted: bool
    size: int


def counted(labels: np.ndarray, count: int) -> Shares:
    """The mixture of labels that are there, with Wilson's intervals.

    Args:
        labels: Class number of each.
        count: Number of classes.
    """
    size, z = len(labels), 1.96
    shares = np.bincount(labels, minlength=count) / size
    middle = (shares + z * z / (2 * size)) / (1 + z * z / size)
    half = z * np.sqrt(shares * (1 - shares) / size + z * z / (4 * size * size)) / (1 + z * z / size)
    return Shares(shares, middle - half, middle + half, True, size)


def estimated(known: np.ndarray, labels: np.ndarray, count: int, asked: np.ndarray, seed: int = 0) -> Shares | None:
    """The mixture behind requests without labels; None where there are too many labels.

    Args:
        known: Embeddings of labelled requests, (records, features).
        labels: Class number of each.
        count: Number of classes.
        asked: Embeddings of production's requests.
        seed: Of the resampling behind the intervals.
    """
    if count > _MOST_LABELS:
        return None
    told = out_of_fold(known, labels, count)
    seen = fit(known, labels, count).probabilities(asked)
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(labels == c) for c in range(count)]
    drawn = np.array(
        [
            _mixture(
                np.stack([told[rng.choice(m, len(m))].mean(axis=0) for m in members]),
                seen[rng.integers(len(seen), size=len(seen))].mean(axis=0),
            )
            for _ in range(_BOOTSTRAPS)
        ]
    )
    shares = _mixture(np.stack([told[m].mean(axis=0) for m in members]), seen.mean(axis=0))
    low, high = np.quantile(drawn, (0.025, 0.975), axis=0)
    return Shares(shares, np.minimum(low, shares), np.maximum(high, shares), False, len(asked))


def _mixture(errors: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """The shares q ≥ 0, adding up to 1, for which q · errors comes nearest to what was predicted.

    Args:
        errors: (labels, labels): mean probabilities that records of each label get.
        predicted: (labels,): mean probabilities that production's requests get.
    """
    from scipy.optimize import nnls

    heavy = 10.0  # the sum of 1 is kept by one more equation of this weight
    left = np.vstack((errors.T, np.full((1, len(errors)), heavy)))
    found, _ = nnls(left.astype(np.float64), np.append(predicted, heavy).astype(np.float64))
    return found / max(float(found.sum()), 1e-12)
