"""Subsets lie inside each other, hold every label, and depend on content alone."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postgrad.data.split.subsets import nested_subset
from postgrad.records import content_hash, pair

COMMON, RARE = 160, 40


def labelled():
    return [pair(f"Please look at case {n}", "yes" if n < COMMON else "no") for n in range(COMMON + RARE)]


@given(st.floats(0.02, 1.0), st.floats(0.02, 1.0), st.integers(0, 5))
def test_the_smaller_lies_in_the_larger(one, other, seed):
    records = labelled()
    small, large = (nested_subset(records, share, seed=seed) for share in sorted((one, other)))
    assert {content_hash(r) for r in small} <= {content_hash(r) for r in large}
    assert len(small) == max(1, round(min(one, other) * len(records)))


def test_labels_keep_their_shares():
    for share in (0.1, 0.25, 0.5):
        counts = Counter(r.answer_text for r in nested_subset(labelled(), share))
        assert abs(counts["no"] - share * RARE) <= 1 and abs(counts["yes"] - share * COMMON) <= 1


def test_every_label_is_there_before_any_is_there_often():
    records = [pair(f"{n} is asked", f"label {n % 20}") for n in range(200)]
    assert len({r.answer_text for r in nested_subset(records, 0.1)}) == 20


def test_order_of_rows_does_not_matter_and_is_kept():
    records = labelled()
    chosen = nested_subset(records, 0.25)
    assert [r for r in records if r in chosen] == chosen
    assert {content_hash(r) for r in nested_subset(records[::-1], 0.25)} == {content_hash(r) for r in chosen}
    assert nested_subset(records, 0.25, seed=1) != chosen
    assert nested_subset(records, 1.0) == records


def test_no_share_is_no_subset():
    for share in (0.0, 1.5):
        with pytest.raises(ValueError, match="share"):
            nested_subset(labelled(), share)
