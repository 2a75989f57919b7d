"""However a microbatch is laid out and computed, loss and gradient are the same; and what that costs is known."""

import pytest
import torch

from postgrad.models.adapters.lora import attach
from postgrad.models.base_models import find_model
from postgrad.models.device import Device
from postgrad.models.fused.body import Fused
from postgrad.models.language_model import LanguageModel
from postgrad.records import Conversation, Message
from postgrad.training.forward import Forward
from postgrad.training.objectives import make_objective
from tests.conftest import write_model
from tests.training.test_training import RECORDS, gradients, stir

SYSTEM = "Sort the mail of a furniture company, and answer with one JSON object."


def rendered(model, system="", count=7):
    records = [
        Conversation(messages=((Message("system", system),) if system else ()) + r.messages) for r in RECORDS[:count]
    ]
    return make_objective("sft", model.renderer).prepare(records).examples


def measured(model, examples, way, recompute=False, noise=0.0, step=None):
    model.module.zero_grad()
    forward = Forward(model, recompute, noise)
    forward.way = way
    loss = forward.loss(examples, step)
    loss.backward()
    return loss.item(), gradients(model.module)


def agree(one, other):
    assert one[0] == pytest.approx(other[0], rel=1e-5)
    assert torch.allclose(one[1], other[1], atol=1e-4, rtol=1e-3)
    assert one[1].norm() > 1e-3


@pytest.mark.parametrize("system", ["", SYSTEM])
@pytest.mark.parametrize("way", ["fused", "packed"])
def test_one_row_equals_padding(tiny, system, way):
    """Laid end to end, the shared beginning once, whoever computes the layers: the same loss and gradient."""
    examples = rendered(tiny, system)
    stir(attach(tiny.module, rank=4, alpha=8, seed=0))
    agree(measured(tiny, examples, way), measured(tiny, examples, "padded"))


def test_full_training_has_the_same_gradients_by_hand(tiny):
    """Norms, embeddings, head and all matrices."""
    for parameter in tiny.module.parameters():
        parameter.requires_grad_(True)
    examples = rendered(tiny, SYSTEM)
    agree(measured(tiny, examples, "fused"), measured(tiny, examples, "padded"))


def test_recomputed_layers_give_the_same_to_the_bit(tiny):
    stir(attach(tiny.module, rank=4, alpha=8, seed=0))
    examples = rendered(tiny, SYSTEM)
    kept, again = measured(tiny, examples, "fused"), measured(tiny, examples, "fused", recompute=True)
    assert kept[0] == again[0] and torch.equal(kept[1], again[1])


@pytest.mark.parametrize("kind", ["Qwen2", "Mistral", "Qwen3"])
def test_other_shapes_train_right(tmp_path, kind):
    """Biases on queries (Qwen2) fit the hand-written layers; norms inside attention (Qwen3) do not, and are seen to."""
    import transformers

    folder = write_model(tmp_path / kind)
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=420,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        head_dim=8,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    torch.manual_seed(3)
    module = getattr(transformers, f"{kind}ForCausalLM")(config)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(6) if parameter.dim() > 1 else parameter.add_(torch.randn_like(parameter) * 0.3)
    module.save_pretrained(folder)
    model = LanguageModel(find_model(str(folder)), Device("cpu", "test", "float32", {"float32": 1.0}, 1 << 32))
    stir(attach(model.module, rank=4, alpha=8, seed=0))
    examples = rendered(model, SYSTEM)
    forward = Forward(model)
    forward.choose(examples)
    assert forward.way == ("packed" if kind == "Qwen3" else "fused")
    agree(measured(model, examples, forward.way), measured(model, examples, "padded"))


def test_a_model_that_mixes_packed_examples_is_found_out(tiny):
    """With transformers' own attention the packing is not understood; the check sees it and pads."""
    tiny.module.set_attn_implementation("eager")
    tiny.module.config._attn_implementation = "eager"
    forward = Forward(tiny)
    forward._fused = None
    assert "padded" in forward.choose(rendered(tiny, SYSTEM))
    assert forward.way == "padded"


def test_a_layer_of_another_shape_is_not_computed_by_hand(tiny):
    tiny.module.model.layers[1].extra = torch.nn.Linear(2, 2)
    assert Fused.of(tiny.body) is None


def test_training_noise_is_the_same_however_microbatches_are_cut_and_absent_in_validation(tiny):
    stir(attach(tiny.module, rank=4, alpha=8, seed=0))
    examples = rendered(tiny, SYSTEM)
    row = measured(tiny, examples, "fused", noise=5.0, step=3)
    agree(row, measured(tiny, examples, "padded", noise=5.0, step=3))
    one_by_one = sum(measured(tiny, [e], "packed", noise=5.0, step=3)[0] for e in examples)
    assert row[0] == pytest.approx(one_by_one, rel=1e-5)
    quiet = measured(tiny, examples, "fused")[0]
    assert measured(tiny, examples, "fused", noise=5.0)[0] == quiet
    assert abs(row[0] - quiet) > 1e-3 * quiet
    assert measured(tiny, examples, "fused", noise=5.0, step=4)[0] != row[0]


def test_bfloat16_stays_near_float32(tiny_folder):
    losses = []
    for dtype in ("float32", "bfloat16"):
        model = LanguageModel(find_model(str(tiny_folder)), Device("cpu", "test", dtype, {dtype: 1.0}, 1 << 32))
        stir(attach(model.module, rank=4, alpha=8, seed=0))
        losses.append(measured(model, rendered(model, SYSTEM), "fused"))
    assert losses[1][0] == pytest.approx(losses[0][0], rel=0.02)
    cosine = torch.nn.functional.cosine_similarity(losses[0][1], losses[1][1], 0)
    assert cosine > 0.98
