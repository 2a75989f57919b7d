"""How many of the labels that look wrong are errors, and how many are merely hard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_FIT_ON = 4_000
_TEMPERATURES = np.exp(np.arange(-1.2, 1.51, 0.1))
_SHARES = np.concatenate(([0.0], np.geomspace(1e-4, 0.5, 50)))
_WITHIN = 1.92
"""Half the 95 % point of χ² with one degree of freedom: the reach of a profile likelihood."""


@dataclass(frozen=True, slots=True)
class Noise:
    """The chance of each label to be an error.

    Attributes:
        share: Share ε of labels that fell anywhere.
        wrong: (records,): the chance of each to be one of them.
        at_most: (records,): the same under the largest ε that the labels still allow (95 %).
    """

    share: float
    wrong: np.ndarray
    at_most: np.ndarray


def noise_of(probabilities: np.ndarray, labels: np.ndarray, seed: int = 0) -> Noise:
    """Explains labels by a mixture: what classifiers say, made less sure by one temperature, and a share ε of labels
    that fell anywhere. Temperature and ε are those under which the labels are likeliest.

    Labels that are easily taken for each other raise the temperature; labels for which nothing speaks raise ε.

    Args:
        probabilities: (records, classes), out of fold.
        labels: The class number given to each record.
        seed: Of the sample that the mixture is fitted on.
    """
    logs = np.log(np.maximum(probabilities.astype(np.float64), 1e-12))
    count = probabilities.shape[1]
    rng = np.random.default_rng(seed)
    part = np.arange(len(labels)) if len(labels) <= _FIT_ON else rng.choice(len(labels), _FIT_ON, replace=False)

    def own(temperature: float, rows: np.ndarray) -> np.ndarray:
        scaled = logs[rows] / temperature
        return np.exp(scaled[np.arange(len(rows)), labels[rows]] - np.logaddexp.reduce(scaled, axis=1))

    found = np.stack([_likelihoods(own(t, part), count) for t in _TEMPERATURES])  # (temperatures, shares)
    profile = found.max(axis=0)
    best = int(profile.argmax())
    largest = int(np.flatnonzero(profile >= profile[best] - _WITHIN).max())

    def wrong(at: int) -> np.ndarray:
        right = own(float(_TEMPERATURES[found[:, at].argmax()]), np.arange(len(labels)))
        return _SHARES[at] / count / ((1 - _SHARES[at]) * right + _SHARES[at] / count)

    return Noise(float(_SHARES[best]), wrong(best), wrong(largest))


def _likelihoods(own: np.ndarray, count: int) -> np.ndarray:
    """Log-likelihood of the labels under each share.

    Args:
        own: Probability of each record's label.
        count: Number of classes.
    """
    return np.array([np.log((1 - share) * own + share / count + 1e-300).sum() for share in _SHARES])
