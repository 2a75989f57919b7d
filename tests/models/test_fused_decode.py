"""The hand-written decoder gives the tokens of the model's own code, for every model that it takes on, and takes on no
other."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import transformers

from postgrad.models.adapters.lora import attach, detach, taken
from postgrad.models.base_models import find_model
from postgrad.models.device import Device
from postgrad.models.fused.decoder import decoder_of
from postgrad.models.generation.decoding import Decoding, DecodingRow
from postgrad.models.generation.generate import complete, decode, remark, shared_beginning
from postgrad.models.generation.likelihood import ChoiceItem, log_likelihoods
from postgrad.models.language_model import LanguageModel
from tests.conftest import write_model
from tests.models.test_generate import greedy, prompts_of, reference

TINY = {
    "vocab_size": 420,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 512,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
}
TAKEN_ON = {
    "llama": {"num_key_value_heads": 2},
    "mistral": {"num_key_value_heads": 1, "sliding_window": None},
    "qwen2": {"num_key_value_heads": 2},
    "qwen3": {"num_key_value_heads": 4, "head_dim": 16},
}
LEFT_ALONE = {
    "granite": {"num_key_value_heads": 2, "residual_multiplier": 0.3, "embedding_multiplier": 4.0},
    "gemma2": {"num_key_value_heads": 2, "head_dim": 8},
    "gpt_neox": {},
    "mistral": {"num_key_value_heads": 2, "sliding_window": 16},
}


def model_of(folder: Path, kind: str, settings: dict) -> LanguageModel:
    """A tiny model of some architecture, with random weights and a real tokenizer."""
    write_model(folder)
    torch.manual_seed(1)
    config = transformers.AutoConfig.for_model(kind, **TINY, **settings)
    built = transformers.AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.mul_(6) if parameter.dim() > 1 else parameter.add_(torch.randn_like(parameter) / 10)
    built.save_pretrained(folder)
    return LanguageModel(find_model(str(folder)), Device("cpu", "test", "float32", {"float32": 1.0}, 1 << 32))


def answers(model, prompts, new=12, **settings):
    return {i: c.text for i, c in complete(model, prompts, Decoding(new), **settings)}


def expected(model, prompts, new=12):
    return {i: model.renderer.answer_text(greedy(model, p, new)) for i, p in enumerate(prompts)}


@pytest.mark.parametrize("kind", TAKEN_ON)
def test_answers_are_those_of_the_models_own_code(kind, tmp_path):
    model = model_of(tmp_path / kind, kind, TAKEN_ON[kind])
    assert decoder_of(model) is not None and remark(model) is None
    prompts = prompts_of(model)
    assert answers(model, prompts) == expected(model, prompts)


@pytest.mark.parametrize("kind", LEFT_ALONE)
def test_other_models_answer_by_their_own_code_which_is_said_once(kind, tmp_path):
    model = model_of(tmp_path / kind, kind, LEFT_ALONE[kind])
    assert decoder_of(model) is None
    assert "own code" in (remark(model) or "") and remark(model) is None
    prompts = prompts_of(model)
    assert answers(model, prompts) == expected(model, prompts)
    items = [ChoiceItem(tuple(p), ((5, 6, 7), (9,))) for p in prompts]
    for i, scores in log_likelihoods(model, items):
        assert scores == pytest.approx([reference(model, prompts[i], c) for c in items[i].choices], abs=1e-3)


def test_company_does_not_change_an_answer(tiny):
    prompts = prompts_of(tiny) * 3
    together = answers(tiny, prompts)
    assert together == expected(tiny, prompts)
    assert together == answers(tiny, prompts, max_rows=1) == answers(tiny, prompts, max_rows=5)
    stranger = [*prompts, tiny.renderer.encode("### Request: 0 1 2 3")]
    assert shared_beginning(prompts) > 0 == shared_beginning(stranger)
    assert together.items() <= answers(tiny, stranger, max_rows=4).items()


def test_swapped_weights_are_seen(tiny):
    prompts = prompts_of(tiny)
    layers = attach(tiny.module, rank=4, alpha=8, seed=1)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for layer in layers.values():
            layer.lora_B.normal_(0, 0.2, generator=generator)
    attached = answers(tiny, prompts)
    assert decoder_of(tiny) is not None and attached == expected(tiny, prompts)
    adapter = taken(layers, 8)
    detach(tiny.module, layers)
    before = answers(tiny, prompts)
    assert before == expected(tiny, prompts) != attached
    tiny.use(adapter, "a")
    assert answers(tiny, prompts) == expected(tiny, prompts) == attached
    tiny.use(None)
    assert answers(tiny, prompts) == before


def test_an_answer_left_standing_goes_on_with_its_own_weights(tiny):
    """As the server does: another model's turn between two tokens."""
    prompt = prompts_of(tiny)[1]
    alone = answers(tiny, [prompt])[0]
    layers = attach(tiny.module, rank=4, alpha=8, seed=1)
    with torch.no_grad():
        for layer in layers.values():
            layer.lora_B.normal_(0, 0.2)
    adapter = taken(layers, 8)
    detach(tiny.module, layers)
    row = DecodingRow(0, prompt)
    for _ in decode(tiny, [row], None, 0, Decoding(12)):
        tiny.use(adapter, "other")
        assert answers(tiny, [prompt])[0] != alone
        tiny.use(None)
    assert tiny.renderer.answer_text(row.ids) == alone


