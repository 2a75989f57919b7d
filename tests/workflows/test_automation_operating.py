"""The simulation behind the table of automation in `docs/verdict.md`, on small counts."""

import pytest
from bench.automation_operating import SCENARIOS, Row, looked_up, operated, table

SEED_CASE, FLAT = SCENARIOS[1], SCENARIOS[-1]
CLUSTERS = next(s for s in SCENARIOS if s.clusters)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_the_promise_is_kept(scenario):
    row = operated(scenario, 200, 150)
    assert row.broken <= 0.1 + 3 * (0.1 * 0.9 / 150) ** 0.5
    assert row.coverage <= scenario.possible + 0.15 or not scenario.possible


def test_of_two_thousand_tickets_a_share_is_certified_in_four_runs_of_five():
    assert 0.6 < SEED_CASE.possible < 0.7
    row = operated(SEED_CASE, 400, 150)
    assert row.certified >= 0.8 and row.coverage >= 0.45


def test_a_looked_up_threshold_breaks_its_promise():
    assert operated(FLAT, 200, 150, looked_up).broken > 0.5
    assert operated(CLUSTERS, 200, 150, looked_up).broken > 0.25


def test_the_table_has_a_line_a_row():
    lines = list(
        table(
            [
                (
                    Row(
                        "x",
                        1000,
                        0.25,
                        0.5,
                        0.012,
                    ),
                    Row("x", 1000, 1.0, 0.6, 0.4),
                )
            ]
        )
    )
    assert lines[-1] == "| x | 1,000 | 25 % | 50 % | 1.2 % | 40 % |"
    assert len({line.count("|") for line in lines}) == 1
