"""The split by time, in the user's own parts, by a column's values, and of every kind of record."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postgrad.data.split.given import given_parts, has_parts, moments_of
from postgrad.data.split.split import split
from postgrad.data.split.synthetic import is_synthetic, mark
from postgrad.errors import DataError, UsageError
from postgrad.records import Message, Preference, Rating, Task, content_hash, pair
from postgrad.similarity.near_duplicates import near_duplicate_clusters

START = datetime(2026, 1, 1, tzinfo=UTC)


def records_of(count: int, **meta) -> list:
    return [
        pair(f"question number {i}", f"answer {i}", meta={key: make(i) for key, make in meta.items()})
        for i in range(count)
    ]


def where(parts) -> dict[int, int]:
    return {i: name for name, part in enumerate(parts.indices) for i in part}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.none() | st.integers(0, 40), min_size=40, max_size=90),
    st.lists(st.lists(st.integers(0, 39), min_size=2, max_size=4), max_size=6),
)
def test_by_time_no_test_record_is_older_than_training(days, groups):
    moments = [None if d is None else START + timedelta(days=d) for d in days]
    if len({m for m in moments if m}) < 12:
        return
    parts = split(records_of(len(days)), moments=moments, groups=groups)
    train, validation, test = ([moments[i] for i in part if moments[i] is not None] for part in parts.indices)
    assert all(m is not None for part in parts.indices[1:] for m in [moments[i] for i in part])
    assert max(train, default=START) < min(validation) and max([*train, *validation]) < min(test)
    assert not (set(validation) & set(test) or set(train) & set(validation)), "one moment stays together"
    place = where(parts)
    assert all(len({place[i] for i in group if i in place}) <= 1 for group in groups)
    assert len(place) + len(parts.left_out) == len(days)
    crossing = {i for i, reason in parts.left_out if reason == "group_crosses_border"}
    assert crossing == {i for i, _ in parts.left_out} and crossing <= {i for group in groups for i in group}


def test_by_time_says_where_the_border_is_and_who_has_no_date():
    days = [None if i >= 96 else START + timedelta(days=i // 10) for i in range(100)]
    parts = split(records_of(100), moments=days)
    assert len(parts.test) == 16 and len(parts.validation) == 10 and len(parts.train) == 74
    assert "2026-01-09 on: 16 records (20 wanted" in parts.notes[0] and "4 records have no date" in parts.notes[2]
    with pytest.raises(DataError, match="2 different moments"):
        split(records_of(20), moments=[START + timedelta(days=i % 2) for i in range(20)])
    with pytest.raises(UsageError, match="stratified"):
        split(records_of(20), moments=[None] * 20, stratify_key="x")


def test_the_date_column_is_guessed_or_named_or_refused():
    records = records_of(
        30,
        order=lambda i: 1_700_000_000 + i,
        created_at=lambda i: f"{i % 28 + 1:02}/11/2026",
        who=lambda i: f"c{i % 3}",
    )
    moments, notes = moments_of(records, None)
    assert "'created_at'" in notes[0] and "day first" in notes[1] and moments[2] == datetime(2026, 11, 3, tzinfo=UTC)
    with pytest.raises(UsageError, match="created_at, order, who"):
        moments_of(records, "when")
    with pytest.raises(DataError, match="30 of 30 values of 'who' are no dates"):
        moments_of(records, "who")
    with pytest.raises(UsageError, match="no column holds dates"):
        moments_of(records_of(10), None)
    two = records_of(10, sent=lambda i: f"2026-01-{i + 1:02}", received=lambda i: f"2026-02-{i + 1:02}")
    with pytest.raises(UsageError, match="sent, received"):
        moments_of(two, None)
    some = records_of(10, sent=lambda i: "soon" if i == 4 else f"2026-01-{i + 1:02}")
    assert moments_of(some, "sent")[0][4] is None and "1 of 10" in moments_of(some, "sent")[1][0]


def test_given_parts_are_kept_and_what_is_near_their_test_is_not_trained_on():
    records = [pair(f"Where is my parcel number {i} that you promised to send to me last week?", "x") for i in range(3)]
    records += [pair(f"topic {i} is about {i * 7919} things", str(i)) for i in range(40)]
    named = ["test", None, None] + ["test"] * 5 + ["validation"] * 5 + [None] * 30
    groups = near_duplicate_clusters([r.prompt_text for r in records])
    assert (0, 1, 2) in groups
    parts = split(records, given=named, groups=groups)
    assert parts.indices[2] == (0, 3, 4, 5, 6, 7) and parts.indices[1] == (8, 9, 10, 11, 12)
    assert parts.left_out == ((1, "near_test"), (2, "near_test")) and "2 records are left out" in parts.notes[0]
    kept = split(records, given=named, groups=groups, keep_near_test=True)
    assert {1, 2} <= set(kept.indices[0]) and not kept.left_out and "2 training records" in kept.notes[0]


def test_a_given_test_leaves_validation_to_the_hash():
    records = records_of(50)
    parts = split(records, given=["test"] * 10 + [None] * 40)
    assert parts.indices[2] == tuple(range(10)) and len(parts.validation) == 4 and len(parts.train) == 36


def test_the_column_split():
    records = records_of(20, split=lambda i: ["train", "Dev", "TEST", "training"][i % 4])
    assert has_parts(records) and given_parts(records, "split")[:4] == ["train", "validation", "test", "train"]
    assert not has_parts(records_of(20, split=lambda i: "train"))
    assert not has_parts(records_of(20, split=lambda i: ["train", "north"][i % 2]))
    with pytest.raises(DataError, match="'north'"):
        given_parts(records_of(20, split=lambda i: ["train", "north"][i % 2]), "split")
    with pytest.raises(UsageError, match="'fold'"):
        given_parts(records, "fold")


def test_stratified_by_a_column():
    records = records_of(100, region=lambda i: "north" if i % 5 == 0 else "south")
    parts = split(records, stratify_key="region")
    assert sum(r.meta["region"] == "north" for r in parts.test) == 4
    with pytest.raises(UsageError, match="'land'"):
        split(records, stratify_key="land")


def messages(text: str):
    return (Message("user", text),)


def said(text: str):
    return (Message("assistant", text),)


KINDS = {
    "preference": lambda i: Preference(prompt=messages(f"q {i * 77}"), chosen=said("a"), rejected=said("b")),
    "rating": lambda i: Rating(prompt=messages(f"q {i * 77 // 2}"), completion=said(f"a{i}"), good=i % 5 == 0),
    "task": lambda i: Task(prompt=messages(f"q {i * 77}"), reference=str(i)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_record(kind):
    records = [KINDS[kind](i) for i in range(100)]
    parts = split(records, seed=1)
    assert sum(map(len, parts.indices)) == 100 and len(parts.test) == 20
    prompts = [{r.prompt_text for r in part} for part in (parts.train, parts.validation, parts.test)]
    assert not (prompts[0] & prompts[2] or prompts[0] & prompts[1] or prompts[1] & prompts[2])
    if kind == "rating":
        assert abs(sum(r.good for r in parts.test) - 4) <= 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 70), st.sampled_from(["words", "noise", "strange"])), max_size=40),
    st.integers(0, 3),
    st.sampled_from(["hash", "given", "time"]),
)
def test_made_records_only_train_and_move_nobody(wishes, seed, by):
    real = [pair(f"topic {i} is about {i * 7919} things", str(i)) for i in range(60)]
    made = []
    for n, (i, how) in enumerate(wishes):
        original = real[i % 60] if how != "strange" else pair(f"never seen {i}", "x")
        text = (
            original.prompt_text.replace("about", "abuot")
            if how == "noise"
            else f"something else entirely {n} {n * 31}"
        )
        made.append(pair(text, original.answer_text, meta={"synthetic": mark("noise", [original])}))
    options: dict = {
        "hash": {},
        "given": {"given": ["test"] * 9 + [None] * 51},
        "time": {"moments": [START + timedelta(days=i) for i in range(60)]},
    }[by]
    alone = split(real, seed=seed, **options)
    everything = [*real, *made]
    extended = {key: [*values, *(["test"] if by == "given" else [None]) * len(made)] for key, values in options.items()}
    parts = split(everything, seed=seed, **extended)
    assert not any(is_synthetic(r) for r in (*parts.validation, *parts.test))
    for before, after in zip(alone.indices, parts.indices, strict=True):
        assert before == tuple(i for i in after if i < 60), "collected records stay where they were"
    train = {content_hash(r) for r in parts.train if not is_synthetic(r)}
    by_prompt = {r.prompt_text: content_hash(r) for r in real}
    left = dict(parts.left_out)
    for n, (i, how) in enumerate(wishes):
        index = 60 + n
        trains = by_prompt[real[i % 60].prompt_text] in train
        if by == "given":
            assert left[index] == "synthetic_in_held_out"
        elif how == "strange":
            assert left[index] == "synthetic_without_original"
        elif not trains:
            assert left[index] == "synthetic_of_held_out"
        else:
            assert index in parts.indices[0] or left[index] == "synthetic_near_held_out"


def test_made_records_near_the_test_are_left_out():
    real = [pair(f"topic {i} is about {i * 7919} things", str(i)) for i in range(60)]
    parts = split(real)
    tested, trained = parts.test[0], parts.train[0]
    copy = pair(tested.prompt_text.upper(), "x", meta={"synthetic": mark("examples", [trained], "teacher")})
    assert split([*real, copy]).left_out == ((60, "synthetic_near_held_out"),)
