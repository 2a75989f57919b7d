"""Figures that the pages promise, measured on real and synthetic sets."""

from __future__ import annotations

import importlib.util

import pytest

from postgrad.checks import CHECKS
from postgrad.data import load
from postgrad.findings import Context
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
