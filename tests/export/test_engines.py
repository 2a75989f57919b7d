"""Exports of every supported architecture in the engines that are installed (`make parity` installs them): the same
tokens, numbers, answers and ends as the trained model's own plain code."""

from __future__ import annotations

import importlib.util
import json
import os
from dataclasses import replace
from pathlib import Path

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


WIDE = ("Llama 2 and 3", "Qwen 3")
NAMES = {
    "mlx": "MLX",
    "openvino": "OpenVINO",
    "ctranslate2": "CTranslate2",
    "onnx": "ONNX",
    "ollama": "llama.cpp",
}
ROWS = [a for a in ARCHITECTURES if EVERYTHING or a.name in TELLING]


PAGE = Path(__file__).parents[2] / "docs" / "export.md"
SEEN: dict[str, dict[str, str]] = {}
"""By architecture and format, what came out; written into the page with `make parity`."""


@pytest.fixture(scope="module", autouse=True)
def page():
    """Writes the table of docs/export.md when everything ran."""
    yield
    if not EVERYTHING or len(SEEN) < len(ARCHITECTURES):
        return
    formats = ("safetensors", "gguf", "mlx", "openvino", "ctranslate2", "onnx")
    lines = [f"| Architecture | {' | '.join(f'`{to}`' for to in formats)} |", "|---" * (len(formats) + 1) + "|"]
    lines += [f"| {name} | {' | '.join(found.get(to, '') for to in formats)} |" for name, found in SEEN.items()]
    text = PAGE.read_text("utf-8")
    before, _, rest = text.partition("<!-- architectures -->")
    after = rest.partition("<!-- end -->")[2]
    PAGE.write_text(f"{before}<!-- architectures -->\n" + "\n".join(lines) + f"\n<!-- end -->{after}", "utf-8")


def note(architecture, to: str, found) -> None:
    """Remembers what came out: the largest distance of any engine, or that it was refused."""
    text = found if isinstance(found, str) else f"{max(p.distance or 0.0 for p in found.parity):.1g}"
    SEEN.setdefault(architecture.name, {})[to] = text


@pytest.mark.parametrize("architecture", ROWS, ids=lambda a: a.name)
@pytest.mark.parametrize("to", ["safetensors", "gguf"])
def test_architectures_leave_exactly_or_are_refused(architecture, to, tmp_path):
    from postgrad.errors import UsageError

    kind = kind_of(architecture, tmp_path / "base")
    try:
        adapter = stirred_adapter(tmp_path / "base", strength=0.1)
    except UsageError:
        note(architecture, to, "no adapter")
        pytest.skip(f"no adapter fits {kind}")
    entry = register(tmp_path / "base", adapter)
    try:
        report = finished(export_model(entry, Catalogue(), to, tmp_path / "out"))
    except UsageError as refused:
        assert to == "gguf" and not (tmp_path / "out").exists()
        known = ("window", "every fourth layer")
        assert kind not in GGUF or any(w in refused.message for w in known), f"{kind} claims to be supported: {refused}"
        note(architecture, to, "refused")
        return
    assert all(p.held for p in report.parity)
    note(architecture, to, report)
    engines = [p.engine for p in report.parity]
    if to == "gguf":
        assert any("llama.cpp" in e for e in engines) == (importlib.util.find_spec("llama_cpp") is not None)


@pytest.mark.parametrize(
    ("to", "package"),
    [
        ("mlx", "mlx_lm"),
        ("openvino", "openvino_genai"),
        ("ctranslate2", "ctranslate2"),
        ("onnx", "onnxruntime_genai"),
        ("ollama", "llama_cpp"),
    ],
)
@pytest.mark.parametrize(
    "architecture", [a for a in ARCHITECTURES if a.name in ("Llama 2 and 3", "Qwen 3")], ids=lambda a: a.name
)
def test_other_engines(to, package, architecture, tmp_path):
    """Models with heads of sixteen numbers: ONNX Runtime computes no smaller ones."""
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed; make parity installs it")
    wide = replace(architecture, settings={**architecture.settings, "head_dim": 16, "hidden_size": 64})
    wide.build(tmp_path / "base")
    entry = register(tmp_path / "base", stirred_adapter(tmp_path / "base", strength=0.1))
    report = finished(export_model(entry, Catalogue(), to, tmp_path / "out"))
    assert report.parity and all(p.held for p in report.parity)
    note(architecture, to, report)
    assert any(NAMES[to] in p.engine for p in report.parity), "the engine itself was asked"


def test_positions_left_out_of_every_fourth_layer(tmp_path):
    """SmolLM3 as it is published; llama.cpp knows no other order."""
    (one,) = [a for a in ARCHITECTURES if a.name == "SmolLM3"]
    published = replace(one, settings={"no_rope_layers": [1, 1, 1, 0], "num_hidden_layers": 4})
    published.build(tmp_path / "base")
    entry = register(tmp_path / "base", stirred_adapter(tmp_path / "base", strength=0.1))
    report = finished(export_model(entry, Catalogue(), "gguf", tmp_path / "out"))
    assert all(p.held and p.distance is not None and p.distance < 0.005 for p in report.parity)
