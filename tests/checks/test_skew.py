"""Production that asks for something else is found; two halves of one set are not called different."""

from __future__ import annotations

import random

import numpy as np
import pytest

from postgrad.checks.skew import area, skew
from postgrad.data import load
from postgrad.findings import Context
from postgrad.records import pair
from tests.checks.test_classify_and_label_noise import requests
from tests.needs import real_set


def test_a_topic_that_training_lacks_is_found_and_shown():
    known = [r for r in requests(600) if r.answer_text != "garden"]
    asked = requests(600, seed=9)
    (finding,) = skew()(known, Context(production=asked))
    assert finding.details["auc"] > 0.6 and finding.details["p_value"] < 0.01
    low, high = finding.details["interval"]
    assert low < finding.details["auc"] < high
    garden = {r.prompt_text for r in asked if r.answer_text == "garden"}
    assert all(m["text"] in garden for m in finding.details["missing"])
    chances = [m["probability"] for m in finding.details["missing"]]
    assert chances == sorted(chances, reverse=True)
    assert set(finding.details["topics"][0]["words"]) & {
        "roses",
        "soil",
        "seeds",
        "lawn",
        "hedge",
        "compost",
        "tulips",
        "watering",
    }


def test_shares_of_labels_are_predicted():
    rare = [r for i, r in enumerate(requests(900)) if r.answer_text != "garden" or i % 5 == 0]
    (finding,) = skew()(rare, Context(production=requests(600, seed=9)))
    training, production = finding.details["labels"]["garden"]
    assert training < 0.15 and 0.25 < production < 0.42


def test_halves_of_one_set_are_alike():
    alarms = 0
    for seed in range(20):
        records = requests(400)
        random.Random(seed).shuffle(records)
        alarms += bool(list(skew()(records[:200], Context(production=records[200:]))))
    assert alarms <= 1


def test_halves_of_a_real_set_are_alike():
    records = list(load([real_set("banking77/train.csv")]).records)
    alarms = 0
    for seed in range(5):
        random.Random(seed).shuffle(records)
        alarms += bool(list(skew()(records[:1000], Context(production=records[1000:2000]))))
    assert alarms == 0


def test_without_production_nothing_is_said():
    assert list(skew()(requests(100), Context())) == []
    assert list(skew()(requests(100), Context(production=[pair("a", "")] * 100))) == []


def test_area_under_the_curve():
    rng = np.random.default_rng(0)
    auc, error, p_value = area(rng.normal(1, 1, 500), rng.normal(0, 1, 500))
    assert auc == pytest.approx(0.76, abs=0.04) and 0.01 < error < 0.02 and p_value < 1e-6
    assert area(np.zeros(50), np.zeros(50))[0] == 0.5
