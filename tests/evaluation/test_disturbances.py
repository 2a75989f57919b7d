"""Disturbed answers are paired with undisturbed ones and corrected for all that was asked."""

from __future__ import annotations

import numpy as np
import pytest

from postgrad.evaluation.robustness import DisturbedAnswers, judged


def asked(kind, clean, disturbed, arm="fine_tuned"):
    answers = tuple("right" if s else "wrong" for s in clean), tuple("right" if s else "wrong" for s in disturbed)
    return DisturbedAnswers(arm, kind, tuple(clean), tuple(disturbed), *answers)


def test_a_loss_is_found_and_comes_first():
    clean = [1.0] * 30 + [0.0] * 10
    found = judged([asked("case", clean, clean), asked("typos", clean, [0.0] * 12 + clean[12:])])
    assert [j.asked.kind for j in found] == ["typos", "case"]
    worst, harmless = found
    assert worst.comparison.difference == pytest.approx(-0.3) and worst.comparison.p_adjusted < 0.01
    assert worst.comparison.high < 0 and worst.changed == pytest.approx(0.3)
    assert harmless.comparison.difference == 0 and harmless.changed == 0 and harmless.comparison.p_adjusted == 1.0


def test_p_values_are_corrected_over_all_kinds_and_arms():
    clean = [1.0] * 20
    one = asked("typos", clean, [0.0] * 6 + clean[6:])
    alone = judged([one])[0].comparison
    among = judged([one, *(asked(str(n), clean, clean, "prompted") for n in range(9))])[0].comparison
    assert alone.p_adjusted == alone.p_value == among.p_value and among.p_adjusted > alone.p_adjusted


def test_chance_is_called_a_loss_no_oftener_than_five_in_a_hundred():
    generator = np.random.default_rng(0)
    rounds, called = 200, 0
    for _ in range(rounds):
        family = [
            asked(str(k), (generator.random(40) < 0.7).astype(float), (generator.random(40) < 0.7).astype(float))
            for k in range(5)
        ]
        called += any(j.comparison.p_adjusted < 0.05 for j in judged(family))
    assert called <= rounds * 0.05 + 3 * (rounds * 0.05 * 0.95) ** 0.5
