"""What is trained: each method gives weights that, put into the model, answer as they did in training; PEFT agrees."""

import pytest
import torch
from pydantic import ValidationError

from postgrad.errors import TrainingError, UsageError
from postgrad.models.adapters.lora import attach, detach, taken
from postgrad.models.adapters.quantize import QuantizedLinear
from postgrad.models.adapters.trained_weights import WholeWeights, load_trained
from postgrad.models.base_models import find_model
from postgrad.models.device import Device
from postgrad.models.language_model import LanguageModel
from postgrad.progress import finished
from postgrad.training.forward import Forward
from postgrad.training.methods import METHODS, MethodSettings, attached
from postgrad.training.objectives import make_objective
from postgrad.training.objectives.replay import Replayed, WithReplay
from postgrad.training.trainer import Plan, train
from postgrad.training_run import RunFolder
from tests.needs import dev_package
from tests.training.test_training import RECORDS, gradients, stir


def examples_of(model, count=6):
    return make_objective("sft", model.renderer).prepare(RECORDS[:count]).examples


def loss_of(model, examples):
    with torch.no_grad():
        forward = Forward(model)
        forward.choose(examples)
        return forward.loss(examples).item()


def trained_by(model, folder, replay=(), **plan):
    settings = {"rank": 4, "alpha": 8, "epochs": 2, "batch_size": 4, "learning_rate": 5e-3, **plan}
    work = train(
        model, RECORDS[:18], RECORDS[18:], Plan(**settings), RunFolder(folder), {"d": "x"}, lambda: False, replay
    )
    return finished(work)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_what_is_kept_answers_as_what_was_trained(tiny, tmp_path, method):
    """Train, save, load, use: the same validation loss as in training, and then the base again, to the bit."""
    examples = examples_of(tiny, 24)[18:]
    before = loss_of(tiny, examples)
    outcome = trained_by(tiny, tmp_path / "run", method=method, learning_rate=1e-3 if method == "full" else 5e-3)
    best = min(v for _, v in outcome.part.validation_loss)
    assert outcome.part.method == method and outcome.part.validation_loss[0][1] != best
    assert loss_of(tiny, examples) == before, "the model is the base again"
    (tmp_path / "kept").mkdir()
    outcome.trained.save(tmp_path / "kept", "tiny")
    tiny.use(load_trained(tmp_path / "kept"), "t")
    weight = sum(sum(e.weights) for e in examples)
    assert loss_of(tiny, examples) / weight == pytest.approx(best, rel=1e-4)
    tiny.use(None)
    assert loss_of(tiny, examples) == before


@pytest.mark.parametrize("bits", [None, "int8"])
def test_in_lower_precision_it_is_computed_as_it_was_trained_to_the_bit(tiny_folder, bits):
    """The update is smaller than the weights' rounding: put into them, it would be lost."""
    half = Device("cpu", "test", "bfloat16", {"bfloat16": 1.0}, 1 << 32)
    model = LanguageModel(find_model(str(tiny_folder)), half)
    ids = torch.tensor([examples_of(model)[0].ids])
    with torch.no_grad():
        base = model.module(ids).logits
        layers = attach(model.module, rank=4, alpha=8, seed=0, bits=bits)
        stir(layers)
        for layer in layers.values():
            layer.lora_B.mul_(0.05)
        as_trained, adapter = model.module(ids).logits, taken(layers, 8, bits=bits)
        detach(model.module, layers)
        model.read_again()
        model.use(adapter, "x")
        assert torch.equal(model.module(ids).logits, as_trained) and not torch.equal(as_trained, base)
        assert model.parameters == sum(p.numel() for p in LanguageModel(model.base, half).module.parameters())
        model.use(adapter, "y")
        assert torch.equal(model.module(ids).logits, as_trained)
        model.use(None)
        assert torch.equal(model.module(ids).logits, base)


