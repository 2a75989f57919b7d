"""Models leave in every format, whole, and are loaded there by nobody's code but the format's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch

from postgrad.blobs import Blobs
from postgrad.errors import GateError, ModelError, StorageError, UsageError
from postgrad.export.go_template import go_template, rendered
from postgrad.export.table import FORMATS
from postgrad.models.base_models import find_model
from postgrad.models.rendering.render import load_renderer
from postgrad.models.rendering.template import FALLBACK, Template
from postgrad.progress import finished
from postgrad.records import Message
from postgrad.registry import Catalogue
from postgrad.registry.exports import Exports
from postgrad.steps.delivery.exporting import export_model
from postgrad.steps.delivery.probing import leaving_model
from postgrad.workflows.export import export
from tests.export.models import INSTRUCTION, register, stirred_adapter, whole_weights


def out(entry, to, folder, precision=None):
    return finished(export_model(entry, Catalogue(), to, folder / to, precision))


OPTIONAL = {"openvino": "openvino_genai", "ctranslate2": "ctranslate2", "onnx": "onnxruntime_genai"}
"""Formats that an engine of its own writes."""


@pytest.mark.parametrize("to", [name for name in FORMATS if name not in OPTIONAL])
def test_a_folder_is_complete(to, tiny_folder, tmp_path):
    entry = register(tiny_folder, stirred_adapter(tiny_folder))
    report = out(entry, to, tmp_path)
    names = {p.name for p in report.place.iterdir()}
    assert names >= {"README.md", "instruction.txt", "parity.json", "export.json"}
    assert (report.place / "instruction.txt").read_text().strip() == INSTRUCTION
    assert all(p.held for p in report.parity) and report.parity[0].questions >= 8
    assert set(report.files) == {
        p.relative_to(report.place).as_posix() for p in report.place.rglob("*") if p.is_file()
    } - {"export.json"}
    readme = (report.place / "README.md").read_text()
    assert all(engine in readme for engine in report.start) and "postgrad parity mine@1" in readme
    (kept,) = Exports(Catalogue()).of(entry)
    assert (kept.format, kept.place, kept.files) == (to, str(report.place.absolute()), report.files)


def test_the_adapter_is_loaded_by_its_own_script(tiny_folder, tmp_path):
    report = out(register(tiny_folder, stirred_adapter(tiny_folder)), "peft", tmp_path)
    about = json.loads((report.place / "base_model.json").read_text())
    assert (report.place / "base" / "model.safetensors").exists() and about["hash"].startswith("sha256:")
    moved = tmp_path / "elsewhere"
    report.place.rename(moved)
    load = [sys.executable, "-W", "ignore", str(moved / "load.py"), "Where is it?"]
    done = subprocess.run(load, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0 and done.stdout.strip(), done.stderr
    (moved / "base" / "model.safetensors").write_bytes((moved / "base" / "model.safetensors").read_bytes()[:-1] + b"x")
    done = subprocess.run(load, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode and "is not the file that the adapter was trained on" in done.stderr


@pytest.mark.parametrize("to", ["peft", "safetensors", "gguf"])
def test_dora_leaves(to, tiny_folder, tmp_path):
    assert out(register(tiny_folder, stirred_adapter(tiny_folder, dora=True)), to, tmp_path).parity[0].held


def test_whole_weights_leave_and_have_no_adapter(tiny_folder, tmp_path):
    entry = register(tiny_folder, whole_weights(tiny_folder))
    for to in ("safetensors", "gguf"):
        assert out(entry, to, tmp_path).parity[0].held
    with pytest.raises(UsageError, match="no adapter"):
        out(entry, "peft", tmp_path)
    assert not (tmp_path / "peft").exists()


def test_another_reader_of_gguf_reads_the_same(tiny_folder, tmp_path):
    """transformers' own reader undoes the layout by code of its own."""
    from transformers import AutoModelForCausalLM, GgufConfig

    entry = register(tiny_folder, stirred_adapter(tiny_folder))
    report = out(entry, "gguf", tmp_path, "F32")
    theirs = AutoModelForCausalLM.from_pretrained(
        report.place,
        gguf_file=next(report.place.glob("*.gguf")).name,
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.float32,
    ).eval()
    leaving = leaving_model(entry, Blobs())
    from postgrad.export.weights import merged_module

    ours = merged_module(leaving, torch.float32)
    ids = torch.arange(40)[None] * 7 % 400
    with torch.inference_mode():
        assert torch.allclose(theirs(ids).logits, ours(ids).logits, atol=2e-4)


