"""Models of other architectures are trained, asked, scored and saved as their own code does it, or refused by name.

The truth is transformers' own eager code, one example at a time. Rows that stand for a peculiarity run always; all of
them with `make conformance`, which also writes the table of docs/models.md.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from postgrad.errors import UsageError
from postgrad.models.adapters.lora import attach, detach, taken
from postgrad.models.base_models import find_model
from postgrad.models.device import Device
from postgrad.models.fused.decoder import decoder_of
from postgrad.models.generation.generate import Decoding, complete
from postgrad.models.generation.incremental import answer
from postgrad.models.generation.kv_cache import keeps_right
from postgrad.models.generation.likelihood import ChoiceItem, log_likelihoods
from postgrad.models.generation.pace import Pace
from postgrad.models.language_model import LanguageModel
from postgrad.models.rendering.render import Rendered
from postgrad.training.forward import Forward
from tests.models.architectures import ARCHITECTURES, Architecture

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
FLOAT32 = Device("cpu", "test", "float32", {"float32": 1.0}, 1 << 34)
TELLING = {
    "Llama 2 and 3",
    "Llama 4 (text)",
    "Mistral 0.1 (window)",
    "Qwen 3",
    "Qwen 3 MoE",
    "Qwen 3.5",
    "Gemma 2",
    "Gemma 3",
    "SmolLM3",
    "Granite hybrid",
    "BLOOM",
    "gpt-oss",
    "DeepSeek V3",
    "LFM 2",
    "Mamba",
    "Falcon H1",
    "GPT-2",
}
EVERYTHING = bool(os.environ.get("POSTGRAD_CONFORMANCE"))
ROWS = [a for a in ARCHITECTURES if EVERYTHING or a.name in TELLING]
WORDS = {"fused": "hand-written layers", "packed": "own code, shared rows", "padded": "own code, padded"}


def sequences(lengths=(19, 33, 9, 118, 24)):
    """Examples that share a beginning, one of them longer than any window; their last tokens are learned."""
    drawn = torch.Generator().manual_seed(0)
    common = torch.randint(3, 419, (12,), generator=drawn).tolist()
    rows = [tuple(common + torch.randint(3, 419, (n,), generator=drawn).tolist()) for n in lengths]
    return [Rendered(r, (0.0,) * (len(r) - 6) + (1.0,) * 6) for r in rows]


def eager(folder):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()


def loss_of(module, examples):
    total = torch.zeros(())
    for e in examples:
        logprobs = torch.log_softmax(module(torch.tensor([e.ids])).logits[0].float(), -1)
        total = total - sum(logprobs[t - 1, e.ids[t]] * w for t, w in enumerate(e.weights) if w)
    return total


def slopes(module, loss):
    module.zero_grad()
    loss.backward()
    return torch.cat(
        [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in module.parameters() if p.requires_grad]
    )


def off(ours, theirs):
    return float((ours - theirs).norm() / theirs.norm())


def stirred(layers, seed=1):
    drawn = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in layers.values():
            layer.lora_B.copy_(torch.randn(layer.lora_B.shape, generator=drawn) * 0.1)
    return layers


def trained_right(model, module, examples):
    """The way that is taken for the examples, whose loss and gradient are those of the plain code."""
    forward = Forward(model)
    forward.choose(examples)
    truth = loss_of(module, examples)
    loss = forward.loss(examples)
    assert loss.item() == pytest.approx(truth.item(), rel=1e-5)
    assert off(slopes(model.module, loss), slopes(module, truth)) < 1e-4
    return forward.way


def greedy(module, ids, count, ends):
    """Token by token, everything read again each time."""
    out, total = list(ids), 0.0
    for _ in range(count):
        logprobs = torch.log_softmax(module(torch.tensor([out]), use_cache=False).logits[0, -1].float(), -1)
        out.append(int(logprobs.argmax()))
        total += float(logprobs[out[-1]])
        if out[-1] in ends:
            break
    return out[len(ids) :], total


@torch.no_grad()
def asked_right(model, module, examples):
    """Answers and log-likelihoods are those of the plain code; gives how they come about."""
    prompts = [list(e.ids[: 8 + 3 * i]) for i, e in enumerate(examples)] + [list(examples[3].ids)]
    ends = model.renderer.end_ids
    seen = dict(complete(model, prompts, Decoding(max_new_tokens=7)))
    for index, prompt in enumerate(prompts):
        ids, total = greedy(module, prompt, 7, ends)
        assert seen[index].text == model.renderer.answer_text(ids), index
        assert seen[index].logprob == pytest.approx(total, abs=2e-3), index
        *_, ((last,)) = answer(model, prompt, Decoding(max_new_tokens=7), pace=Pace(least=13, most=13))
        assert last.done is not None and last.done.text == seen[index].text, "read in parts, it answers alike"
        assert last.done.logprob == pytest.approx(total, abs=2e-3), index
    items = [ChoiceItem(e.ids[:-4], (e.ids[-4:-2], e.ids[-4:])) for e in examples]
    for index, (short, long) in log_likelihoods(model, items):
        e = examples[index]
        logprobs = torch.log_softmax(module(torch.tensor([e.ids])).logits[0].float(), -1)
        each = [float(logprobs[t - 1, e.ids[t]]) for t in range(len(e.ids) - 4, len(e.ids))]
        assert (short, long) == (pytest.approx(sum(each[:2]), abs=2e-3), pytest.approx(sum(each), abs=2e-3))
    if decoder_of(model) is not None:
        return "hand-written layers"
    return "own code" if keeps_right(model) else "own code, everything read again for every token"


def saved_right(model, module, folder, adapter):
    """PEFT reads the adapter's files and gives the logits that the swapped weights give here."""
    from peft import PeftModel

    folder.mkdir()
    adapter.save(folder, "base")
    model.use(adapter)
    ids = torch.randint(3, 419, (1, 40), generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        ours = model.head(model.body(input_ids=ids, use_cache=False)[0])
        theirs = PeftModel.from_pretrained(module, str(folder)).eval()(input_ids=ids, use_cache=False).logits
    model.use(None)
    assert off(ours, theirs) < 1e-4


def row_of(architecture: Architecture, folder: Path, methods=("lora",)) -> dict[str, str]:
    """What happens with an architecture; an assertion fails where numbers are wrong."""
    architecture.build(folder)
    model, module, examples = LanguageModel(find_model(str(folder)), FLOAT32), eager(folder), sequences()
    ids = torch.tensor([examples[3].ids])
    with torch.no_grad():
        assert off(model.head(model.body(input_ids=ids, use_cache=False)[0]), module(ids).logits) < 1e-5
    row = {"answers": asked_right(model, module, examples)}
    for m in (model.module, module):
        m.requires_grad_(True)
    row["full"] = WORDS[trained_right(model, module, examples)]
    for m in (model.module, module):
        m.requires_grad_(False)
    try:
        layers = stirred(attach(model.module, rank=4, alpha=8, seed=0))
    except UsageError as error:
        return {**row, "lora": f"refused: {error.args[0]}"}
    other = stirred(attach(module, rank=4, alpha=8, seed=0))
    row["lora"] = WORDS[trained_right(model, module, examples)]
    adapter = taken(layers, 8, model=model.module)
    detach(model.module, layers)
    detach(module, other)
    saved_right(model, module, folder / "adapter", adapter)
    return row


@pytest.mark.parametrize("architecture", ROWS, ids=lambda a: a.name)
def test_an_architecture_is_computed_as_its_own_code_does(tmp_path, architecture):
    row = row_of(architecture, tmp_path / "model")
    written = f"| {architecture.name} | {row['full']} | {row['lora']} | {row['answers']} |"
    if EVERYTHING:
        _write(architecture.name, written)
    assert written in PAGE.read_text("utf-8").splitlines()


def test_every_architecture_stands_in_the_table():
    rows = [x for x in PAGE.read_text("utf-8").splitlines() if x.startswith("| ")][1:]
    assert [row.split(" | ")[0][2:] for row in rows] == [a.name for a in ARCHITECTURES]


def _write(name: str, row: str) -> None:
    """Puts a row into the table of the page, in the order of the architectures."""
    lines = PAGE.read_text("utf-8").splitlines()
    begin = lines.index("|---|---|---|---|") + 1
    known = {x.split(" | ")[0][2:]: x for x in lines[begin:]} | {name: row}
    rows = [known[a.name] for a in ARCHITECTURES if a.name in known]
    PAGE.write_text("\n".join([*lines[:begin], *rows]) + "\n", "utf-8")
