"""Which of several to take, which bases to train, and the gate: on made scores with known truths."""

import numpy as np
import pytest

from postgrad.decision.base_race import still_in
from postgrad.decision.change import judge_change
from postgrad.decision.contest import contest
from postgrad.evaluation.statistics.scores import compare, compare_arms, score_interval
from postgrad.measures import ArmResult


def arm(name, scores, cost=None, trained=False):
    values = tuple(float(s) for s in scores)
    return ArmResult(name, values, ("",) * len(values), {}, 0, 0, 0, cost, score_interval(values), trained)


def right(n, share):
    return [1.0] * round(n * share) + [0.0] * (n - round(n * share))


def judged(*arms, worth=0.02):
    return contest(arms, compare_arms(arms), smallest_worth=worth)


def test_a_clear_winner_is_taken_and_the_figures_said():
    found = judged(
        arm("old@1", right(200, 0.5), trained=True),
        arm("new@2", right(200, 0.8), trained=True),
        arm("base @ m", right(200, 0.1)),
    )
    assert found.recommendation == "new@2"
    assert "gets 160 of 200 right" in found.sentence and "30 points" in found.sentence and len(found.reasons) == 1


def test_equals_on_few_examples_cannot_be_told_apart_and_on_many_the_cheapest_is_enough():
    few = judged(arm("a", right(40, 0.5), 1.0), arm("b", list(reversed(right(40, 0.5))), 0.5))
    assert few.recommendation == "cannot_tell" and few.examples_needed > 40 and "about" in few.sentence
    assert (
        "Use a meanwhile: a gain of b above"
        in judged(arm("a", right(40, 0.5)), arm("b", right(40, 0.45)[::-1])).sentence
    )
    many = judged(arm("a", right(4000, 0.5), 1.0), arm("b", right(4000, 0.5), 0.5))
    assert many.recommendation == "b" and "the cheapest" in many.sentence
    unknown = judged(arm("a", right(4000, 0.5)), arm("b", right(4000, 0.5), 0.5))
    assert unknown.recommendation in ("a", "b") and "cheapest" not in unknown.sentence


def test_one_alone_and_none_that_works():
    assert judged(arm("only", right(50, 0.5))).recommendation == "only"
    assert judged(arm("a", right(200, 0)), arm("b", right(200, 0))).recommendation == "cannot_tell"


def test_equal_arms_are_seldom_told_apart():
    generator = np.random.default_rng(1)
    wrong = 0
    for _ in range(300):
        arms = [arm(name, generator.random(80) < 0.6) for name in "abc"]
        wrong += judged(*arms).recommendation != "cannot_tell"
    assert wrong / 300 < 0.05


def test_only_clearly_weaker_bases_are_given_up():
    best = {
        "large": arm("prompted @ large", right(100, 0.7)),
        "small": arm("prompted @ small", right(100, 0.2)),
        "near": arm("base @ near", list(reversed(right(100, 0.66)))),
    }
    kept, out = still_in(best, compare_arms(list(best.values())))
    assert kept == ["large", "near"] and list(out) == ["small"] and "50 points behind that of large" in out["small"]


def against(b, a):
    return compare(b, a, arm="B", against="A"), sum(y < x for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(
    ("a", "b", "verdict", "passed"),
    [
        (right(100, 0.4), right(100, 0.8), "better", True),
        (right(100, 0.8), right(100, 0.4), "worse", False),
        (right(30, 0.5), right(30, 0.5), "no_worse", True),  # not one example is worse
        (right(3000, 0.5), right(3000, 0.5), "alike", True),
        (right(30, 0.5), list(reversed(right(30, 0.5))), "cannot_tell", False),
    ],
)
def test_the_gate(a, b, verdict, passed):
    found = judge_change(*against(b, a))
    assert (found.verdict, found.passed) == (verdict, passed)
    assert (found.examples_needed is not None) == (verdict == "cannot_tell") == ("Keep A meanwhile" in found.sentence)


def test_the_gate_seldom_passes_what_is_worse_by_the_margin():
    generator = np.random.default_rng(3)
    through = 0
    for _ in range(400):
        a = (generator.random(150) < 0.7).astype(float)
        b = (generator.random(150) < 0.6).astype(float)
        through += judge_change(*against(list(b), list(a)), margin=0.1).passed
    assert through / 400 < 0.05
