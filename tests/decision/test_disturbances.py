"""How many are asked again is bounded by the budget; the sentence says what was lost and no more."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from postgrad.decision.robustness import FEWEST, MOST, disturbance_sentence, sample_size
from postgrad.report.advice import DisturbancePart


@given(st.floats(0.01, 100), st.floats(0.01, 100), st.floats(0, 10_000))
def test_the_budget_is_kept(one, other, budget):
    costs = {"fine_tuned": one, "few_shot": other}
    size, names = sample_size(costs, budget)
    assert size * sum(costs[n] for n in names) <= budget
    assert (size == 0) == (names == ()) and (size == 0 or FEWEST <= size <= MOST)
    assert names in ((), ("fine_tuned",), ("fine_tuned", "few_shot"))
    if not names:
        assert one * FEWEST > budget


def test_rather_one_arm_less_than_too_few_examples():
    costs = {"fine_tuned": 1.0, "few_shot": 9.0}
    assert sample_size(costs, 1000) == (40, ("fine_tuned", "few_shot"))
    assert sample_size(costs, 50) == (40, ("fine_tuned",))
    assert sample_size(costs, 5) == (0, ())
    assert sample_size(costs, None) == (40, ("fine_tuned", "few_shot"))


def row(kind, difference, p, arm="fine_tuned"):
    return DisturbancePart(
        arm=arm,
        kind=kind,
        n=40,
        clean=0.8,
        disturbed=0.8 + difference,
        difference=difference,
        interval=(difference - 0.1, difference + 0.05),
        changed=0.3,
        p_value=p,
        p_adjusted=p,
    )


def test_the_sentence_names_what_hurts_the_first_arm():
    said = disturbance_sentence(
        [row("typos", -0.2, 0.001), row("case", -0.05, 0.4), row("case", -0.5, 0.001, "few_shot")]
    )
    assert "20 points to 'typos' (15 to 30)" in said and "case" not in said and "40 test examples" in said
    assert "chance" in disturbance_sentence([row("typos", -0.1, 0.2)])
    assert "loses nothing to any of 1" in disturbance_sentence([row("typos", 0.0, 1.0)])
