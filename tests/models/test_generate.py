"""Generation equals the plain way of doing it, whatever the batching, the shared beginning, or the adapter."""

import math

import pytest
import torch

from postgrad.models.adapters.lora import attach, detach, load_adapter, put, taken
from postgrad.models.base_models import find_model
from postgrad.models.device import Device
from postgrad.models.fused.decoder import FusedDecoder, decoder_of
from postgrad.models.fused.parts import can_pack
from postgrad.models.generation import generate
from postgrad.models.generation.generate import Begun, Decoding, choose, complete, shared_beginning
from postgrad.models.generation.likelihood import ChoiceItem, log_likelihoods
from postgrad.models.language_model import LanguageModel
from postgrad.records import Message
from tests.needs import dev_package


def prompts_of(model, count=7, system="You sort the mail of a furniture company. Be brief."):
    questions = [
        "Where?",
        "My sofa is broken and I am cross",
        "0 1 2 3",
        "Wo ist meine Bestellung? " * 3,
        "a",
        "yes no maybe",
        "Haven",
    ]
    return [model.renderer.prompt_ids([Message("system", system), Message("user", q)]) for q in questions[:count]]


def greedy(model, ids, count):
    out = model.module.generate(
        torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids), dtype=torch.long),
        max_new_tokens=count,
        do_sample=False,
    )
    return out[0][len(ids) :].tolist()


def test_batched_with_shared_beginning_equals_one_by_one(tiny):
    prompts = prompts_of(tiny)
    assert shared_beginning(prompts) > 8
    decoding = Decoding(12)
    together = dict(complete(tiny, prompts, decoding, max_rows=3))
    for i, prompt in enumerate(prompts):
        ids = greedy(tiny, prompt, 12)
        assert together[i].text == tiny.renderer.answer_text(ids)
        assert together[i].prompt_tokens == len(prompt)
        assert together[i].finish == ("stop" if any(t in tiny.renderer.end_ids for t in ids) else "length")


def test_the_token_budget_bounds_a_batch_and_changes_nothing(tiny):
    prompts = prompts_of(tiny)
    wide = dict(complete(tiny, prompts, Decoding(8)))
    narrow = dict(complete(tiny, prompts, Decoding(8), token_budget=1))
    assert {i: c.text for i, c in wide.items()} == {i: c.text for i, c in narrow.items()}


def test_log_probability_is_that_of_the_answer(tiny):
    prompt = prompts_of(tiny, 1)[0]
    completion = next(iter(complete(tiny, [prompt], Decoding(6))))[1]
    ids = greedy(tiny, prompt, 6)[: completion.completion_tokens]
    assert completion.logprob == pytest.approx(reference(tiny, prompt, ids), abs=1e-3)


def reference(model, context, continuation):
    logits = model.module(torch.tensor([[*context, *continuation]])).logits[0].double()
    logprobs = torch.log_softmax(logits, -1)
    return sum(logprobs[len(context) - 1 + k, t].item() for k, t in enumerate(continuation))


def test_choices_are_scored_as_if_alone(tiny):
    contexts = [tuple(p) for p in prompts_of(tiny)]
    items = [ChoiceItem(c, ((5, 6, 7), (9,), (11, 12))) for c in contexts]
    got = dict(log_likelihoods(tiny, items, token_budget=200))
    for i, item in enumerate(items):
        assert got[i] == pytest.approx([reference(tiny, item.context, c) for c in item.choices], abs=1e-3)


def test_sampling_follows_the_seed(tiny):
    prompt = prompts_of(tiny, 1)

    def sample(seed):
        return next(iter(complete(tiny, prompt, Decoding(16, temperature=1.5, top_p=0.95, seed=seed))))[1].text

    assert sample(1) == sample(1)
    assert len({sample(s) for s in range(4)}) > 1


@pytest.fixture
def adapter(tiny):
    layers = attach(tiny.module, rank=4, alpha=8, seed=1)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for layer in layers.values():
            layer.lora_B.normal_(0, 0.2, generator=generator)
    out = taken(layers, 8)
    detach(tiny.module, layers)
    return out


def test_merged_answers_as_attached_and_is_restored_exactly(tiny, adapter):
    ids = torch.tensor([prompts_of(tiny, 1)[0]])
    before = tiny.module(ids).logits
    layers = attach(tiny.module, rank=4, alpha=8, seed=9)
    put(layers, adapter)
    attached = tiny.module(ids).logits
    detach(tiny.module, layers)
    for _ in range(3):
        tiny.use(adapter, "a")
        merged = tiny.module(ids).logits
        tiny.use(None)
    assert torch.allclose(attached, merged, atol=1e-4)
    assert not torch.allclose(before, merged, atol=1e-2), "the adapter does something"
    assert torch.equal(before, tiny.module(ids).logits), "no drift, to the bit"


def test_the_saved_adapter_is_pefts(tiny, tiny_folder, adapter, tmp_path):
    peft = dev_package("peft")
    from transformers import AutoModelForCausalLM

    adapter.save(tmp_path, str(tiny_folder))
    theirs = peft.PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_folder), str(tmp_path))
    ids = torch.tensor([prompts_of(tiny, 1)[0]])
    tiny.use(load_adapter(tmp_path), "a")
    assert torch.allclose(theirs(ids).logits, tiny.module(ids).logits, atol=1e-4)


