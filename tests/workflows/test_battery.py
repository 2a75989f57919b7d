"""The whole battery in a job, with a tiny model: every kind is measured, kept, shown, and stops when it is told to."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from postgrad.errors import DataError, Interrupted, UsageError
from postgrad.evaluation.battery import BATTERY
from postgrad.progress import Progress, Said
from postgrad.recipe import Recipe, merged
from postgrad.records import pair
from postgrad.steps.base_files import BaseFiles
from postgrad.steps.context import RunContext
from postgrad.steps.examination.forgetting import General, affordable_items, benchmark_scores, forgetting
from postgrad.steps.examination.more_items import MOST, more_items, needed_items
from tests.evaluation.battery.rows import ROWS
from tests.workflows.test_main_job import finish

TRAIN = [pair(f"mail {i}", json.dumps({"order": i})) for i in range(12)]


@pytest.fixture
def recipe(tiny_folder, tmp_path):
    folder = tmp_path / "rows"
    folder.mkdir()
    for name in ("arc_easy", "mmlu", "winogrande", "boolq"):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in ROWS[name] * 12))
    changes = {"base": str(tiny_folder), "evaluation.general_data": str(folder), "evaluation.general_items": 20}
    return merged(Recipe(), changes)


def scores_of(recipe, train=TRAIN, stopped=lambda: False):
    """What the base scores on the benchmarks."""
    ctx = RunContext.of(recipe, stopped)
    model = yield from BaseFiles(recipe.base).load()
    return (yield from benchmark_scores(ctx, recipe.evaluation, model, None, train))


def test_every_kind_is_measured_once_and_kept(recipe):
    before, events = finish(scores_of(recipe))
    assert set(before.scores) == set(BATTERY) - {"hellaswag", "piqa"}, "those without a file are left out"
    assert "hellaswag, piqa" in before.note and any(isinstance(e, Said) and e.warning for e in events)
    assert len(before.scores["winogrande"]) == 20 and len(before.scores["style"]) == 72
    again, events = finish(scores_of(recipe))
    assert again == before and not any(isinstance(e, Progress) and e.unit == "items" for e in events)
    part, tests = forgetting(0.02, before, again, wanted=True)
    assert [b.name for b in part.benchmarks] == [t.name for t in tests] and part.benchmarks[-1].kind == "style"
    assert all(b.verdict != "lost" and b.difference == 0 and not b.changed for b in part.benchmarks)


def test_questions_that_went_wrong_are_shown_with_both_answers(recipe):
    after, _ = finish(scores_of(merged(recipe, {"evaluation.benchmarks": ["answers_harmless"]})))
    was = dict.fromkeys(after.answers["answers_harmless"], "Here is how.")
    now = dict.fromkeys(was, "I'm sorry, but I can't help with that.")
    full = type(after)({"answers_harmless": [1.0] * 24}, "", 0.0, {"answers_harmless": was})
    none = type(after)({"answers_harmless": [0.0] * 24}, "", 0.0, {"answers_harmless": now})
    (benchmark,) = forgetting(0.02, full, none, wanted=True)[0].benchmarks
    assert benchmark.verdict == "lost" and benchmark.p_lost < 0.001
    assert len(benchmark.changed) == 3 and "sorry" in benchmark.changed[0].after


def test_prose_leaves_style_out_and_says_so(recipe):
    prose = [
        pair("q", f"{w} is what we found in case {i}, and more.") for i in range(20) for w in ("That", "It", "Rain")
    ]
    general, _ = finish(scores_of(merged(recipe, {"evaluation.benchmarks": ["style"]}), prose))
    assert not general.scores and "no form" in general.note


def test_it_stops_when_told_and_refuses_what_it_does_not_know(recipe, tiny_folder):
    asked = merged(recipe, {"evaluation.benchmarks": ["instructions"]})
    with pytest.raises(Interrupted):
        finish(scores_of(asked, stopped=lambda: True))
    with pytest.raises(UsageError, match="no benchmark 'trivia'"):
        RunContext.of(merged(recipe, {"evaluation.benchmarks": ["trivia"]}), lambda: False)
    with pytest.raises(DataError, match=r"no sciq\.jsonl"):
        finish(scores_of(merged(recipe, {"evaluation.benchmarks": ["sciq"]})))


def test_items_fit_the_runs_pace_by_the_time_that_the_first_ones_took():
    assert affordable_items(10, 500, 50, 7.2) == 250, "72 seconds of 10 minutes, for 36 before and 36 after"
    assert affordable_items(20, 500, 50, 7.2) == 500 == affordable_items(10, 500, 50, 0.0)
    assert affordable_items(1, 500, 50, 100.0) == 50 and affordable_items(1, 20, 20, 100.0) == 20


def test_under_a_limit_as_many_items_are_measured_as_there_is_time_for(recipe):
    free = {"base": recipe.base, "evaluation.general_data": recipe.evaluation.general_data}
    free = merged(Recipe(), {**free, "evaluation.benchmarks": ["arc_easy", "arithmetic"]})

    def items(**changes):
        return finish(scores_of(merged(free, changes)))[0]

    hurried = items(max_minutes=0.0001)
    assert hurried.items == 25 and "at most 25 items a benchmark, not 500" in hurried.note
    assert items(max_minutes=0.0001, **{"evaluation.general_items": 70}).items == 25
    assert items(**{"evaluation.general_items": 70}).items == 70 and not items(max_minutes=10_000).note


def changed(items: int, share: float) -> tuple[General, General]:
    """Two benchmarks, before and after, of whose items a share changed, half of them either way."""
    flips = round(items * share / 2)
    before = [1.0] * (items // 2) + [0.0] * (items // 2)
    after = [0.0] * flips + [1.0] * (items // 2 - flips) + [1.0] * flips + [0.0] * (items // 2 - flips)
    was, now = (dict.fromkeys(("arc_easy", "piqa"), v) for v in (before, after))
    return General(was, "", 1.0, items=items, choosing=10.0), General(now, "", 1.0, items=items, choosing=10.0)


def test_how_many_items_are_needed_follows_from_how_many_changed_not_from_the_loss():
    few, many = (needed_items(*changed(400, share), 0.02) for share in (0.05, 0.3))
    assert few < 500 < 1500 < many <= MOST
    before, _ = changed(400, 0.3)
    worse = General({n: [0.0] * 60 + v[60:] for n, v in before.scores.items()}, "", 1.0, items=400)
    better = General({n: v[:200] + [1.0] * 60 + v[260:] for n, v in before.scores.items()}, "", 1.0, items=400)
    assert needed_items(before, worse, 0.02) == needed_items(before, better, 0.02)
    alone = General({"piqa": [1.0] * 40}, "", 1.0, items=40)
    assert needed_items(alone, alone, 0.02) == 40, "nothing is pooled: nothing more is measured"


def test_more_items_are_measured_where_there_is_time_and_the_fewer_are_among_them(recipe):
    free = merged(Recipe(), {"base": recipe.base, "evaluation.general_data": recipe.evaluation.general_data})
    names = ["arc_easy", "winogrande", "arithmetic"]
    free = merged(free, {"evaluation.benchmarks": names})

    def work(minutes=None):
        ctx = RunContext.of(merged(free, {"max_minutes": minutes}), lambda: False)
        model = yield from BaseFiles(free.base).load()
        before = yield from benchmark_scores(ctx, free.evaluation, model, None, TRAIN, 20)
        after = replace(before, scores={n: [1 - v for v in s] for n, s in before.scores.items()})
        trained = SimpleNamespace(trained=None, blob=None)
        return before, after, (yield from more_items(ctx, free, model, trained, before, after, TRAIN))

    (before, _, (first, second)), events = finish(work())
    assert first.items > 500 and len(first.scores["arithmetic"]) == first.items
    assert all(first.scores[n][:20] == before.scores[n] for n in names), "the same items, and more"
    assert second.scores == first.scores, "the stand-in for the trained model is the base"
    assert any("would not show a loss of 5 points" in e.text for e in events if isinstance(e, Said))
    (before, after, kept), _ = finish(work(minutes=0.0001))
    assert kept == (before, after), "no time is left"
