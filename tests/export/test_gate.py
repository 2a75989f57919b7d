"""Planted faults: each is caught by the gate, and named with its cause."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from postgrad.blobs import Blobs
from postgrad.export.engines.gguf_reading import GgufReading
from postgrad.export.gguf import file as gguf_file
from postgrad.export.parity.contestant import CannotSayError, Said
from postgrad.export.parity.gate import Parity, Tolerance, judge
from postgrad.export.table import format_named, tolerance_of
from postgrad.export.weights import merged_module
from postgrad.models.rendering.render import _loaded as renderers
from postgrad.progress import finished
from postgrad.registry import Catalogue
from postgrad.steps.arms.registered import own_retriever, prompt_builder
from postgrad.steps.delivery.exporting import export_model
from postgrad.steps.delivery.probing import gate, leaving_model, probes_of
from postgrad.steps.delivery.served_parity import OwnEngine
from tests.export.models import register, stirred_adapter


class Left:
    """A model that left, and the gate around its folder."""

    def __init__(self, base: Path, folder: Path, to: str, entry=None) -> None:
        self.entry = entry or register(base, stirred_adapter(base))
        self.to, self.folder = to, folder / to
        finished(export_model(self.entry, Catalogue(), to, self.folder))
        self.leaving = leaving_model(self.entry, Blobs())
        self.probes = finished(probes_of(self.leaving, self.entry, Blobs()))
        self.precision = json.loads((self.folder / "export.json").read_text())["precision"]

    def judged(self, leaving=None) -> Parity:
        format_, leaving = format_named(self.to), leaving or self.leaving
        checks = format_.checks(leaving, self.folder)
        made = format_.contestants(leaving, self.folder)
        return finished(gate(made, self.probes, tolerance_of(self.precision), checks))[0]

    def cause(self) -> str:
        """Of the first fault; there must be one."""
        found = self.judged()
        assert not found.held, "the fault was not seen"
        return next(c.cause for c in found.checks if c.held is False)

    def weights(self, change) -> None:
        """Changes the tensors of the one file with weights."""
        from safetensors.torch import load_file, save_file

        path = next(p for p in self.folder.glob("*model.safetensors"))
        tensors = load_file(str(path))
        change(tensors)
        save_file(tensors, str(path), metadata={"format": "pt"})

    def text(self, name: str, change) -> None:
        """Changes a file of text."""
        path = self.folder / name
        path.write_text(change(path.read_text("utf-8")), "utf-8")


@pytest.fixture
def merged(tiny_folder, tmp_path):
    return Left(tiny_folder, tmp_path, "safetensors")


@pytest.fixture
def adapter(tiny_folder, tmp_path):
    return Left(tiny_folder, tmp_path, "peft")


def test_what_is_sound_passes(merged, adapter):
    for left in (merged, adapter):
        found = left.judged()
        assert found.held and [c.name for c in found.checks if c.held is None] in ([], ["stops"]), found
        assert found.distance < 1e-4 < 0.1 < found.base_distance


def test_another_template(merged):
    merged.text("chat_template.jinja", lambda t: t.replace("<|im_start|>' + message", "<|im_start|>: ' + message"))
    assert "another chat template" in merged.cause()


def test_a_dropped_system_prompt(merged):
    base = merged.leaving.renderer.template.source
    merged.text("chat_template.jinja", lambda t: base)
    assert "the system prompt is dropped" in merged.cause()


def test_a_missing_end_token(tiny_folder, tmp_path):
    """The base says that the token which the model begins its answers with ends them, and the export forgets it."""
    base = tmp_path / "base"
    shutil.copytree(tiny_folder, base)
    found = Left(base, tmp_path / "before", "safetensors").probes
    first = next(p.answer[1] for p in found if len(p.answer) > 4)
    (base / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, first]}))
    renderers.cache_clear()
    left = Left(base, tmp_path / "after", "safetensors")
    assert left.judged().held and any(p.finish == "stop" for p in left.probes)
    left.text("generation_config.json", lambda t: json.dumps({**json.loads(t), "eos_token_id": [2]}))
    assert any("end token" in c.cause for c in left.judged().checks)


def test_a_doubled_beginning(merged):
    merged.text("chat_template.jinja", lambda t: "{{ bos_token }}" + t)
    assert "stands there twice" in merged.cause()


@pytest.mark.parametrize(
    ("alpha", "share", "words"), [(16, "2 times", "twice"), (4, "0.5 times", "half"), (7.2, "0.9 times", "nine tenths")]
)
def test_an_adapter_that_is_scaled_wrong(adapter, alpha, share, words):
    """It shows in the files, and where those are not looked at in the numbers."""
    adapter.text("adapter_config.json", lambda t: json.dumps({**json.loads(t), "lora_alpha": alpha}))
    assert share in adapter.cause()
    format_ = format_named("peft")
    (found,) = finished(gate(format_.contestants(adapter.leaving, adapter.folder), adapter.probes, Tolerance(0.002)))
    assert not found.held and any(words in c.cause for c in found.checks)


def test_an_adapter_that_is_not_applied(adapter):
    def renamed(text):
        return json.dumps({**json.loads(text), "target_modules": ["q_proj"]})

    adapter.text("adapter_config.json", renamed)
    assert not adapter.judged().held


def test_an_empty_adapter(adapter):
    adapter.weights(lambda t: t.update({k: torch.zeros_like(v) for k, v in t.items() if "lora_B" in k}))
    found = adapter.judged()
    assert [c.cause for c in found.checks] == ["the adapter is empty, or trained nothing"]


def test_a_model_that_learned_nothing_does_not_leave(tiny_folder, tmp_path):
    from postgrad.errors import GateError

    entry = register(tiny_folder, stirred_adapter(tiny_folder, strength=0.0))
    with pytest.raises(GateError, match="empty"):
        finished(export_model(entry, Catalogue(), "safetensors", tmp_path / "out"))
    assert not (tmp_path / "out").exists(), "nothing is left in place"


def test_weights_of_the_base(merged, tiny_folder):
    shutil.copyfile(tiny_folder / "model.safetensors", merged.folder / "model.safetensors")
    assert "not applied" in merged.cause()


def test_one_layers_rotary_layout(merged):
    def swapped(tensors):
        name = "model.layers.1.self_attn.k_proj.weight"
        w = tensors[name]
        tensors[name] = w.view(2, 2, w.shape[0] // 4, -1).transpose(1, 2).reshape(w.shape).contiguous()

    merged.weights(swapped)
    assert "some weights are others" in merged.cause()


def test_tied_embeddings_that_were_lost(merged):
    merged.weights(lambda t: t.update({"lm_head.weight": torch.randn_like(t["model.embed_tokens.weight"])}))
    merged.text("config.json", lambda t: json.dumps({**json.loads(t), "tie_word_embeddings": False}))
    assert "tied embeddings" in merged.cause()


def test_an_added_token_that_is_missing(merged):
    def without(text):
        raw = json.loads(text)
        raw["added_tokens"] = [t for t in raw["added_tokens"] if t["content"] != "<|im_start|>"]
        raw["model"]["vocab"].pop("<|im_start|>", None)
        return json.dumps(raw)

    merged.text("tokenizer.json", without)
    assert "tokens that were added" in merged.cause() or "beginning token" in merged.cause()


def test_a_stale_file_after_a_promotion(tiny_folder, tmp_path):
    from postgrad.workflows.parity import parity

    left = Left(tiny_folder, tmp_path, "safetensors")
    register(tiny_folder, stirred_adapter(tiny_folder, seed=9))
    assert finished(parity("mine@1", folders=[left.folder]))[0].held
    found = finished(parity("mine@2", folders=[left.folder]))[0]
    assert not found.held and "another version" in found.sentence
    (left.folder / "model.safetensors").write_bytes(b"\0" * 64)
    found = finished(parity("mine@1", folders=[left.folder]))[0]
    assert not found.held and "since the export" in found.sentence


def test_dropped_passages(tiny_folder, tmp_path):
    entry = register(tiny_folder, stirred_adapter(tiny_folder), passages=2)
    leaving, blobs = leaving_model(entry, Blobs()), Blobs()
    retrieve = own_retriever(entry, blobs)
    probes = finished(probes_of(leaving, entry, blobs, retrieve))
    right = OwnEngine(leaving, prompt_builder(entry, leaving.renderer, retrieve))
    tolerance = Tolerance(0.2)
    assert judge(right, probes, tolerance).held
    wrong = judge(OwnEngine(leaving, prompt_builder(entry, leaving.renderer)), probes, tolerance)
    assert not wrong.held and "the passages are dropped" in wrong.sentence


class Gguf:
    """A GGUF file with a fault planted while it is written."""

    def __init__(self, base, folder, monkeypatch, **changes) -> None:
        self.entry = register(base, stirred_adapter(base))
        self.leaving = leaving_model(self.entry, Blobs())
        self.probes = finished(probes_of(self.leaving, self.entry, Blobs()))
        self.path = folder / "m.gguf"
        for name, change in changes.items():
            monkeypatch.setattr(gguf_file, name, change(getattr(gguf_file, name)))
        gguf_file.write_gguf(self.leaving, self.path, "F16")
        monkeypatch.undo()

    def judged(self) -> Parity:
        from postgrad.export.engines.gguf_reading import file_check

        def made():
            return GgufReading(self.path, self.leaving, merged_module(self.leaving, torch.float32))

        checks = [file_check(self.path, self.leaving, "F16")]
        return finished(gate([made], self.probes, tolerance_of("F16"), checks))[0]


@pytest.fixture
def home_kept(monkeypatch, own_home):
    """`monkeypatch.undo` also takes the home back."""
    patch = pytest.MonkeyPatch()
    yield patch
    patch.undo()


def test_a_sound_gguf_file_passes(tiny_folder, tmp_path, home_kept):
    assert Gguf(tiny_folder, tmp_path, home_kept).judged().held


def test_a_gguf_file_with_one_layer_in_another_layout(tiny_folder, tmp_path, home_kept):
    def planted(named):
        def tensors(module, found):
            for name, own, weight in named(module, found):
                if own == "model.layers.1.self_attn.q_proj.weight":
                    weight = module.get_parameter(own).detach()  # as it lies in the module, not in pairs
                yield name, own, weight

        return tensors

    left = Gguf(tiny_folder, tmp_path, home_kept, named_tensors=planted)
    assert "some weights are others" in next(c.cause for c in left.judged().checks if c.held is False)


def test_a_gguf_file_with_the_wrong_tensor_quantised(tiny_folder, tmp_path, home_kept):
    def planted(packed):
        done = []

        def one(weight, quantization):
            if weight.dim() == 2 and weight.shape[0] == 420 and not done:
                done.append(1)
                return packed(weight, "Q4_0")
            return packed(weight, quantization)

        return one

    found = Gguf(tiny_folder, tmp_path, home_kept, packed=planted).judged()
    assert not found.held and "quantised" in found.sentence


def test_a_gguf_file_that_adds_a_beginning(tiny_folder, tmp_path, home_kept):
    def planted(write):
        def vocabulary(writer, *rest):
            writer.add_add_bos_token = lambda value, add=writer.add_add_bos_token: add(True)
            write(writer, *rest)

        return vocabulary

    found = Gguf(tiny_folder, tmp_path, home_kept, write_vocabulary=planted).judged()
    assert not found.held and "BOS" in found.sentence


def test_distances_forgive_no_impossible_token():
    from postgrad.export.parity.gate import FAR, distance_of

    assert distance_of(torch.tensor([0.0, -1.0]), torch.tensor([-np.inf, -1.0])) == (FAR, 2)


def test_a_base_without_a_template(tiny_folder, tmp_path):
    """It is asked with plain marks, which go with the export, and answers end at a text."""
    from postgrad.workflows.parity import parity

    base = tmp_path / "plain"
    shutil.copytree(tiny_folder, base)
    config = json.loads((base / "tokenizer_config.json").read_text())
    config.pop("chat_template")
    (base / "tokenizer_config.json").write_text(json.dumps(config))
    left = Left(base, tmp_path, "gguf")
    assert left.judged().held and "### Request:" in left.leaving.renderer.stops[0]
    assert "must name as `stop`" in (left.folder / "README.md").read_text()
    assert all(p.held for p in finished(parity(left.entry.id)))


class Deaf:
    """An engine that tells nothing."""

    name = "deaf"

    def prompt(self, messages, tools):
        raise CannotSayError("it does not say")

    logprobs = answer = lambda self, *_: Deaf.prompt(self, (), ())


def test_an_engine_that_tells_nothing_is_not_alike(merged):
    found = judge(Deaf(), merged.probes, Tolerance(0.1))
    assert not found.held and "nothing was compared" in found.sentence
    assert not judge(Deaf(), [], Tolerance(0.1)).held


class Speaks(Deaf):
    """An engine that tells text alone.

    Args:
        texts: Its answers, in order.
    """

    name = "speaks"

    def __init__(self, texts):
        self._texts = iter(texts)

    def answer(self, messages, tools, most):
        return Said(None, next(self._texts), "length")


def test_text_alone_is_believed_where_it_is_the_same(merged):
    asked = [p for p in merged.probes if p.answer]
    assert judge(Speaks([p.text + " and more" for p in asked]), merged.probes, Tolerance(0.1)).held
    assert not judge(Speaks(["nonsense"] * len(asked)), merged.probes, Tolerance(0.1)).held
    assert not judge(Speaks([""] * len(asked)), merged.probes, Tolerance(0.1)).held


def test_precisions_are_known_by_name():
    from postgrad.errors import UsageError

    assert tolerance_of("f16") == tolerance_of("float16") and tolerance_of("Q4_K_M") == tolerance_of("Q4_K_S")
    with pytest.raises(UsageError, match="no precision 'bf61'"):
        tolerance_of("bf61")
