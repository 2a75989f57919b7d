"""Models that are damaged, unknown, or would run code of their own: one clear error each, and nothing is believed."""

import json
import shutil

import pytest
from safetensors.torch import load_file, save_file

from postgrad.errors import ModelError
from postgrad.models.base_models import find_model
from postgrad.models.device import Device
from postgrad.models.language_model import LanguageModel
from postgrad.models.loading import TRUST

CPU = Device("cpu", "test", "float32", {"float32": 1.0}, 1 << 32)
WEIGHT = "model.layers.1.mlp.up_proj.weight"


@pytest.fixture
def folder(tiny_folder, tmp_path):
    shutil.copytree(tiny_folder, tmp_path / "mine")
    return tmp_path / "mine"


def change(folder, **values):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **values}))


def weights(folder, work):
    tensors = load_file(folder / "model.safetensors")
    work(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def refused(folder):
    with pytest.raises(ModelError) as caught:
        LanguageModel(find_model(str(folder)), CPU)
    assert "Traceback" not in str(caught.value) and len(str(caught.value)) < 700
    return str(caught.value)


def test_missing_weights_are_not_drawn_at_random(folder):
    weights(folder, lambda tensors: tensors.pop(WEIGHT))
    said = refused(folder)
    assert "not whole" in said and WEIGHT in said


def test_weights_of_another_shape(folder):
    weights(folder, lambda tensors: tensors.update({WEIGHT: tensors[WEIGHT][:-1].clone()}))
    assert WEIGHT in (said := refused(folder)) and "another shape" in said


def test_a_file_that_was_cut(folder):
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])
    assert "Are its files whole?" in refused(folder)


def test_a_part_that_is_not_there(folder):
    names = dict.fromkeys(load_file(folder / "model.safetensors"), "model-00002-of-00002.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    assert "model-00002-of-00002.safetensors" in refused(folder)


def test_a_config_that_was_cut(folder):
    (folder / "config.json").write_text('{"model_type": "lla')
    assert "is no JSON" in refused(folder)


def test_a_kind_that_nobody_knows_and_one_that_does_not_continue_text(folder):
    change(folder, model_type="nobodys", architectures=["NobodysForCausalLM"])
    assert "'nobodys', which transformers" in refused(folder)
    change(folder, model_type="t5", architectures=["T5ForConditionalGeneration"])
    assert "no causal language model" in refused(folder)


def test_code_of_a_models_own_runs_only_where_the_base_is_named(folder, tmp_path, monkeypatch):
    ran = tmp_path / "ran"
    (folder / "modeling_own.py").write_text(
        "from transformers import LlamaConfig, LlamaForCausalLM\n"
        f"open({str(ran)!r}, 'a').close()\n"
        "class OwnConfig(LlamaConfig):\n    model_type = 'own'\n"
        "class OwnForCausalLM(LlamaForCausalLM):\n    config_class = OwnConfig\n"
    )
    change(
        folder,
        model_type="own",
        auto_map={"AutoConfig": "modeling_own.OwnConfig", "AutoModelForCausalLM": "modeling_own.OwnForCausalLM"},
    )
    monkeypatch.setenv(TRUST, "another")
    said = refused(folder)
    assert "modeling_own.py" in said and f"{TRUST}=mine" in said and not ran.exists()
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setenv(TRUST, "mine")
    model = LanguageModel(find_model(str(folder)), CPU)
    assert ran.exists() and type(model.module).__name__ == "OwnForCausalLM"
