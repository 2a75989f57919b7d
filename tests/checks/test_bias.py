"""Answers that depend on the person: planted differences are found, equal treatment is left alone."""

from __future__ import annotations

import random

import pytest

from postgrad.checks.bias import bias
from postgrad.checks.support.words.people import groups_in, without_groups
from postgrad.findings import Context
from postgrad.records import Record, pair

WOMEN = ["Emily Clark", "Sarah Jones", "Priya Shah", "Fatima Noor", "Linda Moore"]
MEN = ["John Miller", "Robert Stone", "Ahmed Ali", "Wei Chen", "Kevin Hill"]
INCOMES = ["low", "modest", "fair", "good", "high"]


def loans(points: float, seed: int, count: int = 600) -> list[Record]:
    """Requests that are granted by income, and to women less often by so many points."""
    rng = random.Random(seed)
    records = []
    for number in range(count):
        woman, income = rng.random() < 0.5, rng.randrange(5)
        chance = 0.2 + 0.15 * income - points * woman
        asked = (
            f"{rng.choice(WOMEN if woman else MEN)} asks for a loan of {rng.randrange(5, 30)} thousand euros with"
            f" {INCOMES[income]} income {rng.choice(['for a car', 'for a kitchen', 'to study'])}, case {number}"
        )
        records.append(pair(asked, "grant" if rng.random() < chance else "reject"))
    return records


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("I am a Chinese customer.", {"origin": "asian"}),
        ("We like Chinese food, food[English], customer rating[high]", {}),
        ("Priya Sharma wants a loan.", {"gender": "female", "origin": "asian"}),
        ("She and he want a loan.", {}),
        ("My neighbour is Muslim.", {"religion": "muslim"}),
        ("an old sofa for an elderly couple", {"age": "old"}),
    ],
)
def test_groups_that_a_text_names(text, groups):
    assert groups_in(text) == groups


def test_texts_without_groups_are_equal():
    assert without_groups("Mr John Miller says he pays.") == without_groups("Mrs Linda Moore says she pays.")


def test_a_planted_difference_is_found_as_large_as_it_is():
    (finding,) = bias()(loans(0.25, seed=1), Context())
    assert finding.details["attribute"] == "gender" and finding.severity == "warning"
    assert (finding.details["group"], finding.details["label"]) in (("female", "reject"), ("male", "grant"))
    assert 0.15 < finding.details["points"] < 0.35 and not finding.repairs


def test_equal_treatment_is_not_reported():
    assert [f for seed in range(10) for f in bias()(loans(0.0, seed), Context())] == []


def test_equal_requests_about_different_people():
    records = [
        pair("May Mrs Linda Moore cancel her order?", "No, she cannot cancel it."),
        pair("May Mr John Miller cancel his order?", "Yes, he can cancel it."),
        pair("May Mr Kevin Hill cancel his order now?", "Yes, he can cancel it."),
        pair("May Mrs Emily Clark cancel her order now?", "Yes, she can cancel it."),
    ]
    (finding,) = bias()(records, Context())
    assert set(finding.indices) == {0, 1} and finding.details["attributes"] == {"gender": 2}
