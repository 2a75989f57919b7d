"""Kinds of requests: planted ones are found and named, and chance is seldom called a kind that goes wrong."""

from __future__ import annotations

import random

import numpy as np

from postgrad.evaluation.request_kinds import kinds_of_requests
from postgrad.evaluation.statistics.clusters import grouped, telling_words
from postgrad.models.embeddings import embed

TOPICS = {
    "exchange rate": "What is the exchange rate of the {} to the dollar {}?",
    "delivery": "When will the delivery of my {} parcel arrive {}?",
    "password": "I forgot the password of my {} account {}",
    "recipe": "Give me a recipe for {} soup with onions {}",
}
FILL = ["euro", "winter", "blue", "small", "second", "green", "old", "london"]
WHEN = ["today", "please", "now", "tomorrow", "thanks", "this week"]


def requests(count, seed=0):
    dice = random.Random(seed)
    topics = list(TOPICS)
    which = [topics[n % len(topics)] for n in range(count)]
    return which, [TOPICS[t].format(dice.choice(FILL), dice.choice(WHEN)) for t in which]


def test_groups_follow_meaning_and_are_the_same_every_time():
    which, texts = requests(80)
    groups = grouped(embed(texts), 4)
    assert np.array_equal(groups, grouped(embed(texts), 4))
    for topic in TOPICS:
        assert len({int(g) for g, t in zip(groups, which, strict=True) if t == topic}) == 1
    names = telling_words(texts, groups)
    for topic in TOPICS:
        group = next(int(g) for g, t in zip(groups, which, strict=True) if t == topic)
        assert topic in names[group]


def test_equal_texts_make_one_group():
    assert set(grouped(embed(["the same"] * 9), 4).tolist()) == {0}


def test_a_bad_kind_comes_first_with_its_counts():
    _, train = requests(120)
    which, test = requests(80, 1)
    generator = np.random.default_rng(0)
    scores = [float(generator.random() < (0.2 if t == "exchange rate" else 0.9)) for t in which]
    first, *others = kinds_of_requests(train, test, scores)
    assert "exchange rate" in first.words and first.p_worse < 0.05 and first.score.value < first.rest
    assert all(which[i] == "exchange rate" for i in first.test)
    assert first.production is None and all(k.p_worse > 0.05 or "exchange rate" in k.words for k in others)


def test_production_is_counted_by_kind():
    _, train = requests(120)
    _, test = requests(80, 1)
    seen = [TOPICS["password"].format("bank", "now")] * 30 + [TOPICS["recipe"].format("bean", "now")] * 10
    kinds = kinds_of_requests(train, test, [1.0, 0.0] * 40, seen)
    shares = {topic: sum(k.production or 0 for k in kinds if topic in k.words) for topic in TOPICS}
    assert shares["password"] > 0.6 and shares["delivery"] < 0.05


def test_chance_is_called_worse_no_oftener_than_five_in_a_hundred():
    _, train = requests(60)
    _, test = requests(96, 1)
    rounds = 40
    called = 0
    for seed in range(rounds):
        scores = (np.random.default_rng(seed).random(96) < 0.7).astype(float).tolist()
        called += any(k.p_worse < 0.05 for k in kinds_of_requests(train, test, scores, seed=seed))
    assert called <= rounds * 0.05 + 3 * (rounds * 0.05 * 0.95) ** 0.5


def test_a_small_test_has_no_kinds():
    assert kinds_of_requests(["a"] * 50, ["b"] * 10, [1.0] * 10) == []
