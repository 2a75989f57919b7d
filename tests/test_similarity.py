"""Nearly the same is found, different is not, and a million would not be quadratic."""

from __future__ import annotations

import random

import pytest

from postgrad.similarity.near_duplicates import (
    exact_key,
    find_similar,
    merge_groups,
    near_duplicate_clusters,
    similarity,
)

WORDS = [
    f"{a}{b}"
    for a in ["ba", "ce", "di", "fo", "gu", "ha", "ke", "li", "mo", "nu"]
    for b in ["rn", "lt", "sk", "mp", "nd", "rk", "st", "lm"]
]


def sentence(rng: random.Random, words: int) -> list[str]:
    return [rng.choice(WORDS) for _ in range(words)]


@pytest.mark.parametrize("words", [20, 30, 50, 55, 80, 300])
def test_one_changed_word_is_found(words):
    rng = random.Random(words)
    missed = 0
    for _ in range(30):
        text = sentence(rng, words)
        changed = [*text]
        changed[words // 2] = "otherwise"
        others = [" ".join(sentence(rng, words)) for _ in range(10)]
        clusters = near_duplicate_clusters([" ".join(text), *others, " ".join(changed)])
        assert clusters in ((), ((0, 11),)), "different texts never meet"
        missed += clusters == ()
    assert missed <= 1


def test_equal_but_for_case_spacing_and_punctuation():
    texts = ["Where is my order?", "where  is my ORDER?", "Where is my order", "I want a refund now", "", ""]
    assert near_duplicate_clusters(texts) == ((0, 1, 2),)
    assert exact_key("A\u00a0b \n C") == "a b c"


def test_different_requests_on_one_matter_stay_apart():
    texts = [
        "How do I change my PIN?",
        "How do I change my address?",
        "Can I get a refund?",
        "Can I get a second card?",
    ]
    assert near_duplicate_clusters(texts) == ()


def test_results_can_be_asked_again_at_a_higher_threshold():
    texts = [
        "a long enough text about one red chair in the hall",
        "a long enough text about one blue chair in the hall",
    ]
    found = find_similar(texts, 0.5)
    assert len(found.pairs) == 1 and found.pairs[0][2] == pytest.approx(similarity(*texts))
    assert found.above(0.99).clusters() == ()


def test_groups_are_merged_through_common_members():
    assert merge_groups(6, [(4, 1), (1, 3), (0,), ()]) == [(0,), (1, 3, 4), (2,), (5,)]
