"""The split: fixed by content, closed to leaks, never empty."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postgrad.data.split.split import split
from postgrad.errors import DataError, UsageError
from postgrad.records import content_hash, pair


def records_of(count: int, labels: int = 0) -> list:
    return [pair(f"question number {i}", f"label {i % labels}" if labels else f"answer {i}") for i in range(count)]


def hashes(part) -> set[str]:
    return {content_hash(record) for record in part}


@settings(max_examples=40, deadline=None)
@given(st.integers(10, 150), st.integers(0, 5), st.integers(0, 3))
def test_parts_are_disjoint_whole_and_never_empty(count, labels, seed):
    records = records_of(count, labels)
    parts = split(records, seed=seed)
    assert all(parts.indices)
    assert sorted(i for part in parts.indices for i in part) == list(range(count))
    assert len(parts.test) == round(0.2 * count) and len(parts.train) >= 0.6 * count
    assert parts.test == tuple(records[i] for i in parts.indices[2])


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False))
def test_order_does_not_matter(rng):
    records = records_of(80, 3)
    shuffled = records[:]
    rng.shuffle(shuffled)
    here, there = split(records), split(shuffled)
    assert hashes(here.test) == hashes(there.test) and hashes(here.validation) == hashes(there.validation)


def test_another_seed_divides_otherwise():
    records = records_of(100)
    assert hashes(split(records, seed=0).test) != hashes(split(records, seed=1).test)


def test_added_records_move_few():
    records = records_of(200)
    before, after = hashes(split(records).test), hashes(split(records + [pair("a new one", "x")] * 1).test)
    assert len(before - after) <= 1


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(0, 59), min_size=2, max_size=5), max_size=8), st.integers(0, 2))
def test_groups_never_straddle(groups, seed):
    parts = split(records_of(60, 2), seed=seed, groups=groups)
    where = {i: name for name, part in enumerate(parts.indices) for i in part}
    assert all(len({where[i] for i in group}) == 1 for group in groups)


def test_group_key_and_equal_prompts_stay_together():
    records = [pair(f"request {i // 2}", f"answer {i}", meta={"customer": i // 4}) for i in range(80)]
    parts = split(records, group_key="customer")
    where = {i: name for name, part in enumerate(parts.indices) for i in part}
    assert all(len({where[i] for i in range(c * 4, c * 4 + 4)}) == 1 for c in range(20))
    parts = split(records)
    where = {i: name for name, part in enumerate(parts.indices) for i in part}
    assert all(where[2 * i] == where[2 * i + 1] for i in range(40))


def test_labels_are_stratified():
    rng = random.Random(3)
    records = [pair(f"question {i} {rng.random()}", "rare" if i % 10 == 0 else "common") for i in range(300)]
    parts = split(records)
    assert sum(r.answer_text == "rare" for r in parts.test) == 6
    assert sum(r.answer_text == "rare" for r in parts.validation) == 3


def sizes_in(parts, part: int, clusters) -> list[int]:
    return [len(set(cluster) & set(parts.indices[part])) for cluster in clusters]


@pytest.mark.parametrize("seed", range(8))
def test_one_cluster_is_at_most_a_tenth_of_the_test(seed):
    clusters = [list(range(20 * i, 20 * i + 20)) for i in range(3)] + [
        list(range(60 + 5 * i, 65 + 5 * i)) for i in range(8)
    ]
    parts = split(records_of(300), groups=clusters, seed=seed)
    held = sizes_in(parts, 2, clusters)
    assert held[:3] == [0, 0, 0] and max(held) <= 0.1 * len(parts.test) and len(parts.test) == 60
    assert all(n in (0, 5) for n in held[3:]), "whole clusters stay in one part"
    assert any("60 records in 3 clusters" in n and "at most 10 % of the test part" in n for n in parts.notes)


def test_where_all_is_templates_the_test_is_still_filled_and_a_label_of_one_template_is_still_tested():
    clusters = [list(range(12 * i, 12 * i + 12)) for i in range(12)]
    parts = split(records_of(144), groups=clusters, test=0.5)
    assert len(parts.test) == 72 and sorted(sizes_in(parts, 2, clusters)) == [0] * 6 + [12] * 6
    records = [pair(f"question number {i}", "rare" if i < 30 else "common") for i in range(300)]
    parts = split(records, groups=[list(range(15 * i, 15 * i + 15)) for i in range(2)], max_test=200, test=0.5)
    assert sum(r.answer_text == "rare" for r in parts.test) == 15
    assert not split(records_of(60), groups=[[0, 1], [2, 3]]).notes, "pairs are never too much"


def test_a_users_groups_are_taken_as_they_are():
    records = [pair(f"question {i}", f"answer {i}", meta={"customer": i // 20}) for i in range(200)]
    parts = split(records, group_key="customer")
    assert len(parts.test) == 40 and not parts.notes


def test_surplus_goes_to_training():
    parts = split(records_of(8000))
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (6900, 100, 1000)
    parts = split(records_of(3000))
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (2300, 100, 600)


def test_one_prompt_for_all_binds_nothing():
    records = [pair("Write a poem.", f"poem {i}") for i in range(20)]
    assert all(split(records).indices)


def test_refusals():
    with pytest.raises(DataError, match="1 independent group"):
        split(records_of(20), groups=[list(range(20))])
    with pytest.raises(UsageError, match="leave nothing"):
        split(records_of(20), test=0.7, validation=0.3)
    with pytest.raises(UsageError, match="'client'"):
        split(records_of(20), group_key="client")
