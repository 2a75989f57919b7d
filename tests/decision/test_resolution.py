"""What the test set resolves, and how many examples would resolve what the user cares for."""

from __future__ import annotations

import pytest

from postgrad.decision.power import mcnemar_power
from postgrad.decision.resolution import assumed_resolution, measured_resolution, units_sentence
from postgrad.measures import ArmResult, Score


def arm(name: str, scores: list[float]) -> ArmResult:
    mean = sum(scores) / len(scores)
    return ArmResult(name, tuple(scores), ("",) * len(scores), {}, 0, 0, 0, None, Score(mean, 0, 1, len(scores)))


def test_both_numbers_are_said() -> None:
    found = assumed_resolution(120, 0.05)
    assert "120 test examples" in found.sentence and "15 points" in found.sentence
    assert "5 points" in found.sentence and "about 1,100 test examples" in found.sentence
    assert "Assumed" in found.sentence


@pytest.mark.parametrize(("worth", "n"), [(0.1, 60), (0.05, 120), (0.15, 60)])
def test_the_examples_named_have_the_power_promised(worth: float, n: int) -> None:
    needed = assumed_resolution(n, worth).examples_for_worth
    assert needed is not None
    assert mcnemar_power(needed, worth, max(0.25, worth)) == pytest.approx(0.8, abs=0.05)


def test_arms_that_differ_less_resolve_more() -> None:
    first = [1.0] * 60 + [0.0] * 40
    little, much = [1.0] * 58 + [0.0] * 42, [1.0] * 30 + [0.0] * 30 + [1.0] * 28 + [0.0] * 12
    close = measured_resolution([arm("a", first), arm("b", little)], 0.05)
    far = measured_resolution([arm("a", first), arm("b", much)], 0.05)
    assert close and far and close.measured
    assert close.resolvable < assumed_resolution(100, 0.05).resolvable < far.resolvable
    assert close.examples_for_worth and far.examples_for_worth and close.examples_for_worth < far.examples_for_worth
    assert "2 %" in close.sentence


def test_what_counts_is_independent_units() -> None:
    found = assumed_resolution(120, 0.05, 40)
    assert found.resolvable == assumed_resolution(40, 0.05).resolvable
    assert "120 test examples (40 independent units)" in found.sentence and "1,100 independent" in found.sentence
    assert assumed_resolution(120, 0.05, 120).sentence == assumed_resolution(120, 0.05).sentence
    assert units_sentence(100, 91, 3) == "" and "form 90 independent units" in units_sentence(100, 90, 3)


def test_nothing_measured_says_nothing() -> None:
    same = [0.5] * 20
    assert measured_resolution([arm("a", same)], 0.02) is None
    assert measured_resolution([arm("a", same), arm("b", same)], 0.02) is None


def test_a_large_test_set_is_enough_and_a_tiny_one_shows_nothing() -> None:
    assert "That is enough" in assumed_resolution(2000, 0.05).sentence
    assert "no difference" in assumed_resolution(6, 0.05).sentence
    free = assumed_resolution(100, 0.0)
    assert free.examples_for_worth is None and "smallest_worth" not in free.sentence
