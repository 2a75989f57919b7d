"""The check before the first step finds what computes otherwise than the model's own code; each fault is planted."""

import pytest
import torch

from postgrad.errors import ModelError
from postgrad.models.adapters.lora import attach
from postgrad.models.base_models import find_model
from postgrad.models.fused import attention, body
from postgrad.models.language_model import LanguageModel
from postgrad.models.rendering.render import Rendered
from postgrad.training import self_check
from postgrad.training.forward import Forward
from tests.models.architectures import ARCHITECTURES
from tests.models.test_conformance import FLOAT32, sequences


def model_of(name, folder):
    next(a for a in ARCHITECTURES if a.name == name).build(folder)
    return LanguageModel(find_model(str(folder)), FLOAT32)


def taken_by(model, examples=None, lora=True):
    if lora:
        attach(model.module, rank=4, alpha=8, seed=0)
    forward = Forward(model)
    forward.choose(examples or sequences())
    return forward.way


def test_a_window_that_shared_rows_do_not_heed(tmp_path, monkeypatch):
    right = attention._packed
    monkeypatch.setattr(attention, "_packed", lambda *args: right(*args[:-1], None))
    model = model_of("Gemma 3", tmp_path / "m")
    assert taken_by(model) == "padded"


def test_a_window_is_no_matter_where_no_example_is_longer(tmp_path, monkeypatch):
    right = attention._packed
    monkeypatch.setattr(attention, "_packed", lambda *args: right(*args[:-1], None))
    assert taken_by(model_of("Gemma 3", tmp_path / "m"), sequences((9, 14, 19))) == "packed"


@pytest.mark.parametrize("name", ["SmolLM3", "Granite", "Mistral 0.1 (window)"])
def test_layers_by_hand_for_models_that_only_look_like_llama(tmp_path, monkeypatch, name):
    """Layers without positions, multiplied residuals, windows: the modules are those of Llama."""
    model = model_of(name, tmp_path / "m")
    attach(model.module, rank=4, alpha=8, seed=0)
    assert Forward(model)._fused is None
    monkeypatch.setattr(body, "KNOWN", body.KNOWN | {model.module.config.model_type})
    monkeypatch.setattr(body, "window_of", lambda config: None)
    forward = Forward(model)
    assert forward._fused is not None
    forward.choose(sequences())
    assert forward.way == "packed"


@pytest.mark.parametrize("name", ["LFM 2", "Granite hybrid"])
def test_what_flows_from_one_example_into_the_next(tmp_path, monkeypatch, name):
    """Found by its size, and where that is too small to be told from rounding, by changing the first example."""
    model = model_of(name, tmp_path / "m")
    monkeypatch.setattr(self_check, "furthest", lambda ours, theirs: 0.0)
    monkeypatch.setattr(self_check, "SLOPE", 1e9)
    monkeypatch.setattr(self_check, "has_experts", lambda module: False)
    assert taken_by(model) == "padded"


def test_a_gradient_that_is_wrong_where_the_values_are_right(tiny, monkeypatch):
    right = body._Layer.backward

    def wrong(self, *args):
        x, into = right(self, *args)
        return None if x is None else x * 1.01, into

    monkeypatch.setattr(body._Layer, "backward", wrong)
    assert taken_by(tiny) == "packed"


def test_an_adapter_that_is_left_out(tiny, monkeypatch):
    """Fresh adapters change nothing; the check stirs them, and leaves them as they were to the bit."""
    from postgrad.models.fused.parts import Projections

    layers = attach(tiny.module, rank=4, alpha=8, seed=0)
    before = {n: (layer.lora_A.clone(), layer.lora_B.clone()) for n, layer in layers.items()}
    monkeypatch.setattr(Projections, "forward", _plain)
    assert taken_by(tiny, lora=False) == "packed"
    assert all(torch.equal(layers[n].lora_A, a) and torch.equal(layers[n].lora_B, b) for n, (a, b) in before.items())
    assert all(p.grad is None for p in tiny.module.parameters())


def _plain(self, x, outs):
    for base, out in zip(self.bases, outs, strict=True):
        torch.mm(x, base.weight.t(), out=out)


def test_a_model_that_is_right_in_no_way_is_refused(tiny, monkeypatch):
    right = self_check._alone
    monkeypatch.setattr(self_check, "_alone", lambda model, e: 1.1 * right(model, e))
    with pytest.raises(ModelError, match=r"llama.*not computed right"):
        taken_by(tiny)


def test_logits_of_an_unknown_kind_are_refused(tmp_path, monkeypatch):
    from postgrad.models import language_model

    plain = property(lambda self: (None, 1.0))
    monkeypatch.setattr(language_model.LanguageModel, "head_scaling", plain)
    with pytest.raises(ModelError, match=r"falcon_h1.*changes its logits"):
        model_of("Falcon H1", tmp_path / "m")


def test_attention_that_is_asked_for_more_than_it_knows_says_so():
    q = torch.zeros(1, 2, 3, 4)
    with pytest.raises(attention.UnknownAttentionError, match="s_aux, softcap"):
        attention.grouped_attention(torch.nn.Module(), q, q, q, None, softcap=5.0, s_aux=torch.zeros(2), use_cache=True)


@pytest.mark.parametrize("name", ["Qwen 3", "gpt-oss"])
def test_layers_of_the_models_own_code_keep_their_input_alone(tmp_path, name):
    """Less is kept for the backward pass, gradients are the same, and answers after it too."""
    model = model_of(name, tmp_path / "m")
    attach(model.module, rank=4, alpha=8, seed=0)
    kept, slopes = {}, {}
    modes = [m.training for m in model.module.modules()]
    for recompute in (False, True):
        model.module.zero_grad()
        forward = Forward(model, recompute)
        forward.choose(sequences())
        sizes = []

        def pack(tensor, sizes=sizes):
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            loss = forward.loss(sequences())
        loss.backward()
        kept[recompute] = sum(sizes)
        slopes[recompute] = [p.grad.clone() for p in model.module.parameters() if p.requires_grad]
    assert kept[True] < kept[False] / 2
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(slopes[True], slopes[False], strict=True))
    assert [m.training for m in model.module.modules()] == modes


def test_an_example_that_is_the_beginning_of_others(tiny):
    """Nothing is left of it to be compared beyond what all share but its last token; and one token predicts nothing."""
    long = sequences((30, 5))[0]
    begun = Rendered(long.ids[:13], (0.0,) * 12 + (1.0,))
    assert taken_by(tiny, [long, begun, begun, Rendered((5,), (0.0,))]) == "fused"
    assert Forward(tiny).choose([Rendered((5,), (0.0,))])
