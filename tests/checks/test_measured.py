"""Figures that the pages promise, measured on real and synthetic sets."""

from __future__ import annotations

import importlib.util
import random

import pytest

from postgrad.checks import CHECKS, run_checks
from postgrad.data import load
from postgrad.findings import Context
from postgrad.records import pair
from tests.conftest import ROOT
from tests.needs import real_set


def bench(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / "bench" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_personal_data_is_found_with_recall_and_precision():
    rows = bench("data_pii").measure_pii(real_set("pii_synthetic"))
    judged = {(r["file"], r["kind"]): (r["recall"], r["precision"]) for r in rows}
    kinds = ("EMAIL", "CARD", "IBAN", "PHONE", "SSN", "IP")
    assert {kind for _, kind in judged} >= set(kinds)
    low = {key: value for key, value in judged.items() if key[1] in kinds and min(value) < 0.9}
    assert low == {}


def test_dollys_answers_cut_at_128_tokens_are_one_wall():
    records = load([real_set("dolly_fragment/dolly_6400_truncated.jsonl")]).records
    wall = next(f for f in CHECKS["cut_off"]()(records, Context()) if f.details["fault"] == "length_wall")
    assert 900 < wall.count < 1200 and wall.details["to_tokens"] > 120 and wall.details["open_share"] > 0.75
    short = sum(len(records[i].answer_text.split()) <= 60 for i in wall.indices)
    assert short < 0.02 * wall.count, "short answers were not cut, but for a few of many numbers and names"


@pytest.mark.parametrize(
    "path",
    [
        "gsm8k/train.jsonl",
        "rasbt_instructions/instruction-data.json",
        "scitldr/train.jsonl",
        "medquad/medquad_6000.jsonl",
        "banking77/train.csv",
        "snips/train_GetWeather_full.jsonl",
        "pubmedqa/pqal.jsonl",
        "boolq/validation.jsonl",
        "mts_dialog/MTS-Dialog-TrainingSet.csv",
        "cfpb_complaints/complaints_1000.csv",
    ],
)
def test_clean_sets_raise_hardly_a_warning(path):
    """Of each check except those for personal data at most one record of a hundred and fifty, in sets made with
    care."""
    records = load([real_set(path)]).records
    for name in (
        "structure",
        "encoding",
        "cut_off",
        "secrets",
        "boilerplate",
        "toxicity",
        "injection",
        "outdated",
        "language",
    ):
        for finding in CHECKS[name]()(records, Context()):
            if finding.severity != "info":
                assert finding.count <= max(2, len(records) / 150), f"{name}: {finding.sentence}"


@pytest.mark.parametrize("path", ["gsm8k/train.jsonl", "banking77/train.csv"])
def test_a_clean_set_of_3000_gives_no_warning(path):
    """Sums in words; and messages with 77 near labels, of which some are doubtful."""
    records = list(load([real_set(path)]).records)
    if "banking" in path:  # which is sorted by its labels
        random.Random(0).shuffle(records)
    records = records[:3000]
    assert [f.sentence for f in run_checks(records).findings if f.severity != "info"] == []


@pytest.mark.parametrize("share", [0.0, 0.05])
def test_label_noise_says_how_many_labels_are_likely_wrong(share):
    rng = random.Random(3)
    records = list(load([real_set("banking77/train.csv")]).records)
    rng.shuffle(records)
    names = sorted({r.answer_text for r in records})
    flipped = {i for i in range(3000) if rng.random() < share}
    mixed = [
        pair(r.prompt_text, rng.choice([n for n in names if n != r.answer_text])) if i in flipped else r
        for i, r in enumerate(records[:3000])
    ]
    (finding,) = CHECKS["label_noise"]()(mixed, Context())
    real = len(flipped & set(finding.indices))
    low, high = finding.details["likely_wrong"]
    assert finding.severity == ("warning" if share else "info")
    assert (low <= 5 and high <= 15) if not share else 0.8 * real <= low <= 1.3 * real
    if share:
        first = finding.indices[: finding.count // 3]
        assert len(flipped & set(first)) >= 0.8 * len(first), "the surest stand first"
