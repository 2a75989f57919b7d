"""The simulation behind the table of `docs/verdict.md`, on small counts."""

import numpy as np
import pytest
from bench.verdict_operating import SCENARIOS, Row, Scenario, drawn, naive, operated, table

PRICED = SCENARIOS[0].truths
EQUAL = next(s for s in SCENARIOS if s.name == "all equal")
STRONG = next(s for s in SCENARIOS if s.name == "tuned = the one strong arm")
TEN = next(s for s in SCENARIOS if s.name == "gain of 10 points")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_arms_are_drawn_with_their_truths(scenario):
    arms, groups = drawn(scenario, 20_000, np.random.default_rng(0))
    assert {a.name: round(a.score.value, 1) for a in arms} == pytest.approx(dict(scenario.truths), abs=0.06)
    assert [a.requires_training for a in arms] == [name == "fine_tuned" for name in scenario.truths]
    assert (groups is not None) == scenario.clusters and (groups is None or groups[:6] == [0, 0, 0, 0, 0, 1])


def test_two_good_arms_differ_on_as_many_examples_as_measured_ones():
    arms, _ = drawn(TEN, 20_000, np.random.default_rng(0))
    rag, tuned = (np.array(a.scores) for a in arms[-2:])
    assert 0.2 < np.mean(rag != tuned) < 0.32


def test_a_row_tells_how_often_and_what_it_costs():
    row = operated(
        Scenario(
            "clear",
            {**PRICED, "fine_tuned": 0.99, "rag": 0.3, "few_shot": 0.3, "optimised_prompt": 0.3, "prompted": 0.3},
        ),
        200,
        5,
    )
    assert (row.tuned, row.untrained, row.cannot_tell, row.lost) == (1.0, 0.0, 0.0, 0.0)
    assert row == operated(
        Scenario(
            "clear",
            {**PRICED, "fine_tuned": 0.99, "rag": 0.3, "few_shot": 0.3, "optimised_prompt": 0.3, "prompted": 0.3},
        ),
        200,
        5,
    ), "the seed decides"
    lines = list(table([Row("x", 1000, 0.25, 0.5, 1.25, 0.4, 3.0)]))
    assert lines[-1] == "| x | 1,000 | 25.0 % | 50.0 % | 25.0 % | 1.2 | 40 % | 3.0 |"
    assert len({line.count("|") for line in lines}) == 1


def test_the_naive_rule_ships_what_scored_more_unless_a_suite_fell():
    arms, _ = drawn(TEN, 4000, np.random.default_rng(0))
    chosen = [naive(arms, np.random.default_rng(n)) for n in range(200)]
    assert set(chosen) == {"fine_tuned", "rag"} and chosen.count("rag") < 40, "a fall by chance stops it at times"
    arms, _ = drawn(STRONG, 4000, np.random.default_rng(3))
    assert naive([*arms[:-2], arms[-1]], np.random.default_rng(0)) == "fine_tuned"


@pytest.mark.parametrize(("scenario", "n"), [(EQUAL, 400), (SCENARIOS[0], 400), (STRONG, 400)])
def test_where_tuning_brings_nothing_the_verdict_mostly_says_so(scenario, n):
    row = operated(scenario, n, 60)
    assert row.untrained >= 0.7 and row.tuned <= 0.05 and row.lost < 1


def test_a_gain_of_ten_points_is_mostly_found():
    row = operated(TEN, 400, 60)
    assert row.tuned >= 0.8 and row.untrained <= 0.05
