"""What retrieval found, told apart from what was answered."""

from __future__ import annotations

import pytest

from postgrad.evaluation.retrieval import Index, Passage, Retriever
from postgrad.evaluation.retrieval_quality import Holdings, documents_quality, examples_quality


def test_an_answer_is_held_word_by_word_whatever_the_marks():
    holdings = Holdings(["It weighs 212 kg.", "IT WEIGHS: 21 kg", "Nothing here", "212 kg, again"])
    assert holdings.holding("212 kg!") == {0, 3}
    assert holdings.holding("21 KG") == {1}, "21 is no part of 212"
    assert holdings.holding("kg nothing") == frozenset(), "no passage holds what straddles two"
    assert holdings.holding("") == holdings.holding("  ?! ") == frozenset()


def test_what_stands_everywhere_tells_nothing():
    holdings = Holdings([f"yes number {i}" for i in range(100)])
    assert holdings.holding("yes") == frozenset() and holdings.holding("number 7") == {7}


def test_ranks_by_hand():
    holding = [frozenset({4}), frozenset({1, 2}), frozenset(), frozenset({9})]
    ranked = [[4, 0, 1], [0, 3, 2], [1, 2, 3], [0, 1, 2]]
    found = documents_quality(holding, ranked, 2, [1.0, 0.5, 1.0, 0.0])
    assert (found["requests"], found["findable"]) == (4, 3)
    assert found["hit_rate"] == {"1": 1 / 3, "2": 1 / 3, "5": 2 / 3, "10": 2 / 3}
    assert found["mrr"] == pytest.approx((1 + 1 / 3) / 3)
    assert (found["score_with"], found["n_with"], found["score_without"], found["n_without"]) == (1.0, 1, 0.25, 2)
    assert "3 of 4 right answers" in found["sentence"] and "1 of those 3 (33.3 %)" in found["sentence"]
    assert "cannot be told" in documents_quality([frozenset()], [[0]], 2, [1.0])["sentence"]


def test_examples_by_hand():
    found = examples_quality(["Late", "lost", "x"], [["late", "lost"], ["late", "late"], []], [1.0, 0.0, 0.5])
    assert (found["hits"], found["requests"], found["score_with"], found["score_without"]) == (1, 3, 1.0, 0.25)
    assert (
        "1 of 3 requests (33.3 %); the answers score 100.0 % where it does and 25.0 % where it does not"
        in found["sentence"]
    )


def test_a_retriever_gives_the_best_and_ranks_more():
    passages = [
        Passage(f"The {name} costs {i} euros.", "a.md") for i, name in enumerate(["sofa", "lamp", "desk", "bed"])
    ]
    retrieve = Retriever(passages, Index([p.text for p in passages]), 2)
    assert retrieve("what does the lamp cost?")[0] is passages[1] and len(retrieve("lamp")) == 2
    assert len(retrieve.ranked("lamp", 10)) == 4
