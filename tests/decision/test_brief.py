"""The decision in four lines: short, true to the figures, with what to do next."""

from __future__ import annotations

import itertools

import pytest

from postgrad.arm_kinds import ARM_KINDS, recommendation
from postgrad.decision.untold import WHY as UNTOLD
from postgrad.decision.verdict import CUT_SHORT, FORM
from postgrad.report.advice import NextStepPart
from postgrad.report.arm_parts import ArmPart
from postgrad.report.run_report import (
    BenchmarkPart,
    DataPart,
    FieldPart,
    ForgettingPart,
    ModelPart,
    SlicePart,
    VerdictPart,
)
from postgrad.steps.reporting.brief import MOST_WORDS, brief
from tests.decision.test_next_steps import report
from tests.pages.example_reports import full_report, minimal_report


def arm(name, right=None, n=80, score=None):
    score = right / n if right is not None else score
    return ArmPart(name=name, model="m", score=score, interval=(score - 0.1, score + 0.1), n=n, right=right)


def verdict(word, **parts):
    return VerdictPart(recommendation=word, sentence="…", **parts)


def told(word="fine_tune", arms=(("fine_tuned", 42), ("rag", 8)), more=None, **parts):
    given = {"verdict": verdict(word, **(more or {})), "arms": [arm(n, r) for n, r in arms], **parts}
    return brief(report(**given))


def test_fine_tuning_is_said_with_both_figures():
    lines = told(model=ModelPart(name="tickets", version=3, base="b", blob="x"))
    assert lines.headline == "Fine-tune: 42 of 80 right; best alternative (nearest examples): 8."
    assert "each looked at by a person" in lines.use_for and "nobody looks at" in lines.not_for
    assert lines.command == "postgrad chat tickets@3"
    graded = brief(report(verdict=verdict("fine_tune"), arms=[arm("fine_tuned", score=0.552), arm("rag", score=0.47)]))
    assert graded.headline == "Fine-tune: 55 of 100 points; best alternative (nearest examples): 47."


def test_an_untrained_arm_that_is_enough():
    arms = (("classifier", 78), ("fine_tuned", 77))
    assert told("classifier", arms).headline == "Use a plain classifier: 78 of 80 right; fine-tuned, 77."
    stopped = told("classifier", (("classifier", 78),), {"before_training": True})
    assert stopped.headline == "Stop before training: 78 of 80 right with a plain classifier."
    documents = {"evaluation": {"docs": "manuals"}}
    assert told("rag", (("rag", 70),), recipe=documents).headline.startswith("Use retrieval (RAG)")
    assert "nothing is found" in told("rag", (("rag", 70),), recipe=documents).not_for


@pytest.mark.parametrize(
    ("more", "headline", "command"),
    [
        (
            {"why": "80 test examples are too few", "examples_needed": 300},
            "80 test examples are too few",
            "--test MORE.csv",
        ),
        ({"why": UNTOLD}, UNTOLD, '--task "…"'),
        ({"why": CUT_SHORT}, "cut short", "--max-minutes 10"),
        ({"why": FORM}, "required form", '--system-prompt "…"'),
        ({"next_steps": [NextStepPart(step="Mend it", gain="", why="")]}, "does not settle it", ""),
    ],
)
def test_what_cannot_be_told(more, headline, command):
    lines = told("cannot_tell", more={**more, "meanwhile": "rag"})
    assert headline in lines.headline and lines.headline.startswith("Cannot tell yet: ") and lines.command == command
    assert lines.use_for == "The nearest examples meanwhile: 8 of 80 right."
    assert told("cannot_tell", more=more).use_for == "Nothing yet."
    assert lines.do_next.endswith((".", "anew."))


def test_a_handful_of_examples_is_answered_with_more_not_with_thousands():
    few = DataPart(read=30, kept=30, train=21, validation=3, test=6, hash="sha256:0")
    more = {"why": "6 test examples are too few", "examples_needed": 14_000, "before_training": True}
    lines = told("cannot_tell", more=more, data=few)
    assert lines.headline == "Stop before training: 6 test examples are too few."
    assert "50 to 100" in lines.do_next and "14,000" not in lines.do_next and not lines.command


def test_what_is_lost_and_what_may_go_out_alone():
    lost = BenchmarkPart(
        name="keeps_a_form",
        kind="conduct",
        n=24,
        base=0.4,
        tuned=0.0,
        difference=-0.4,
        interval=(-0.6, -0.2),
        verdict="lost",
    )
    lines = told(forgetting=ForgettingPart(margin=0.05, benchmarks=[lost]))
    assert "it lost keeps a form" in lines.not_for
    worst = SlicePart(
        slice="long requests", n=20, fine_tuned=0.1, interval=(0.0, 0.3), rest=0.6, against=0.1, p_worse=0.01
    )
    assert "long requests (10 of 100)" in told(edge_cases=[worst]).not_for
    rate = full_report().automation.model_copy(
        update={"arm": "fine_tuned", "threshold": None, "coverage": 0.0, "target_accuracy": 0.9, "fields": []}
    )
    assert "each looked at" in told(automation=rate).use_for
    assert (
        "34\N{NO-BREAK SPACE}% of them without review (certified at 90\N{NO-BREAK SPACE}%)"
        in told(automation=rate.model_copy(update={"threshold": 0.8, "coverage": 0.34})).use_for
    )
    field = FieldPart(name="order", right=0.9, threshold=0.7, coverage=0.84, accuracy=0.95)
    by_field = told(automation=rate.model_copy(update={"fields": [field]}))
    assert "without review order in 84\N{NO-BREAK SPACE}% (certified at 90\N{NO-BREAK SPACE}%)" in by_field.use_for
    assert "nobody looks at" not in by_field.not_for


def test_no_headline_is_long():
    words = [recommendation(name) for name in ARM_KINDS] + ["cannot_tell", "tickets@3", "remote:some-model+rag"]
    for word, stop, trained in itertools.product(words, (False, True), (False, True)):
        name = {"fine_tune": "fine_tuned"}.get(word, word)
        arms = [(name, 42), *([("fine_tuned", 40)] if trained and name != "fine_tuned" else []), ("rag+few_shot", 8)]
        lines = told(
            word, dict(arms).items(), {"before_training": stop, "why": "a rival is right but not in the required form"}
        )
        assert len(lines.headline.split()) <= MOST_WORDS, lines.headline
        assert all(lines.model_dump()[k] for k in ("headline", "use_for", "not_for", "do_next"))
    for whole in (full_report(), minimal_report()):
        assert len(brief(whole).headline.split()) <= MOST_WORDS
