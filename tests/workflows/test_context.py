"""What the steps of a run share: a clock that is never changed, a ledger that adds up, and examples that keep their
groups."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest

from postgrad.errors import UsageError
from postgrad.progress import Said
from postgrad.recipe import Recipe, merged
from postgrad.records import pair
from postgrad.steps.context import USUAL_MINUTES, Clock, Ledger, RunContext
from postgrad.steps.examples import Examples, groups_of
from postgrad.steps.time_budget import room_for_test, usual_limit
from tests.workflows.jobs import finish


def summary(tokens: int):
    return SimpleNamespace(token_histogram=((tokens // 100, 100),))


def test_the_usual_limit_is_a_new_clock_and_a_users_limit_stays():
    free = RunContext.of(Recipe(), lambda: False).clock
    planned, events = finish(usual_limit(free, summary(50_000)))
    assert free.minutes is None and free.seconds_left() is None and free.pace == USUAL_MINUTES
    assert planned == Clock(free.started, 2 * USUAL_MINUTES) and planned.pace == 2 * USUAL_MINUTES
    assert 0 < planned.seconds_left() <= 2 * USUAL_MINUTES * 60
    assert any(isinstance(e, Said) and "28 minutes" in e.text for e in events)
    given = RunContext.of(merged(Recipe(), {"max_minutes": 3}), lambda: False).clock
    same, events = finish(usual_limit(given, summary(50_000)))
    assert same is given and given.minutes == 3 and given.limited and not events


def test_a_limited_run_tests_on_what_it_has_time_to_measure():
    assert room_for_test(None, 50) == room_for_test(10_000, 50) == 1000
    assert room_for_test(14, 50) == 150, "there is always time for so many"
    assert room_for_test(60, 50) == 429 and room_for_test(60, 100) == 214
    assert room_for_test(60, 0) == 1000


def test_a_context_is_made_of_values_and_cannot_be_changed():
    recipe = merged(Recipe(), {"seed": 7, "evaluation.remote_budget_usd": 2, "decision.price_per_hour": 9})
    ctx = RunContext.of(recipe, lambda: False)
    assert (ctx.seed, ctx.ledger.purse.max_usd, ctx.price.usd_per_hour) == (7, 2, 9)
    with pytest.raises(dataclasses.FrozenInstanceError):
        ctx.seed = 8
    with pytest.raises(UsageError, match="needs the arm fine_tuned"):
        RunContext.of(merged(Recipe(), {"evaluation.arms": ["base", "fine_tuned+rag"]}), lambda: False)


def test_the_ledger_adds_up_what_was_done_in_several_goes():
    ledger = Ledger()
    for seconds in (1.0, 2.54):
        ledger.took("arm base", seconds)
    ledger.leave_out("few_shot", "no room")
    part = ledger.seconds_part(Clock(0.0), training=4.0)
    assert list(part) == ["arm base", "training", "this command"] and part["arm base"] == 3.5
    assert [(one.name, one.reason) for one in ledger.left_out] == [("few_shot", "no room")]
    assert not Ledger().seconds and not Ledger().left_out, "no ledger knows of another"


def test_a_part_of_the_test_keeps_its_groups():
    records = tuple(pair(f"q{i}", "a", meta={"customer": i // 2}) for i in range(6))
    examples = Examples(records[:1], records[1:2], records[2:], groups_of(records[2:], "customer"))
    part = examples.at((0, 3))
    assert part.test == (records[2], records[5]) and part.groups == (1, 2) and part.known == records[:2]
    assert groups_of(records, None) is None and Examples((), (), records).at((1,)).groups is None
