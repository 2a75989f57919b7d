"""Small real things that many tests share: a home of their own, a tiny model with a real tokenizer, the shared data
sets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parent.parent

settings.register_profile("postgrad", deadline=None)  # beside other work a call may take any time
settings.load_profile("postgrad")

LONGEST = (
    "serving/test_guides",
    "hostile/test_interrupts",
    "hostile/test_servers",
    "hostile/test_models",
    "cli/test_bad_input",
    "evaluation/battery/test_harness",
    "workflows/test_main_job",
    "cli/test_commands",
    "serving/test_job_runs",
    "models/test_conformance",
    "export/test_gate",
    "export/test_engines",
    "workflows/test_delivery",
    "training/test_memory",
    "training/test_training",
)
"""Files that take a minute and more: they begin first, so that no process is left alone with one at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, all else in the order in which it was found."""
    places = {f"tests/{name}.py": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(places)))


_first_failure: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keeps the first thing that went wrong, which thousands of lines after it may hide."""
    if report.failed and not _first_failure:
        _first_failure.append(f"{report.nodeid} ({report.when})\n{report.longreprtext[-4000:]}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Says it last."""
    if _first_failure and not hasattr(config, "workerinput"):
        print(f"\nThe first failure: {_first_failure[0]}")


CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{%"
    " endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
CORPUS = [
    "The Haven sofa arrived with a broken leg, order FH-12345.",
    '{"intent":"damaged","priority":"high","order":null}',
    "Wo ist meine Bestellung? Ça va très bien. Where is it?",
    "### Request: user assistant system tool\n\n[INST] [/INST] <start_of_turn> model",
    "0 1 2 3 4 5 6 7 8 9 true false yes no maybe",
]


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    """Every test has a state folder of its own."""
    monkeypatch.setenv("POSTGRAD_HOME", str(tmp_path / "home"))
    for name in (
        "DATABASE_URL",
        "POSTGRAD_STORE",
        "POSTGRAD_API_KEY",
        "POSTGRAD_WEBHOOK_URL",
        "POSTGRAD_WEBHOOK_SECRET",
    ):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


def write_tokenizer(
    folder: Path, template: str | None, special: list[str], bos: str | None, eos: str, pad: str | None = None
) -> None:
    """A byte-level BPE tokenizer, trained on a few lines, in the files that models have."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS * 3, trainer)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": eos, "clean_up_tokenization_spaces": False}
    if bos:
        config["bos_token"] = bos
    if pad:
        config["pad_token"] = pad
    if template:
        config["chat_template"] = template
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def write_model(folder: Path, layers: int = 2, hidden: int = 32, seed: int = 0, context: int = 512) -> Path:
    """A tiny Llama-shaped model with random weights and a ChatML tokenizer whose pad token is its end token."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    write_tokenizer(
        folder, CHATML, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], "<|im_start|>", "<|im_end|>", "<|im_end|>"
    )
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=420,
        hidden_size=hidden,
        intermediate_size=hidden * 2,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():  # larger weights than usual, so that wrong masks and positions show in the numbers
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(6)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory) -> Path:
    return write_model(tmp_path_factory.mktemp("tiny") / "tiny")


@pytest.fixture
def tiny(tiny_folder):
    """A tiny model in float32, fresh for each test."""
    from postgrad.models.base_models import find_model
    from postgrad.models.device import Device
    from postgrad.models.language_model import LanguageModel

    return LanguageModel(find_model(str(tiny_folder)), Device("cpu", "test", "float32", {"float32": 1.0}, 1 << 32))


@pytest.fixture(scope="session")
def postgres_server():
    """The address of a PostgreSQL server that may be written to."""
    from tests.postgres import private_server

    with private_server() as server:
        yield server