@pytest.mark.parametrize("precision", ["F32", "BF16", "Q8_0", "q5_0", "Q4_0"])
def test_quantisations(precision, tiny_folder, tmp_path):
    report = out(register(tiny_folder, stirred_adapter(tiny_folder)), "gguf", tmp_path, precision)
    assert report.precision == precision.upper() and report.parity[0].held
    again = find_model(str(next(report.place.glob("*.gguf"))))
    assert again.config["model_type"] == "llama", "and it is a base of ours"


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_precisions_of_weights(precision, tiny_folder, tmp_path):
    report = out(register(tiny_folder, stirred_adapter(tiny_folder)), "safetensors", tmp_path, precision)
    assert json.loads((report.place / "config.json").read_text())["dtype"] == precision and report.parity[0].held


def test_a_modelfile(tiny_folder, tmp_path):
    report = out(register(tiny_folder, stirred_adapter(tiny_folder)), "ollama", tmp_path)
    text = (report.place / "Modelfile").read_text()
    assert f'SYSTEM """{INSTRUCTION}"""' in text and 'PARAMETER stop """<|im_end|>"""' in text
    assert text.startswith("FROM ./mine-v1-F16.gguf\n") and "ADAPTER" not in text


LOOP, END = "{% for m in messages %}", "{% endfor %}"
ASKED = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
CHATML = "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
FIRST = "{% if loop.first and m['role'] != 'system' %}{{ '<|im_start|>system\nYou help.<|im_end|>\n' }}{% endif %}"
TURN = "{{ '<turn>' + ('model' if m['role'] == 'assistant' else 'user') + '\n' + m['content'] + '<end>\n' }}"
REFUSES = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no') }}{% endif %}"
BRACKETS = (
    "{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}"
    "{% elif m['role'] == 'system' %}{{ '<<SYS>>' + m['content'] + '<</SYS>>' }}"
    "{% else %}{{ ' ' + m['content'] + eos_token }}{% endif %}"
)
TEMPLATES = {
    "ChatML": LOOP + CHATML + END + ASKED,
    "with a default": LOOP + FIRST + CHATML + END + ASKED,
    "without a system role": "{{ bos_token }}"
    + REFUSES
    + LOOP
    + TURN
    + END
    + "{% if add_generation_prompt %}{{ '<turn>model\n' }}{% endif %}",
    "marks in brackets": "{{ bos_token }}" + LOOP + BRACKETS + END,
    "none of its own": FALLBACK,
}


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("roles", ["u", "su", "uau", "suau", "suauau"])
def test_gos_template_writes_what_jinjas_does(name, roles):
    template = Template(TEMPLATES[name], {"bos_token": "<s>", "eos_token": "</s>"})
    named = {"s": "system", "u": "user", "a": "assistant"}
    messages = [Message(named[r], f"text {n} of {r}: {{{{ .Content }}}}") for n, r in enumerate(roles)]
    assert rendered(go_template(template), messages) == template.text(messages, start_answer=True)


def test_a_template_that_looks_at_contents_has_none_of_gos():
    odd = "{% for m in messages %}{{ m['role'] + loop.index|string + m['content'] + eos_token }}{% endfor %}"
    with pytest.raises(UsageError, match="--to gguf"):
        go_template(Template(odd, {"eos_token": "</s>"}))


def test_what_cannot_be_right_is_refused(tiny_folder, tmp_path):
    entry = register(tiny_folder, stirred_adapter(tiny_folder))
    with pytest.raises(UsageError, match=r"Formats: peft"):
        finished(export(entry.id, "onions"))
    with pytest.raises(UsageError, match="no quantisation 'Q3'"):
        out(entry, "gguf", tmp_path, "Q3")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        finished(export(entry.id, "peft", tmp_path / "full"))
    assert (tmp_path / "full" / "x").read_text() == "mine"
    finished(export(entry.id, "peft", tmp_path / "full", force=True))
    assert not (tmp_path / "full" / "x").exists() and (tmp_path / "full" / "export.json").exists()


def test_a_base_that_changed_or_vanished(tiny_folder, tmp_path):
    import shutil

    base = tmp_path / "base"
    shutil.copytree(tiny_folder, base)
    entry = register(base, stirred_adapter(base))
    config = json.loads((base / "tokenizer_config.json").read_text())
    config["chat_template"] = config["chat_template"].replace("<|im_start|>", "<|in|>")
    (base / "tokenizer_config.json").write_text(json.dumps(config))
    load_renderer.__globals__["_loaded"].cache_clear()
    with pytest.raises(ModelError, match="another tokenizer or chat template"):
        out(entry, "peft", tmp_path)
    shutil.rmtree(base)
    with pytest.raises(ModelError, match="There is no model"):
        out(entry, "peft", tmp_path)


def test_an_adapter_of_another_base(tiny_folder, tmp_path):
    from tests.conftest import write_model

    wide = write_model(tmp_path / "wide", hidden=64)
    entry = register(tiny_folder, stirred_adapter(wide))
    with pytest.raises(ModelError, match="another base"):
        out(entry, "safetensors", tmp_path)
    assert not (tmp_path / "safetensors").exists()


