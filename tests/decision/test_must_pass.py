"""A trained arm that fails a must-pass case is not recommended, whatever it scores."""

from postgrad.decision.must_pass import held_to
from postgrad.decision.verdict import decide
from postgrad.report.must_pass import FailedCasePart, MustPassPart
from tests.decision.test_verdict import all_pairs, arm

ARMS = [arm("base", 0), arm("few_shot", 23), arm("fine_tuned", 71)]


def cases(*failed: tuple[str, int]) -> MustPassPart:
    parts = [
        FailedCasePart(arm=a, case=f"own.csv line {n}", prompt="p", reference="r", answer="a", score=0)
        for a, n in failed
    ]
    return MustPassPart(cases=5, least=1, asked=[a.name for a in ARMS], failed=parts)


def held(part: MustPassPart, arms=ARMS):
    def without(names):
        left = [a for a in arms if a.name not in names]
        return decide(left, all_pairs(*left)) if left else None

    return held_to(decide(arms, all_pairs(*arms)), part, without)


def test_a_trained_arm_that_fails_one_is_not_recommended_and_the_case_is_named():
    verdict = held(cases(("fine_tuned", 3), ("base", 1)))
    assert verdict.recommendation == "few_shot"
    assert "fails 1 of 5 must-pass cases (own.csv line 3)" in verdict.sentence
    assert "Use few-shot prompting meanwhile." in verdict.sentence
    assert any("own.csv line 3" in reason for reason in verdict.reasons)


def test_one_that_passes_them_all_is_recommended_as_ever():
    plain = decide(ARMS, all_pairs(*ARMS))
    verdict = held(cases(("few_shot", 2)))
    assert verdict.recommendation == plain.recommendation == "fine_tune" and verdict.sentence == plain.sentence
    assert verdict.reasons[0] == "All 5 must-pass cases are passed by the unmodified base model, the tuned model."


def test_another_trained_arm_takes_its_place():
    arms = [arm("base", 0), arm("few_shot", 23), arm("fine_tuned", 95), arm("fine_tuned+rag", 75)]
    verdict = held(cases(("fine_tuned", 3)), arms)
    assert verdict.recommendation == "fine_tuned+rag" and verdict.sentence.endswith("instead.")


def test_an_untrained_arm_that_fails_is_named_and_stays():
    arms = [arm("base", 80), arm("fine_tuned", 30)]
    verdict = held(cases(("base", 4)), arms)
    assert verdict.recommendation == "base"
    assert "own.csv line 4" in verdict.reasons[0]


def test_nothing_is_recommended_where_nothing_is_left():
    arms = [arm("base", 0), arm("fine_tuned", 71)]
    verdict = held(cases(("fine_tuned", 1)), arms)
    assert verdict.recommendation == "cannot_tell" and "No other way is shown to do" in verdict.sentence