def test_stop_texts_and_limits_hold_for_every_row(tiny):
    prompts = prompts_of(tiny)
    whole = answers(tiny, prompts, 20)
    stop = whole[1][3:5]
    for i, c in complete(tiny, prompts, Decoding(20, stop=(stop,)), max_rows=2):
        assert c.text == whole[i].split(stop)[0]
        assert c.completion_tokens <= 20
    assert all(c.completion_tokens == 1 for _, c in complete(tiny, prompts, Decoding(1)))


def test_a_stop_is_heeded_between_tokens(tiny):
    asked = 0

    def stopped():
        nonlocal asked
        asked += 1
        return asked > 3

    assert len(list(complete(tiny, prompts_of(tiny) * 4, Decoding(50), max_rows=2, stopped=stopped))) < 4
    assert asked == 4


def test_seconds_of_all_answers_add_up_to_the_time_spent(tiny):
    start = time.perf_counter()
    done = [c for _, c in complete(tiny, prompts_of(tiny) * 4, Decoding(12))]
    spent = time.perf_counter() - start
    assert 0.2 * spent < sum(c.seconds for c in done) <= spent
    assert all(c.seconds > 0 for c in done)


def test_a_long_beginning_is_shared_exactly(tiny):
    prompts = prompts_of(tiny, system="Where is my order? " * 30)
    assert shared_beginning(prompts) > 150
    assert answers(tiny, prompts, max_rows=3) == expected(tiny, prompts)


MEMORY = """
import sys
from postgrad.models.generation.decoding import Decoding, DecodingRow
from postgrad.models.device import Device, peak_memory
from postgrad.models.generation.generate import complete
from postgrad.models.language_model import LanguageModel
from postgrad.models.base_models import find_model

model = LanguageModel(find_model(sys.argv[1]), Device("cpu", "test", "float32", {"float32": 1.0}, 1 << 32))
for count in (16, 64, 512):
    prompts = [[5 + i % 7, *range(6, 6 + 100 + i % 90)] for i in range(count)]
    print(sum(1 for _ in complete(model, prompts, Decoding(6))), peak_memory("cpu"))
"""


def test_memory_does_not_grow_with_the_number_of_prompts(tmp_path):
    folder = write_model(tmp_path / "wide", layers=4, hidden=128)
    source = str(Path(__file__).parents[2] / "src")
    run = subprocess.run(
        [sys.executable, "-c", MEMORY, str(folder)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"},
    )
    (_, _), (_, few), (count, many) = (map(int, line.split()) for line in run.stdout.splitlines())
    assert count == 512
    assert many - few < 16 << 20
