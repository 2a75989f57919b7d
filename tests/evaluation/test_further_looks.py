"""A further look at the same test part is judged more strictly, and the first one as ever."""

import numpy as np
import pytest

from postgrad.evaluation.statistics.further_looks import strictness
from postgrad.evaluation.statistics.scores import compare_arms, score_interval
from postgrad.measures import ArmResult


def arm(name: str, scores: np.ndarray, trained: bool = False) -> ArmResult:
    values = tuple(scores.astype(float).tolist())
    return ArmResult(name, values, ("",) * len(values), {}, 0, 0, 0, None, score_interval(values), trained)


@pytest.fixture(params=["right or wrong", "graded"])
def arms(request) -> list[ArmResult]:
    draw = np.random.default_rng(3).random((3, 120))
    scores = draw < np.array([[0.5], [0.6], [0.75]]) if request.param == "right or wrong" else draw**2
    return [arm("base", scores[0]), arm("rag", scores[1]), arm("fine_tuned", scores[2], trained=True)]


def test_the_errors_of_all_looks_together_stay_under_twice_that_of_one():
    assert [strictness(look) for look in range(1, 6)] == [1, 3, 6, 10, 15]
    assert 1.99 < sum(1 / strictness(look) for look in range(1, 1000)) < 2
    with pytest.raises(ValueError, match="first look"):
        strictness(0)


def test_the_first_look_is_as_ever_and_the_third_is_stricter(arms):
    first, third = compare_arms(arms), compare_arms(arms, look=3)
    assert first == compare_arms(arms, look=1)
    for one, other in zip(first, third, strict=True):
        assert one.confidence == 0.95 and other.confidence == pytest.approx(1 - 0.05 / 6)
        assert other.p_value == one.p_value and other.p_adjusted == min(1.0, 6 * one.p_adjusted)
        assert other.low < one.low and other.high > one.high and other.difference == one.difference
        assert other.family == 6 * one.family


def test_groups_are_taken_at_the_stricter_level_too(arms):
    groups = [i // 3 for i in range(120)]
    one, other = compare_arms(arms, groups)[0], compare_arms(arms, groups, look=2)[0]
    assert other.low < one.low < one.high < other.high
