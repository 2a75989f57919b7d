"""The list of open bases: its figures fit each other, and what a machine can do with them follows from them."""

import json
import re
from dataclasses import replace

import pytest

from postgrad.cli import main
from postgrad.errors import ModelError, UsageError
from postgrad.models.base_models import EMBEDDED, find_model, known_models, sha256_file
from postgrad.models.open_bases import open_base, open_bases
from postgrad.steps.base_choice import METHODS, Machine, choice, fit_of
from postgrad.training.memory import sizes

HYBRID = {"lfm2", "qwen3_5", "gemma4", "apertus"}
"""Their layers are not those that are counted."""
LAPTOP = Machine(16 * 10**9, "float32", 80e9)
BASES = list(open_bases().values())


@pytest.mark.parametrize("base", BASES, ids=lambda base: base.id)
def test_its_figures_fit_each_other(base):
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", base.id) and base.source.startswith("https://") and base.date >= "2026-11"
    assert 0 < base.active <= base.parameters and base.context >= 2048 and base.languages and base.licence
    assert all(re.fullmatch("[a-z]{2}", code) for code in base.languages)
    assert base.commercial == "yes" or base.conditions
    if base.config["model_type"] not in HYBRID:
        counted = sizes(dict(base.config), 0)
        own = counted.body + counted.head + counted.embedding
        assert own == pytest.approx(base.parameters, rel=0.12 if base.vision else 0.02)
        if base.active < 0.9 * base.parameters:
            used = counted.active + counted.head + counted.embedding
            assert used == pytest.approx(base.active, rel=0.25)


def test_there_are_many_and_the_smallest_is_the_one_that_ships():
    assert len(BASES) >= 25 and sum(base.free for base in BASES) > 15
    assert [b.parameters for b in BASES] == sorted(b.parameters for b in BASES)
    assert BASES[0].parameters == known_models()[EMBEDDED]["parameters"]


@pytest.mark.parametrize("base", BASES, ids=lambda base: base.id)
def test_what_fits_grows_with_the_memory(base):
    before = set()
    for room in (4e9, 16e9, 80e9, 640e9):
        fit = fit_of(base, replace(LAPTOP, room=int(room)))
        assert before <= set(fit.ways) == {way for way, size in fit.needs.items() if size <= room}
        before = set(fit.ways)
    assert fit.needs["qlora"] <= fit.needs["lora"] <= fit.needs["full"]
    assert fit.needs["serve"] > 4 * base.parameters and fit.needs["lora"] > 4 * base.parameters


def test_auto_takes_the_largest_that_fits_is_free_and_can_be_had():
    for machine in (
        Machine(24 * 10**9, "bfloat16", 60e12),
        Machine(80 * 10**9, "bfloat16", 400e12),
    ):
        taken, why = choice(machine, 600.0, lambda _: False, fetches=True)
        base = open_base(taken)
        assert base.free and fit_of(base, machine).needs["lora"] <= machine.room / 2 and "the largest" in why
        larger = [b for b in BASES if b.free and b.active > base.active]
        assert larger and all(fit_of(b, machine).needs["lora"] > machine.room / 2 for b in larger)
    small, _ = choice(LAPTOP, 14.0, lambda _: False, fetches=True)
    large, _ = choice(replace(LAPTOP, flops=400e12), 14.0, lambda _: False, fetches=True)
    assert open_base(small).active < open_base(large).active if "/" in small else small == EMBEDDED
    offline, why = choice(LAPTOP, 600.0, lambda _: False, fetches=False)
    assert offline == EMBEDDED and "not reachable" in why
    kept, why = choice(LAPTOP, 600.0, lambda base: base.id == "Qwen/Qwen3-0.6B", fetches=False)
    assert kept == "Qwen/Qwen3-0.6B" and "on this machine" in why


def test_the_command(capsys):
    def said(*arguments):
        assert main(["bases", *arguments]) == 0
        return capsys.readouterr().out

    assert all(base.id in said() for base in BASES)
    wide = json.loads(said("--gpu", "24GB", "--fitting", "--free", "--language", "de", "--json"))
    assert wide and all(b["commercial"] == "yes" and not b["gated"] and "de" in b["languages"] for b in wide)
    assert all(set(METHODS) & set(b["fits"]) for b in wide)
    assert len(wide) > len(json.loads(said("--gpu", "6 GiB", "--fitting", "--free", "--language", "de", "--json")))
    one = said("llama-3.1-8b-instruct")
    assert "700 million" in one and "HF_TOKEN" in one and "As of 2026-" in one
    assert main(["bases", "--gpu", "much"]) == 2 and "--gpu 24GB" in capsys.readouterr().err
    with pytest.raises(UsageError, match="several 'qwen3'"):
        open_base("qwen3")
    with pytest.raises(UsageError, match="no 'Qwen/Qwen3-06B'") as caught:
        open_base("Qwen/Qwen3-06B")
    assert "Qwen/Qwen3-0.6B" in str(caught.value.mend)


def test_ollamas_store_is_checked_before_it_is_believed(tmp_path, monkeypatch):
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path))
    with pytest.raises(ModelError, match="has no model 'toy'"):
        find_model("ollama:toy")
    blob = tmp_path / "blobs" / "x"
    blob.parent.mkdir()
    blob.write_bytes(b"GGUF" + b"\x00" * 64)
    digest = sha256_file(blob).removeprefix("sha256:")
    named = blob.rename(blob.parent / f"sha256-{digest}")
    manifest = tmp_path / "manifests" / "registry.ollama.ai" / "library" / "toy" / "latest"
    manifest.parent.mkdir(parents=True)
    layers = [{"mediaType": "application/vnd.ollama.image.model", "digest": f"sha256:{digest}"}]
    manifest.write_text(json.dumps({"layers": layers}))
    with pytest.raises(ModelError, match="cannot be loaded"):  # found, right by its hash, and no model
        find_model("ollama:toy")
    with pytest.raises(ModelError, match="toy:latest"):
        find_model("ollama:toy:1b")
    named.write_bytes(b"GGUF" + b"\x01" * 64)
    with pytest.raises(ModelError, match="is damaged"):
        find_model("ollama:toy")
    named.unlink()
    with pytest.raises(ModelError, match="ollama pull"):
        find_model("ollama:toy")
    manifest.write_text("{}")
    with pytest.raises(ModelError, match="names no weights"):
        find_model("ollama:toy")
