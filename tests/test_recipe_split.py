"""Every setting of the recipe's data section that divides records changes who trains, chooses or tests."""

from __future__ import annotations

import pytest

from postgrad.progress import Said
from postgrad.recipe import DataSection
from postgrad.records import pair
from postgrad.steps.divide import divide


def records() -> list:
    out = []
    for i in range(120):
        meta = {
            "customer": i // 2,
            "region": "north" if i % 7 == 0 else "south",
            "created": f"{i % 12 + 1:02}/{i // 12 + 1:02}/2026",
            "sent": f"2026-01-01T00:{(119 - i) // 60:02}:{(119 - i) % 60:02}",
            "split": ["train", "test", "dev", "train"][i % 4],
            "fold": ["train", "test"][i % 2],
        }
        out.append(pair(f"topic {i} is about {i * 7919} things", f"answer {i}", meta=meta))
    return out


def parts(**changes):
    work = divide(DataSection(**changes), 0, records(), changes.pop("held", ()))
    try:
        while True:
            next(work)
    except StopIteration as done:
        return done.value.indices


CHANGES = [
    ({"split": "hash"}, {"test": 0.3}),
    ({"split": "hash"}, {"validation": 0.2}),
    ({"split": "hash"}, {"max_test": 5}),
    ({"split": "hash"}, {"max_validation": 3}),
    ({"split": "hash"}, {"group": "customer"}),
    ({"split": "hash"}, {"stratify": "region"}),
    ({}, {"split": "hash"}),
    ({"split": "hash"}, {"split": "time", "time": "sent"}),
    ({"split": "given"}, {"part": "fold"}),
    ({"split": "time", "time": "sent"}, {"time": "created", "day_first": True}),
    ({"split": "time", "time": "created", "day_first": True}, {"day_first": False}),
]


@pytest.mark.parametrize(("before", "change"), CHANGES, ids=str)
def test_each_setting_changes_something(before, change):
    assert parts(**before) != parts(**{**before, **change})


@pytest.mark.parametrize(("room", "why"), [(10, "--max-minutes"), (1000, "")])
def test_fewer_tests_than_the_share_are_said(room, why):
    for changes, told in (({}, bool(why)), ({"max_test": 10}, False)):
        work = divide(DataSection.model_validate({"split": "hash", **changes}), 0, records(), room=room)
        said: list[str] = []
        try:
            while True:
                event = next(work)
                said += [event.text] if isinstance(event, Said) else []
        except StopIteration as done:
            assert len(done.value.test) == (24 if room == 1000 and not changes else 10)
        assert any("10 of 120 examples test, fewer than 20 %" in text and why in text for text in said) == told


def test_files_of_ones_own_are_the_test_and_keep_near_test_keeps_what_is_like_them():
    everything = records()
    own = [pair(r.prompt_text + "!", r.answer_text) for r in everything[:10]]

    def run(**changes):
        work = divide(DataSection(split="hash", **changes), 0, everything, [("test", own)])
        try:
            while True:
                next(work)
        except StopIteration as done:
            return done.value

    strict, kept = run(), run(keep_near_test=True)
    assert strict.test == kept.test == tuple(own)
    assert [i for i, _ in strict.left_out] == list(range(10)) and not kept.left_out
    assert len(kept.train) + len(kept.validation) == 120
