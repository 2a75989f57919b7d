"""Ways without a language model take part in the verdict, and what knows no more than one answer is not recommended."""

from postgrad.decision.verdict import decide
from tests.decision.test_verdict import all_pairs, arm

BASE, TUNED = arm("base", 10), arm("fine_tuned", 80)


def judge(*arms, half=0.1):
    return decide(list(arms), all_pairs(*arms, half=half))


def test_a_classifier_that_is_as_good_stops_fine_tune():
    assert judge(BASE, TUNED).recommendation == "fine_tune"
    verdict = judge(BASE, arm("classifier", 76), TUNED)
    assert verdict.recommendation == "cannot_tell" and "a plain classifier gets 76" in verdict.sentence
    beaten = judge(BASE, arm("classifier", 60), TUNED)
    assert beaten.recommendation == "fine_tune" and "best alternative, a plain classifier, gets 60" in beaten.sentence


def test_a_classifier_is_recommended_where_tuning_brings_nothing():
    verdict = judge(BASE, arm("classifier", 85), arm("fine_tuned", 70))
    assert verdict.recommendation == "classifier"
    assert verdict.sentence.startswith("Do not fine-tune: a plain classifier gets 85 of 100 right")


def test_what_does_not_beat_the_commonest_answer_is_not_recommended():
    same, few, tuned = arm("majority", 7, 8), arm("few_shot", 7, 8), arm("fine_tuned", 2, 8)
    verdict = judge(same, few, half=0.3)
    assert verdict.recommendation == "cannot_tell"
    assert "7 of 8" in verdict.sentence and "always giving the commonest answer" in verdict.sentence
    assert judge(same, few, tuned, half=0.3).recommendation == "cannot_tell"
    assert judge(arm("majority", 60), arm("few_shot", 80)).recommendation == "few_shot"


def test_one_answer_to_everything_is_never_recommended():
    verdict = judge(arm("majority", 90), arm("few_shot", 60), arm("fine_tuned", 70))
    assert verdict.recommendation == "cannot_tell"
    assert verdict.sentence.startswith(
        "None works: no other way is shown to be better than always giving the commonest"
    )