def test_an_architecture_that_llama_cpp_is_not_known_to_compute(tmp_path):
    from tests.models.architectures import ARCHITECTURES

    for name, what in (("BLOOM", "'bloom'"), ("Mistral 0.1 (window)", "window of 48")):
        base = next(a for a in ARCHITECTURES if a.name == name).build(tmp_path / what.strip("'"))
        entry = register(base, stirred_adapter(base), name=name.split()[0].lower())
        with pytest.raises(UsageError, match=what):
            out(entry, "gguf", tmp_path / "g")


def test_a_full_disk_leaves_nothing(tiny_folder, tmp_path, own_home):
    entry = register(tiny_folder, stirred_adapter(tiny_folder))
    target = tmp_path / "left"
    command = f"ulimit -f 40; {sys.executable} -W ignore -m postgrad export {entry.id} --to safetensors --out {target}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert not target.exists() and not [p for p in tmp_path.iterdir() if p.name.startswith(".left")]


def test_a_name_with_slashes_and_colons(tiny_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    entry = register(tiny_folder, stirred_adapter(tiny_folder), name="ft:org/tiny:me")
    report = finished(export(entry.id, "gguf"))
    assert report.place.name == "ft-org-tiny-me-v1-gguf" and report.place.parent.resolve() == tmp_path


def test_a_failed_gate_names_the_engine(tiny_folder, tmp_path, monkeypatch):
    from postgrad.export.formats import merged

    real = merged.write_generation

    def planted(leaving, folder):
        real(leaving, folder)
        (folder / "chat_template.jinja").write_text(leaving.renderer.template.source)

    monkeypatch.setattr(merged, "write_generation", planted)
    entry = register(tiny_folder, stirred_adapter(tiny_folder))
    with pytest.raises(GateError, match="not left in place") as told:
        out(entry, "safetensors", tmp_path)
    assert "system prompt is dropped" in told.value.message and "transformers" in told.value.message
    assert not (tmp_path / "safetensors").exists() and not Exports(Catalogue()).of(entry)


def test_a_disk_that_fails_below_safetensors(tiny_folder, tmp_path, monkeypatch):
    from safetensors import SafetensorError

    from postgrad.export.formats import merged

    class Full(torch.nn.Module):
        def save_pretrained(self, folder):
            raise SafetensorError("No space left on device")

    with pytest.raises(StorageError, match="could not be written"):
        merged.save_module(Full(), tmp_path)


@pytest.fixture
def examples(tmp_path):
    rows = [
        {"prompt": f"where is order {n} of mine", "completion": ["here", "there", "gone"][n % 3]} for n in range(15)
    ]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return [tmp_path / "d.jsonl"]


def test_what_a_precision_costs_is_measured_on_examples(tiny_folder, tmp_path, examples, own_home):
    entry = register(tiny_folder, stirred_adapter(tiny_folder))
    report = finished(export(entry.id, "gguf", tmp_path / "g", "Q8_0", data=examples))
    assert "15 common examples" in report.cost and report.cost in (report.place / "README.md").read_text()
    assert not list((own_home / "models").glob("mine*")), "what was unpacked for it is gone"


def test_the_smallest_precision_that_is_not_worse(tiny_folder, tmp_path, examples, monkeypatch):
    from postgrad.workflows import export as story

    entry = register(tiny_folder, stirred_adapter(tiny_folder))
    with pytest.raises(UsageError, match="Without examples"):
        finished(export(entry.id, "gguf", tmp_path / "g", "auto"))
    with pytest.raises(UsageError, match="no smaller precisions"):
        finished(export(entry.id, "safetensors", tmp_path / "g", "auto", data=examples))
    tried = []

    def cost(entry, path, *rest):
        tried.append(path.stem.rpartition("-")[2])
        yield from ()
        if tried[-1] in ("Q4_0", "Q5_1") and rest[3]:
            raise story.TooCostlyError("it is worse")
        return "as good"

    monkeypatch.setattr(story, "_cost", cost)
    report = finished(export(entry.id, "gguf", tmp_path / "g", "auto", data=examples))
    assert report.precision == "Q8_0" and tried[-1] == "Q8_0" and report.cost == "as good"
    assert [p.name for p in report.place.glob("*.gguf")] == ["mine-v1-Q8_0.gguf"]


@pytest.mark.parametrize("to", OPTIONAL)
def test_an_engine_that_is_not_installed(to, tiny_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    entry = register(tiny_folder, stirred_adapter(tiny_folder))
    with pytest.raises(UsageError, match="not installed") as told:
        out(entry, to, tmp_path)
    assert f"postgrad[{to}]" in told.value.mend and not (tmp_path / to).exists()
