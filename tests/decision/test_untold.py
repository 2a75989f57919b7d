"""No fine-tuning over rivals that nobody told the task."""

from postgrad.decision.untold import REASON, untold
from postgrad.decision.verdict import decide
from tests.decision.test_verdict import all_pairs, arm


def test_a_gain_over_untold_rivals_is_no_recommendation():
    arms = [arm("base", 0), arm("few_shot", 23), arm("fine_tuned", 71)]
    verdict = untold(decide(arms, all_pairs(*arms)))
    assert verdict.recommendation == "cannot_tell" and verdict.reasons[0] == REASON
    assert "gets 71 of 100 right" in verdict.sentence and '--task "…"' in verdict.sentence


def test_other_verdicts_stay_and_say_it():
    arms = [arm("base", 80), arm("few_shot", 70), arm("fine_tuned", 30)]
    verdict = decide(arms, all_pairs(*arms))
    assert untold(verdict).recommendation == verdict.recommendation == "base"
    assert untold(verdict).sentence == verdict.sentence and REASON in untold(verdict).reasons