@pytest.mark.parametrize("options", [{"use_dora": True}, {"use_rslora": True}, {}])
def test_peft_computes_the_same(tiny, tiny_folder, tmp_path, options):
    peft = dev_package("peft")
    from transformers import AutoModelForCausalLM

    dora, rslora = bool(options.get("use_dora")), bool(options.get("use_rslora"))
    layers = attach(tiny.module, rank=4, alpha=8, seed=0, dora=dora, rslora=rslora)
    stir(layers)
    if dora:
        with torch.no_grad():
            for layer in layers.values():
                layer.magnitude.mul_(1.3)
    ids = torch.tensor([examples_of(tiny)[0].ids])
    ours = tiny.module(ids).logits
    adapter = taken(layers, 8, rslora)
    adapter.save(tmp_path, str(tiny_folder))
    theirs = peft.PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_folder), tmp_path)(ids).logits
    assert torch.allclose(ours, theirs, atol=1e-3, rtol=1e-3)
    detach(tiny.module, layers)
    tiny.use(load_trained(tmp_path), "x")
    assert torch.allclose(tiny.module(ids).logits, theirs, atol=1e-3, rtol=1e-3)


def test_packed_weights_are_small_and_near(tiny):
    base = tiny.module.model.layers[0].mlp.up_proj
    packed = QuantizedLinear(base, "int8")
    assert packed.packed.element_size() * packed.packed.numel() * 4 == base.weight.numel() * 4
    assert torch.allclose(packed.weight, base.weight, atol=(base.weight.abs().amax() / 127).item())


def test_four_bits_through_bitsandbytes(tiny, tmp_path):
    dev_package("bitsandbytes")
    outcome = trained_by(tiny, tmp_path, method="qlora", bits="nf4")
    assert outcome.trained.bits == "nf4"
    assert outcome.part.validation_loss[-1][1] < outcome.part.train_loss[0][1]


def test_eight_bit_moments_learn_like_adamw(tiny, tmp_path):
    dev_package("bitsandbytes")
    eight = trained_by(tiny, tmp_path / "eight", optimizer="adamw8bit").part.validation_loss
    full = trained_by(tiny, tmp_path / "full", optimizer="adamw").part.validation_loss
    assert eight[-1][1] < eight[0][1] and eight[-1][1] == pytest.approx(full[-1][1], abs=0.1)


class Hiding:
    """A finder of the import system that does not see one package, as if it were not installed."""

    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] == "bitsandbytes" else self.finder.find_spec(name, path, target)


@pytest.mark.parametrize("options", [{"method": "qlora", "bits": "nf4"}, {"optimizer": "adamw8bit"}])
def test_without_bitsandbytes_it_is_named_in_words(tiny, tmp_path, monkeypatch, options):
    import sys

    for name in [n for n in sys.modules if n.partition(".")[0] == "bitsandbytes"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Hiding(finder) for finder in sys.meta_path])
    with pytest.raises(UsageError, match="bitsandbytes"):
        trained_by(tiny, tmp_path, **options)


@pytest.mark.parametrize("targets", ["q_projection", ""])
def test_unknown_targets_are_named(tiny, tmp_path, targets):
    with pytest.raises(UsageError, match="No linear layer is called") as caught:
        trained_by(tiny, tmp_path, targets=targets)
    assert "q_proj" in (caught.value.mend or "")


def test_rank_zero_is_refused(tiny, tmp_path):
    with pytest.raises(UsageError, match="rank 0"):
        attach(tiny.module, rank=0, alpha=8, seed=0)
    with pytest.raises(ValidationError, match="rank"):
        trained_by(tiny, tmp_path, rank=0)


def test_only_the_named_layers_are_trained(tiny):
    with attached(tiny, MethodSettings(rank=4, targets="q_proj,v_proj")):
        names = {n.rsplit(".", 2)[-2] for n, p in tiny.module.named_parameters() if p.requires_grad}
    assert names == {"q_proj", "v_proj"}


