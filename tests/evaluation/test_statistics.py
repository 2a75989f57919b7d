"""The figures against scipy and against definitions, and the properties that hold for any data."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from postgrad.evaluation.statistics.intervals import (
    degrees_of_freedom,
    difference_interval,
    difference_p,
    share_interval,
    standard_error,
    tango,
    tango_nuisance,
    units,
)
from postgrad.evaluation.statistics.scores import compare, compare_arms, noninferiority, score_interval
from postgrad.evaluation.statistics.significance import holm, mcnemar, sign_flip
from postgrad.evaluation.statistics.unseen import likelihood_below, lowest
from postgrad.measures import ArmResult, wilson

SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=40)
HITS = st.lists(st.integers(0, 1), min_size=1, max_size=60)


def arm(name: str, scores: list[float]) -> ArmResult:
    score = score_interval(scores)
    return ArmResult(name, tuple(scores), ("",) * len(scores), {}, 0, 0, 0, None, score, name.startswith("fine_tuned"))


@settings(deadline=None, max_examples=60)
@given(SHARES | HITS)
def test_a_score_lies_in_its_interval_which_has_width(values: list[float]) -> None:
    score = score_interval(values)
    assert 0 <= score.low <= score.value + 1e-9 and score.value - 1e-9 <= score.high <= 1
    assert score.high - score.low > 1e-6


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=40))
def test_a_comparison_turns_round_and_repeats(pairs: list[tuple[float, float]]) -> None:
    a, b = [p[0] for p in pairs], [p[1] for p in pairs]
    there, back = compare(a, b), compare(b, a)
    assert there == compare(a, b)
    assert there.difference == pytest.approx(-back.difference)
    assert there.p_value == pytest.approx(back.p_value)
    assert there.low < there.high
    assert -1 <= there.low <= there.difference + 1e-9 and there.difference - 1e-9 <= there.high <= 1


@given(st.integers(1, 200), st.data())
def test_wilson_is_scipys(n: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, n))
    ours = wilson(hits, n, 1.959963984540054)
    theirs = stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert ours == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_a_graded_score_of_rights_and_wrongs_is_wilsons() -> None:
    values = np.array([1.0] * 300 + [0.0] * 700)
    assert share_interval(units(values, None), 0.95) == pytest.approx(wilson(300, 1000, 1.96), abs=2e-4)


@pytest.mark.parametrize("sizes", [[1] * 30, [4] * 12, [1, 2, 3, 9, 5, 4, 40, 1, 2, 2]])
def test_the_error_is_the_jackknifes(sizes: list[int]) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    values = np.random.default_rng(3).random(len(groups))
    left_out = np.array([values[groups != g].mean() for g in range(len(sizes))])
    spread = ((left_out - values.mean()) ** 2).sum()
    found = units(values, groups.tolist())
    assert standard_error(found) ** 2 == pytest.approx((len(sizes) - 1) / len(sizes) * spread)


def test_a_few_large_groups_leave_few_degrees_of_freedom() -> None:
    shared = np.random.default_rng(1).random(30)

    def freedom(sizes: list[int]) -> float:
        groups = np.repeat(np.arange(len(sizes)), sizes)
        return degrees_of_freedom(units(shared[groups], groups.tolist()))

    assert freedom([5] * 30) == pytest.approx(29)
    assert freedom([100, 80, *[2] * 28]) < 4
    assert degrees_of_freedom(units(shared, None)) == 29


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 40))
def test_tango_ends_where_the_score_test_is_just_significant(first: int, second: int, rest: int) -> None:
    n, z = first + second + rest, 1.96
    if n == 0:
        return
    low, high = tango(first, second, n, z)
    assert low < (first - second) / n + 1e-9 and (first - second) / n < high + 1e-9
    for end in (low, high):
        if -0.999 < end < 0.999:
            q = tango_nuisance(first, second, n, end)
            assert abs(first - second - n * end) / math.sqrt(n * (2 * q + end * (1 - end))) == pytest.approx(
                z, rel=1e-3
            )


@pytest.mark.parametrize(("first", "second", "n", "delta"), [(3, 7, 40, 0.1), (9, 2, 30, -0.05), (5, 5, 25, 0.3)])
def test_tangos_nuisance_is_the_likeliest(first: int, second: int, n: int, delta: float) -> None:
    q = np.linspace(max(0, -delta) + 1e-6, (1 - delta) / 2 - 1e-6, 200_001)
    likelihood = first * np.log(q + delta) + second * np.log(q) + (n - first - second) * np.log(1 - 2 * q - delta)
    assert tango_nuisance(first, second, n, delta) == pytest.approx(q[likelihood.argmax()], abs=1e-4)


def test_mcnemar_is_the_binomial_test() -> None:
    result = compare([1] * 9 + [0] * 2 + [1] * 5, [0] * 9 + [1] * 2 + [1] * 5)
    assert result.p_value == pytest.approx(stats.binomtest(9, 11).pvalue) == mcnemar(9, 2)
    assert mcnemar(0, 0) == 1


def test_sign_flips_are_scipys_permutation_test() -> None:
    generator = np.random.default_rng(5)
    for n, tolerance in ((8, 1e-9), (40, 0.015)):
        differences = generator.normal(0.25, 0.8, n)
        theirs = stats.permutation_test(
            (differences, np.zeros(n)), lambda x, y: np.mean(x - y), permutation_type="samples", rng=1
        )
        assert sign_flip(differences, seed=0) == pytest.approx(theirs.pvalue, abs=tolerance)


def test_holm_by_hand_and_order() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([]) == ()


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_lies_between_none_and_bonferroni(p_values: list[float]) -> None:
    for raw, adjusted in zip(p_values, holm(p_values), strict=True):
        assert raw <= adjusted <= min(1, len(p_values) * raw) + 1e-12


@pytest.mark.parametrize("values", [[0.0] * 30, [1.0] * 30, [0.4] * 30])
def test_equal_scores_still_leave_a_tenth_open(values: list[float]) -> None:
    score = score_interval(values)
    assert score.high - score.low > 0.1
    same = compare(values, values)
    assert same.p_value == 1
    assert same.low < -0.1 and same.high > 0.1


def test_one_odd_score_does_not_close_what_equal_scores_leave_open() -> None:
    assert score_interval([0.01] + [0.0] * 29).high > 0.1
    assert score_interval([1.0] * 28 + [0.99, 0.98]).low < 0.9


def test_a_few_pairs_that_differ_get_the_score_interval() -> None:
    found = compare([1] * 12 + [0] * 4 + [1] * 44, [0] * 12 + [1] * 4 + [1] * 44)
    assert (found.low, found.high) == pytest.approx(tango(12, 4, 60, 1.959964), abs=1e-6)


def test_a_constant_gain_is_not_certain() -> None:
    result = compare([0.9] * 30, [0.4] * 30)
    assert result.difference == pytest.approx(0.5) and result.low < 0.4 and result.high > 0.5
    assert result.p_value < 0.001


def test_groups_widen_and_groups_of_one_do_not() -> None:
    generator = np.random.default_rng(0)
    values = np.repeat(generator.integers(0, 2, 30), 10).astype(float)
    groups = np.repeat(np.arange(30), 10).tolist()
    alone, together = score_interval(values), score_interval(values, groups)
    assert together.high - together.low > 2.5 * (alone.high - alone.low)
    assert score_interval(values, [None] * 300) == score_interval(values, list(range(300))) == alone
    assert compare(values, 1 - values, groups).p_value > compare(values, 1 - values).p_value
    assert (
        score_interval([1, 1, 0, 1, 0, 0], ["only"] * 6).high - score_interval([1, 1, 0, 1, 0, 0], ["only"] * 6).low
        > 0.9
    )


@pytest.mark.parametrize("values", [[], [1.2], [-0.1], [float("nan")]])
def test_scores_outside_the_scale_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="scores"):
        score_interval(values)


def test_unpaired_scores_are_refused() -> None:
    with pytest.raises(ValueError, match="3 against 2"):
        compare([1, 0, 1], [1, 0])


def test_two_families_are_corrected_apart() -> None:
    hits = {"base": 10, "few_shot": 18, "fine_tuned": 30, "fine_tuned+rag": 33}
    arms = [arm(name, [1.0] * k + [0.0] * (40 - k)) for name, k in hits.items()]
    found = {(c.arm, c.against): c for c in compare_arms(arms)}
    trained = [c for c in found.values() if c.arm.startswith("fine_tuned")]
    assert len(found) == 6 and len(trained) == 5
    assert found["few_shot", "base"].p_adjusted == found["few_shot", "base"].p_value
    assert tuple(c.p_adjusted for c in trained) == pytest.approx(holm([c.p_value for c in trained]))
    assert all(c.p_adjusted >= c.p_value for c in trained)


@pytest.mark.parametrize(
    ("right_before", "right_after", "n", "verdict"),
    [(100, 100, 200, "kept"), (100, 100, 150, "cannot_tell"), (300, 240, 400, "lost"), (200, 210, 400, "kept")],
)
def test_forgetting(right_before: int, right_after: int, n: int, verdict: str) -> None:
    base = [1] * right_before + [0] * (n - right_before)
    tuned = [1] * right_after + [0] * (n - right_after)
    result = noninferiority(base, tuned, name="arc")
    assert (result.verdict, result.n, result.name) == (verdict, n, "arc")
    assert result.difference == pytest.approx((right_after - right_before) / n)
    expected = "kept" if result.low > -0.02 else "lost" if result.high < -0.02 else "cannot_tell"
    assert result.verdict == expected


def test_a_wider_margin_forgives() -> None:
    base, tuned = [1] * 300 + [0] * 100, [1] * 280 + [0] * 120
    assert noninferiority(base, tuned, 0.02).verdict == "lost"
    assert noninferiority(base, tuned, 0.2).verdict == "kept"


@given(st.integers(6, 60), st.integers(0, 10**6), st.sampled_from([0.01, 0.03, 0.1, 0.3]))
@settings(deadline=None, max_examples=60)
def test_the_p_value_of_a_difference_is_its_intervals(n: int, seed: int, error: float) -> None:
    """Below an error exactly where the interval at that error leaves 0 out, in smooth, sparse and heavy-tailed data."""
    g = np.random.default_rng(seed)
    kinds = [
        g.normal(0.1, 0.2, n),
        np.where(g.random(n) < 0.1, -0.5, g.normal(0.1, 0.01, n)),
        (g.random(n) < 0.3) * 0.2,
    ]
    differences = units(
        np.clip(kinds[seed % 3], -1, 1), None if seed % 2 else list(range(n // 2)) * 2 + [None] * (n % 2)
    )
    low, high = difference_interval(differences, 1 - error, (-0.6, 0.4))
    p_value = difference_p(differences, (-0.6, 0.4))
    if abs(p_value - error) > 1e-3 * error:
        assert (p_value < error) == (low > 0 or high < 0)


@pytest.mark.parametrize(("hits", "n"), [(1, 30), (3, 30), (20, 40), (95, 100)])
def test_the_limit_with_one_more_value_is_clopper_and_pearsons(hits: int, n: int) -> None:
    values = np.array([1.0] * hits + [0.0] * (n - hits))
    exact = stats.beta.ppf(0.025, hits, n - hits + 1)
    assert lowest(values, np.ones(n), 0.0, 0.025) == pytest.approx(exact, rel=0.03, abs=1e-4)


def test_the_weighted_mean_of_graded_values_is_drawn_right() -> None:
    values = np.random.default_rng(2).beta(5, 2, 30)
    weights = np.random.default_rng(3).dirichlet(np.ones(31), 40_000)
    drawn = np.mean(weights @ np.append(values, 0.0) <= 0.65)
    assert likelihood_below(values, np.ones(30), 0.0, 0.65) == pytest.approx(drawn, abs=0.01)


def test_wide_spread_scores_keep_their_interval() -> None:
    """Where the spread seen is enough, nothing is widened: the effective number of examples decides."""
    values = np.random.default_rng(4).beta(4, 4, 80)
    score, mean = score_interval(values), float(values.mean())
    effective = mean * (1 - mean) / (values.std(ddof=1) ** 2 / 80)
    assert (score.low, score.high) == pytest.approx(wilson(mean * effective, effective, float(stats.t.ppf(0.975, 79))))
