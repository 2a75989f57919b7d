"""Wrong labels are found; the classifier and the filter are held against their originals."""

from __future__ import annotations

import random

import numpy as np

from postgrad.checks.label_noise import confident_label, label_noise
from postgrad.findings import Context
from postgrad.records import pair
from postgrad.similarity.classifier import fit, out_of_fold
from tests.needs import dev_package, real_set

NOUNS = {
    "delivery": ["parcel", "courier", "van", "shipment", "driver", "doorstep", "tracking", "package"],
    "payment": ["invoice", "card", "bank", "refund", "money", "charge", "receipt", "account"],
    "garden": ["roses", "soil", "seeds", "lawn", "hedge", "compost", "tulips", "watering"],
}


def requests(count: int, seed: int = 0) -> list:
    rng = random.Random(seed)
    made = []
    for i in range(count):
        label = list(NOUNS)[i % 3]
        one, two, three = rng.sample(NOUNS[label], 3)
        made.append(pair(f"I have a question {i} about the {one} and the {two} and also the {three}", label))
    return made


def points(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(4, size=count)
    centres = rng.normal(size=(4, 16))
    raw = centres[labels] + rng.normal(size=(count, 16)) * 1.2
    return (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32), labels


def test_flipped_labels_are_found_worst_first():
    records = requests(240)
    for i in (7, 50, 100):
        label = "garden" if records[i].answer_text != "garden" else "payment"
        records[i] = pair(records[i].prompt_text, label)
    (finding,) = label_noise()(records, Context())
    assert (
        len(finding.indices) >= 2
        and set(finding.indices) <= {7, 50, 100}
        and finding.repairs == ()
        and finding.severity == "warning"
    )
    assert "more likely" in finding.evidence[0]


def test_clean_labels_and_unpredictable_ones_are_left_alone():
    assert list(label_noise()(requests(240), Context())) == []
    rng = random.Random(1)
    noise = [pair(r.prompt_text, rng.choice(["a", "b"])) for r in requests(240)]
    assert list(label_noise()(noise, Context())) == []


def test_the_margin_only_takes_away():
    records = requests(240)
    for i in range(0, 240, 9):
        records[i] = pair(records[i].prompt_text, records[i - 1].answer_text)
    found = [{i for f in label_noise(margin=m)(records, Context()) for i in f.indices} for m in (0.0, 0.3, 0.9)]
    assert found[0] >= found[1] >= found[2] and found[1]


def test_the_classifier_is_as_right_as_scikit_learn():
    linear = dev_package("sklearn.linear_model")
    known, labels = points(600)
    unseen, truth = points(900)  # the same centres, because the same seed
    unseen, truth = unseen[600:], truth[600:]
    theirs = linear.LogisticRegression(C=10, max_iter=500).fit(known, labels).predict_proba(unseen)
    ours = fit(known, labels, 4).probabilities(unseen)
    assert np.abs(ours - theirs).mean() < 0.02
    assert abs((ours.argmax(1) == truth).mean() - (theirs.argmax(1) == truth).mean()) < 0.02


def test_confident_learning_as_cleanlab_does_it():
    filters = dev_package("cleanlab.filter")
    known, labels = points(800)
    rng = np.random.default_rng(3)
    wrong = rng.random(800) < 0.08
    given = np.where(wrong, rng.integers(4, size=800), labels)
    probabilities = out_of_fold(known, given, 4)
    theirs = filters.find_label_issues(given, probabilities, filter_by="confident_learning", n_jobs=1)
    ours = confident_label(probabilities, given) >= 0
    assert (ours == theirs).mean() > 0.99 and theirs.sum() > 20


def test_no_record_is_judged_by_a_classifier_that_saw_it():
    rng = np.random.default_rng(0)
    noise, labels = rng.normal(size=(400, 64)).astype(np.float32), rng.integers(2, size=400)
    accuracy = (out_of_fold(noise, labels, 2, penalty=1e-3).argmax(axis=1) == labels).mean()
    assert accuracy < 0.6


def test_planted_flips_in_a_real_set():
    from bench.data_truth_sets import banking77, measure_planted_label_flips

    records = banking77("train", real_set("banking77").parent)[:3000]
    result = measure_planted_label_flips(records, share=0.05)
    assert result["recall"] >= 0.6 and result["precision"] >= 0.5
