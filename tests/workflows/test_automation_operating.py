"""The simulation behind the table of automation in `docs/verdict.md`, on small counts."""

import json
from dataclasses import replace

import pytest
from bench.automation_operating import SCENARIOS, Row, looked_up, operated, table

from postgrad.evaluation.metrics.support.choose import choose_metric
from postgrad.evaluation.statistics.scores import score_interval
from postgrad.measures import ArmResult
from postgrad.records import pair
from postgrad.steps.examination.automation import automation
from postgrad.steps.examples import Examples
from tests.workflows.jobs import finish

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


def answered(name: str, wrong: int, n: int = 200) -> ArmResult:
    """The least sure answers are wrong; each arm has confidences of its own."""
    scores = tuple(float(i >= wrong) for i in range(n))
    sure = tuple((i + len(name) / 37) / (n + 100) for i in range(n))
    return ArmResult(name, scores, ("",) * n, {}, 0, 0, 0, None, score_interval(scores), True, confidences=sure)


def test_a_threshold_is_of_the_best_arm_s_own_test_answers_and_pays_for_the_choice():
    test = tuple(pair(f"What is {i}?", str(i)) for i in range(200))
    examples = Examples((), test[:5], test)
    weak, best = answered("fine_tuned", 190), answered("fine_tuned+rag", 60)
    choice = choose_metric(test)
    alone, _ = finish(automation(examples, choice, {best.name}, [weak, best], 0.95))
    rate, _ = finish(automation(examples, choice, {weak.name, best.name}, [weak, best], 0.95))
    assert (rate.arm, rate.calibrated_on, rate.calibration) == (best.name, "test", 200)
    assert alone.threshold in best.confidences and alone.threshold not in weak.confidences
    assert alone.needed == 46 and rate.needed == 60 and rate.coverage <= alone.coverage
    assert 0.6 < rate.coverage < 0.8 and rate.accuracy > 0.95 and rate.failure == 0.1
    again, _ = finish(automation(examples, choice, {best.name}, [best], 0.95, 1, 2))
    assert again.failure == pytest.approx(0.1 / 3) and "holds with 97 % probability" in again.sentence
    two_bases, _ = finish(automation(examples, choice, {best.name}, [best], 0.95, 2))
    assert two_bases.needed == 60
    clusters = tuple(i // 10 for i in range(200))
    tied, _ = finish(automation(replace(examples, groups=clusters), choice, {best.name}, [best], 0.95))
    assert tied.threshold is None and tied.independent == 20
    assert "200 test examples, worth 20 independent ones, cannot certify it" in tied.sentence
    assert tied.instead is not None and finish(automation(examples, choice, {"x"}, [best], 0.95))[0] is None


def object_of(order: object, mood: str) -> str:
    return json.dumps({"order": order, "mood": mood})


def test_a_field_that_is_mostly_right_is_certified_where_the_whole_answer_is_not():
    test = tuple(pair(f"Order {i} is late", object_of(i, "cross" if i % 2 else "calm")) for i in range(200))
    answers = (*(object_of(i, "calm") for i in range(199)), "not an object")
    scores = tuple(float(i % 2 == 0 and i < 199) for i in range(200))
    sure = tuple((i * 37 % 200) / 200 for i in range(200))
    arm = ArmResult("fine_tuned", scores, answers, {}, 0, 0, 0, None, score_interval(scores), True, confidences=sure)
    examples, choice = Examples((), test[:5], test), choose_metric(test)
    assert choice.primary.name == "json_match"
    rate, said = finish(automation(examples, choice, {"fine_tuned"}, [arm], 0.95))
    order, mood = rate.fields
    assert rate.threshold is None and (order.name, mood.name) == ("order", "mood")
    assert order.right == 0.995 and order.coverage == 1.0 and order.threshold == min(sure)
    assert mood.threshold is None and mood.coverage == 0 and mood.accuracy is None and mood.right == 0.5
    assert rate.fields_sentence.endswith(
        "order in 100 % of the answers, which holds for all of them together with 90 % probability; a person reviews"
        " mood (50 % right)."
    )
    assert any(rate.fields_sentence in str(event) for event in said)


def test_the_probability_of_a_broken_promise_is_divided_among_the_fields():
    """As many faultless answers as one field needs at 95 % are too few for each of two."""
    few = 47
    test = tuple(pair(f"Order {i} is late", object_of(i, "calm")) for i in range(few))
    answers, scores = tuple(object_of(i, "calm") for i in range(few)), (1.0,) * few
    sure = tuple(i / few for i in range(few))
    arm = ArmResult("fine_tuned", scores, answers, {}, 0, 0, 0, None, score_interval(scores), True, confidences=sure)
    rate, _ = finish(automation(Examples((), test[:5], test), choose_metric(test), {"fine_tuned"}, [arm], 0.95))
    assert rate.threshold is not None and [f.threshold for f in rate.fields] == [None, None]
    assert rate.fields_sentence == "", "the whole answer is certified: nothing is to be said of its fields"
    short = replace(arm, scores=(0.0,) * few)
    rate, _ = finish(automation(Examples((), test[:5], test), choose_metric(test), {"fine_tuned"}, [short], 0.95))
    assert rate.fields_sentence.startswith("Nor can any field alone, with 95 % right: order (100 % right) and mood")
