"""The promise about automated answers holds as often as it says, by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postgrad.decision.automation import automation_sentence, certify, curve


def world(generator, n, skill=4.0):
    """Confidences, and scores that are right more often where the confidence is higher."""
    confidence = generator.random(n)
    right = 1 / (1 + np.exp(-skill * (2 * confidence - 0.6)))
    return confidence, right


def true_accuracy(threshold, skill=4.0):
    grid = np.linspace(threshold, 1, 2001)
    return float((1 / (1 + np.exp(-skill * (2 * grid - 0.6)))).mean())


@pytest.mark.parametrize("n", [120, 400])
@pytest.mark.parametrize("graded", [False, True])
def test_the_promise_is_broken_no_oftener_than_stated(n, graded):
    generator = np.random.default_rng(n)
    broken = certified = 0
    for _ in range(400):
        confidence, right = world(generator, n)
        scores = np.clip(right + generator.normal(0, 0.05, n), 0, 1) if graded else generator.random(n) < right
        found = certify(confidence.tolist(), scores.astype(float).tolist(), 0.9, failure=0.1)
        if found.value is not None:
            certified += 1
            broken += true_accuracy(found.value) < 0.9 - (0.01 if graded else 0)
    assert broken <= 0.1 * 400 + 3 * (400 * 0.1 * 0.9) ** 0.5
    assert certified > 0.5 * 400 or n == 120  # it is not safe by never promising anything


def test_a_faultless_model_needs_as_many_examples_as_are_said():
    needed = certify([1.0], [1.0], 0.95).needed
    sure = [float(i) for i in range(needed)]
    assert certify(sure, [1.0] * needed, 0.95).value == 0.0
    assert certify(sure[:-1], [1.0] * (needed - 1), 0.95).value is None


def test_more_is_automated_where_less_is_wanted():
    generator = np.random.default_rng(3)
    confidence, right = world(generator, 1000)
    scores = (generator.random(1000) < right).astype(float).tolist()
    shares = [certify(confidence.tolist(), scores, target).automated for target in (0.97, 0.9, 0.8)]
    assert shares == sorted(shares) and shares[0] < shares[-1]


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.5, 0.9]), st.booleans()), min_size=1, max_size=60))
def test_equal_confidences_are_never_divided(pairs):
    confidences, scores = [c for c, _ in pairs], [float(s) for _, s in pairs]
    found = certify(confidences, scores, 0.5, failure=0.5)
    if found.value is not None:
        assert found.automated == sum(c >= found.value for c in confidences)
    points = curve(confidences, scores)
    assert points[-1].coverage == 1.0 and points[-1].accuracy == pytest.approx(sum(scores) / len(scores))


def test_the_sentence_says_what_is_missing():
    few = automation_sentence(certify([0.9] * 20, [1.0] * 20, 0.95), 0.0, (0.0, 0.0), None)
    assert "20 calibration examples cannot certify it" in few and "at least" in few
    found = certify([float(i) for i in range(200)], [1.0] * 200, 0.95)
    assert "holds with 90 % probability" in automation_sentence(found, 0.6, (0.5, 0.7), 0.97)