def test_full_training_leaves_embeddings_alone_unless_asked(tiny):
    for wanted in (False, True):
        with attached(tiny, MethodSettings(method="full", embeddings=wanted)):
            assert tiny.module.get_input_embeddings().weight.requires_grad is wanted
            assert tiny.module.model.norm.weight.requires_grad


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_interrupted_full_training_goes_on_to_the_same_weights(tiny, tmp_path, optimizer):
    """Whole weights, with each optimiser's own state."""
    from postgrad.errors import Interrupted

    plan = {"method": "full", "learning_rate": 1e-3, "optimizer": optimizer}
    whole = trained_by(tiny, tmp_path / "whole", **plan).trained.tensors
    asked = iter([False] * 4 + [True] * 100)
    settings = {"rank": 4, "alpha": 8, "epochs": 2, "batch_size": 4, **plan}
    with pytest.raises(Interrupted):
        finished(
            train(
                tiny,
                RECORDS[:18],
                RECORDS[18:],
                Plan(**settings),
                RunFolder(tmp_path / "p"),
                {"d": "x"},
                lambda: next(asked),
            )
        )
    again = trained_by(tiny, tmp_path / "p", **plan).trained.tensors
    assert all(torch.equal(whole[n], again[n]) for n in whole)


def test_a_blend_lies_on_the_line_between_base_and_trained(tiny):
    with torch.no_grad():
        changed = {n: p.detach() + 0.1 for n, p in tiny.module.named_parameters() if "mlp" in n}
        base = {n: tiny.module.get_parameter(n).detach().clone() for n in changed}
    tiny.use(WholeWeights(changed).blended(0.5).blended(0.5))
    for name, value in base.items():
        assert torch.allclose(tiny.module.get_parameter(name), value + 0.025, atol=1e-6)
    layers = attach(tiny.module, rank=4, alpha=8, seed=0)
    stir(layers)
    adapter = taken(layers, 8)
    whole = dict(
        adapter.weights(
            lambda n: torch.zeros(
                adapter.tensors[n.removesuffix(".weight")][1].shape[0],
                adapter.tensors[n.removesuffix(".weight")][0].shape[1],
            )
        )
    )
    half = dict(adapter.blended(0.5).weights(lambda n: torch.zeros_like(whole[n])))
    assert all(torch.allclose(half[n] * 2, whole[n], atol=1e-6) for n in whole)


def test_a_blend_is_chosen_and_said(tiny, tmp_path):
    outcome = trained_by(tiny, tmp_path, blend=True, epochs=4)
    assert "Blend" in outcome.part.in_words
    with pytest.raises(UsageError, match="DoRA"):
        trained_by(tiny, tmp_path / "dora", blend=True, method="dora")


def test_the_divergence_is_autograds(tiny):
    """KL(base ‖ model) and its gradient, against the plain formula on whole logits."""
    layers = attach(tiny.module, rank=4, alpha=8, seed=0)
    stir(layers)
    examples = [Replayed(e.ids, e.weights) for e in examples_of(tiny, 4)]
    with_replay = WithReplay(make_objective("sft", tiny.renderer), _Attached(layers), 0.7)
    forward = Forward(tiny)
    forward.choose(examples)
    loss = with_replay.loss(forward, examples)
    loss.backward()
    ours = gradients(tiny.module)
    tiny.module.zero_grad()
    plain = torch.zeros((), dtype=torch.float64)
    for e in examples:
        ids, places = torch.tensor([e.ids]), [t - 1 for t, w in enumerate(e.weights) if w]
        now = torch.log_softmax(tiny.module(ids).logits[0, places], -1)
        with torch.no_grad(), _Attached(layers).as_base():
            base = torch.log_softmax(tiny.module(ids).logits[0, places], -1)
        plain = plain + 0.7 * (base.exp() * (base - now)).sum().double()
    plain.backward()
    assert loss.item() == pytest.approx(plain.item(), rel=1e-4) and loss.item() > 0.1
    assert torch.allclose(ours, gradients(tiny.module), atol=1e-4, rtol=1e-3)


def _Attached(layers):
    from postgrad.training.methods import Attached

    return Attached(lambda: taken(layers, 8), layers)


def test_replay_is_mixed_counted_and_needs_a_base_for_its_divergence(tiny, tmp_path):
    outcome = trained_by(tiny, tmp_path / "a", replay=RECORDS[18:22], replay_share=0.25)
    assert outcome.part.examples == 24, "18 of the task and 6 general ones"
    trained_by(tiny, tmp_path / "b", replay=RECORDS[18:22], replay_share=0.25, replay_divergence=1.0)
    with pytest.raises(TrainingError, match="divergence"):
        trained_by(tiny, tmp_path / "c", replay=RECORDS[18:22], replay_divergence=1.0, method="full")
