"""No verdict over a rival that knows and fails by form."""

from dataclasses import replace

from postgrad.decision.form_guard import fails_by_form, if_form_kept
from postgrad.decision.verdict import decide
from postgrad.measures import ArmResult, Comparison, FormFaults
from tests.decision.test_verdict import all_pairs, arm

N = 40


def rambling(hits: int, hidden: int) -> ArmResult:
    """An arm with so many right answers, and so many more that stand in the text."""
    found = arm("rag", hits, N)
    return replace(found, form=FormFaults(hidden=tuple(range(hits, hits + hidden))))


def form_kept(*arms: ArmResult) -> list[Comparison]:
    known = [replace(a, score=replace(a.score, value=sum(if_form_kept(a).scores) / N)) for a in arms]
    return all_pairs(*known)


def judge(rival: ArmResult, tuned: ArmResult):
    arms = [arm("base", 0, N), rival, tuned]
    return decide(arms, all_pairs(*arms), form_kept=form_kept(*arms))


def test_what_a_rambling_rival_knows_stops_the_verdict():
    verdict = judge(rambling(0, 37), arm("fine_tuned", 34, N))
    assert verdict.recommendation == "cannot_tell"
    assert "retrieval (RAG) fails by form: in 37 of 40 answers the right one stands" in verdict.sentence
    assert "it would get 37 of 40 right" in verdict.sentence
    assert any("fails by form" in reason for reason in verdict.reasons)


def test_a_rival_that_is_beaten_even_so_does_not_stop_it():
    assert judge(rambling(0, 10), arm("fine_tuned", 38, N)).recommendation == "fine_tune"


def test_a_few_such_answers_are_nothing():
    assert not fails_by_form(rambling(20, 2)) and fails_by_form(rambling(20, 3))
    assert judge(rambling(0, 2), arm("fine_tuned", 34, N)).recommendation == "fine_tune"
    assert not fails_by_form(replace(arm("rag", 50, 100), form=FormFaults(tuple(range(3)), (2, 3, 4))))
    assert fails_by_form(replace(arm("rag", 50, 100), form=FormFaults(tuple(range(3)), (3, 4, 5))))
