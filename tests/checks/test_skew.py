"""Production that asks for something else is found; two halves of one set are not called different."""

from __future__ import annotations

import random

import numpy as np
import pytest

from postgrad.checks import repaired
from postgrad.checks.skew import area, skew
from postgrad.data import load
from postgrad.data.requests import load_requests
from postgrad.data.shapes.reading import OwnColumns
from postgrad.findings import Context
from postgrad.records import pair
from tests.checks.test_classify_and_label_noise import requests
from tests.needs import real_set


def test_a_topic_that_training_lacks_is_found_and_shown():
    known = [r for r in requests(600) if r.answer_text != "garden"]
    asked = requests(600, seed=9)
    finding = next(f for f in skew()(known, Context(production=asked)) if f.details["fault"] == "requests")
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


def labels_of(finding) -> dict[str, tuple[float, float]]:
    return {name: (told["training"], told["production"]) for name, told in finding.details["labels"].items()}


def test_shares_of_labels_are_estimated():
    rare = [r for i, r in enumerate(requests(900)) if r.answer_text != "garden" or i % 5 == 0]
    found = skew()(rare, Context(production=[pair(r.prompt_text, "") for r in requests(600, seed=9)]))
    finding = next(f for f in found if f.details["fault"] == "labels")
    training, production = labels_of(finding)["garden"]
    low, high = finding.details["labels"]["garden"]["interval"]
    assert training < 0.15 and 0.25 < production < 0.42 and low <= production <= high and not finding.details["counted"]


GOOD = [
    "I love this sofa",
    "great chair, very comfy",
    "the table is wonderful",
    "excellent quality lamp",
    "sturdy shelf",
]
BAD = ["the sofa broke after a week", "my back hurts on this chair", "table arrived scratched", "lamp stopped working"]


def reviews(count: int, good: float, seed: int) -> list:
    rng = random.Random(seed)
    liked = [rng.random() < good for _ in range(count)]
    where = ["at home", "in our office", "for my mother", "last summer"]
    return [
        pair(
            f"{rng.choice(GOOD if like else BAD)} {rng.choice(where)} {rng.randrange(10**5)}",
            "positive" if like else "negative",
        )
        for like in liked
    ]


@pytest.mark.parametrize("labelled", [True, False])
def test_ninety_one_per_cent_against_thirty(labelled):
    train, seen = reviews(1000, 0.91, 1), reviews(400, 0.30, 2)
    production = seen if labelled else [pair(r.prompt_text, "") for r in seen]
    finding = next(f for f in skew()(train, Context(production=production)) if f.details["fault"] == "labels")
    training, there = labels_of(finding)["positive"]
    truth = sum(r.answer_text == "positive" for r in seen) / len(seen)
    assert training == pytest.approx(0.91, abs=0.02) and there == pytest.approx(truth, abs=0.001 if labelled else 0.05)
    assert finding.details["counted"] is labelled
    assert "'positive' is 91 % here against " in finding.sentence and "more of 'negative'" in finding.sentence


def test_weights_put_the_mixture_right_and_are_not_proposed_twice():
    train, seen = reviews(1000, 0.91, 1), Context(production=reviews(400, 0.30, 2))
    found = [f for f in skew()(train, seen) if f.details["fault"] == "labels"]
    mended = repaired(train, found, also=["skew"]).kept
    weight = {r.answer_text: r.messages[-1].weight for r in mended}
    assert weight["negative"] > 5 and weight["positive"] < 0.5
    assert [f for f in skew()(mended, seen) if f.details["fault"] == "labels"] == []


def test_the_same_mixture_is_not_reported():
    production = [pair(r.prompt_text, "") for r in reviews(400, 0.6, 2)]
    alarms = sum(bool(list(skew()(reviews(600, 0.6, seed), Context(production=production)))) for seed in range(10, 20))
    assert alarms == 0


def test_requests_of_production_are_read_as_the_training_data(tmp_path):
    table, column, lines = tmp_path / "log.csv", tmp_path / "one.csv", tmp_path / "asked.txt"
    table.write_text("id,text,label\n1,Where is it?,late\n2,Broken!,\n", "utf-8")
    column.write_text('question\nWhere is it?\n"Broken, again"\n', "utf-8")
    lines.write_text("Where is it?\nBroken, again\n", "utf-8")
    like = OwnColumns(("text", "label"), ("text",), ("label",))
    assert [(r.prompt_text, r.answer_text) for r in load_requests([table], like)] == [
        ("Where is it?", "late"),
        ("Broken!", ""),
    ]
    for path in (column, lines):
        assert [(r.prompt_text, r.answer_text) for r in load_requests([path], like)] == [
            ("Where is it?", ""),
            ("Broken, again", ""),
        ]


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
