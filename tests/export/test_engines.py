"""Exports of every supported architecture in the engines that are installed (`make parity` installs them): the same
tokens, numbers, answers and ends as the trained model's own plain code."""

from __future__ import annotations

import importlib.util
import json
import os

import pytest

from postgrad.export.gguf.architectures import ARCHITECTURES as GGUF
from postgrad.progress import finished
from postgrad.registry import Catalogue
from postgrad.steps.delivery.exporting import export_model
from tests.export.models import register, stirred_adapter
from tests.models.architectures import ARCHITECTURES

EVERYTHING = bool(os.environ.get("POSTGRAD_PARITY"))
TELLING = ("Llama 2 and 3", "Qwen 3", "Gemma 3", "Phi 3 and 4")
"""Rows that run always; all of them with `make parity`."""


def kind_of(architecture, folder) -> str:
    """Builds a tiny model; gives its type. Qwen 2 gets Qwen's splitting of texts, which its class has."""
    from postgrad.export.gguf.vocabulary import QWEN
    from postgrad.models.base_models import find_model

    kind = str(find_model(str(architecture.build(folder))).config["model_type"])
    if kind == "qwen2":
        path = folder / "tokenizer.json"
        raw = json.loads(path.read_text("utf-8"))
        bytes_ = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
        split = {"type": "Split", "pattern": {"Regex": QWEN}, "behavior": "Isolated", "invert": False}
        raw["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [split, bytes_]}
        raw["normalizer"] = {"type": "NFC"}
        path.write_text(json.dumps(raw), "utf-8")
    return kind


ROWS = [a for a in ARCHITECTURES if EVERYTHING or a.name in TELLING]


@pytest.mark.parametrize("architecture", ROWS, ids=lambda a: a.name)
@pytest.mark.parametrize("to", ["safetensors", "gguf"])
def test_architectures_leave_exactly_or_are_refused(architecture, to, tmp_path):
    from postgrad.errors import UsageError

    kind = kind_of(architecture, tmp_path / "base")
    try:
        adapter = stirred_adapter(tmp_path / "base", strength=0.1)
    except UsageError:
        pytest.skip(f"no adapter fits {kind}")
    entry = register(tmp_path / "base", adapter)
    try:
        report = finished(export_model(entry, Catalogue(), to, tmp_path / "out"))
    except UsageError as refused:
        assert to == "gguf" and not (tmp_path / "out").exists()
        assert kind not in GGUF or "window" in refused.message, f"{kind} claims to be supported: {refused}"
        return
    assert all(p.held for p in report.parity)
    engines = [p.engine for p in report.parity]
    if to == "gguf":
        assert any("llama.cpp" in e for e in engines) == (importlib.util.find_spec("llama_cpp") is not None)