def test_a_beginning_that_was_read_before_gives_the_same_answers_and_is_not_read_again(tiny, monkeypatch):
    shared, begun, read = list(range(3, 43)), Begun(), []
    prompts = [[*shared, 50 + i, 60] for i in range(6)]
    expected = {i: c.text for i, c in complete(tiny, prompts, Decoding(8))}
    real = FusedDecoder.begin
    monkeypatch.setattr(FusedDecoder, "begin", lambda self, ids: read.append(len(ids)) or real(self, ids))
    for part in (prompts[:3], prompts[3:], prompts):
        asked = [prompts.index(p) for p in part]
        assert {asked[i]: c.text for i, c in complete(tiny, part, Decoding(8), begun=begun)}.items() <= expected.items()
    assert read == [40]


def test_beginnings_that_are_kept_stay_within_their_memory(tiny, monkeypatch):
    decoder, begun = decoder_of(tiny), Begun()
    monkeypatch.setattr(generate, "BEGUN_BYTES", 100 * decoder.token_bytes)
    for first in range(3, 8):
        begun.read(tiny, list(range(first, first + 40)))
    assert [key[0] for key in begun._kept] == [6, 7]


@pytest.mark.parametrize("rows", [1, 2, 7, 8, 9, 20, 65])
def test_packed_weights_give_the_same_products(tiny, rows):
    plain, packed = decoder_of(tiny), decoder_of(tiny)
    assert packed.pack()
    with torch.inference_mode():
        for one, other in zip(plain.groups, packed.groups, strict=True):
            x = torch.randn(rows, one.bases[0].in_features)
            expected = torch.cat([base(x) for base in one.bases], 1)
            torch.testing.assert_close(one.product(x), expected, rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(other.product(x), expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(packed.logits(torch.ones(rows, 32)), tiny.head(torch.ones(rows, 32)))


def test_packed_weights_have_the_adapters_that_are_attached(tiny):
    plain = decoder_of(tiny)
    layers = attach(tiny.module, rank=2, alpha=2, seed=1)
    for layer in layers.values():
        torch.nn.init.normal_(layer.lora_B)
    packed = decoder_of(tiny)
    if not packed.pack():
        pytest.skip("this processor packs no weights")
    with torch.inference_mode():
        x = torch.randn(3, 32)
        for ours, theirs, bare in zip(packed.groups, decoder_of(tiny).groups, plain.groups, strict=True):
            if ours.bases[0].in_features == 32:
                torch.testing.assert_close(ours.product(x), theirs.product(x), rtol=1e-4, atol=1e-4)
                assert not torch.allclose(ours.product(x), bare.product(x), atol=1e-2)
    detach(tiny.module, layers)


def test_weights_are_not_packed_where_memory_is_short(tiny, monkeypatch):
    monkeypatch.setattr("postgrad.models.fused.decoder.room_for", lambda kind: 1000)
    assert not decoder_of(tiny).pack()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_weights_of_any_kind_are_packed_where_that_works_and_left_alone_where_not(tiny_folder, dtype):
    model = LanguageModel(find_model(str(tiny_folder)), Device("cpu", "test", dtype, {dtype: 1.0}, 1 << 32))
    decoder = decoder_of(model)
    if decoder is None:
        pytest.skip(f"the hand-written layers do not agree in {dtype} on this processor")
    packed = decoder.pack()
    assert packed == can_pack(model.module.get_input_embeddings().weight) and (packed or dtype != "float32")
    with torch.inference_mode():
        x = torch.randn(3, 32).to(decoder.like.dtype)
        group = decoder.groups[0]
        expected = torch.cat([base(x) for base in group.bases], 1)
        torch.testing.assert_close(group.product(x), expected, rtol=2e-2, atol=2e-2)


def test_rows_with_chances_of_their_own_are_drawn_by_the_probabilities_and_alone():
    """Of 4,000 draws each token's share is within four standard errors; a row draws the same beside others."""
    torch.manual_seed(0)
    logits, decoding = 2 * torch.randn(3, 7), Decoding(temperature=0.8, top_p=0.9)
    logits[:, 2] = -math.inf  # never drawn
    wanted = torch.softmax(logits / 0.8, -1)
    ordered, places = wanted.sort(descending=True)
    ordered[ordered.cumsum(-1) - ordered > 0.9] = 0
    wanted = torch.zeros_like(wanted).scatter_(1, places, ordered)
    wanted /= wanted.sum(-1, keepdim=True)
    own, shared = ([torch.Generator().manual_seed(i) for i in range(3)] for _ in range(2))
    counts, draws = torch.zeros(3, 7), 4000
    for _ in range(draws):
        drawn = choose(logits, decoding, torch.Generator(), own)
        counts[range(3), drawn] += 1
        assert int(choose(logits[1:2], decoding, torch.Generator(), shared[1:2])[0]) == drawn[1]
    error = (wanted * (1 - wanted) / draws).sqrt()
    assert bool(((counts / draws - wanted).abs() <= 4 * error + 1e-9).all())
