"""A linear classifier for points (embeddings): who belongs to which class, for points that it has not seen.

Softmax regression with an L2 penalty, by L-BFGS. It is scikit-learn's `LogisticRegression` in thirty lines, in single
precision and with fewer rounds than exactness would need: the tests hold it against the original.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PENALTY = 0.1
"""One tenth of scikit-learn's default, because embeddings are unit vectors and need large weights."""

FIT_ON = 20_000
"""Points that one classifier is fitted on at most: more change it little, and time stays linear."""


@dataclass(frozen=True, slots=True)
class Linear:
    """Class scores are `points @ weights + offsets`; their softmax is the class's probability."""

    weights: np.ndarray
    offsets: np.ndarray

    def probabilities(self, points: np.ndarray) -> np.ndarray:
        """(points, classes), rows add up to 1."""
        return _softmax(points.astype(np.float32) @ self.weights + self.offsets)


def _softmax(scores: np.ndarray) -> np.ndarray:
    scores = scores - scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    return scores


def fit(points: np.ndarray, classes: np.ndarray, count: int, *, rounds: int = 25, penalty: float = PENALTY) -> Linear:
    """Fits the classifier.

    Args:
        points: (points, features).
        classes: Class number of each point.
        count: Number of classes.
        rounds: L-BFGS iterations.
        penalty: Weight of half the squared weights against the summed loss.
    """
    from scipy.optimize import minimize

    points = points.astype(np.float32)
    middle = points.mean(axis=0)
    centred = points - middle
    size, width = points.shape
    truth = (np.arange(size), classes)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        table = flat.reshape(width + 1, count).astype(np.float32)
        chance = _softmax(centred @ table[:-1] + table[-1])
        value = -np.log(np.maximum(chance[truth], 1e-12)).sum() + 0.5 * penalty * float((table[:-1] ** 2).sum())
        chance[truth] -= 1
        slope = np.vstack((centred.T @ chance + penalty * table[:-1], chance.sum(axis=0)))
        return float(value) / size, slope.ravel().astype(np.float64) / size

    start = np.zeros((width + 1, count))
    start[-1] = np.log((np.bincount(classes, minlength=count) + 1) / size)
    done = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": rounds})
    table = done.x.reshape(width + 1, count).astype(np.float32)
    return Linear(table[:-1], table[-1] - middle @ table[:-1])


def out_of_fold(
    points: np.ndarray, classes: np.ndarray, count: int, *, folds: int = 5, seed: int = 0, penalty: float = PENALTY
) -> np.ndarray:
    """Probabilities of each point by classifiers that were not fitted on it. Folds are stratified by class."""
    rng = np.random.default_rng(seed)
    fold = np.zeros(len(points), dtype=np.int64)
    for number in range(count):
        members = rng.permutation(np.flatnonzero(classes == number))
        fold[members] = (np.arange(len(members)) + number) % folds
    out = np.zeros((len(points), count), dtype=np.float32)
    for number in range(folds):
        unseen = fold == number
        known = np.flatnonzero(~unseen)
        if unseen.any() and len(known):
            known = known if len(known) <= FIT_ON else np.sort(rng.choice(known, FIT_ON, replace=False))
            fitted = fit(points[known], classes[known], count, penalty=penalty)
            out[unseen] = fitted.probabilities(points[unseen])
    return out
