"""Small registered models that leave the house in tests: an adapter, a DoRA adapter, whole weights, on any
architecture, with an instruction, questions and documents of their own."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from postgrad.blobs import Blobs
from postgrad.evaluation.retrieval import Passage, store_passages
from postgrad.models.adapters.lora import attach, detach, taken
from postgrad.models.adapters.trained_weights import Trained, WholeWeights
from postgrad.models.base_models import find_model
from postgrad.models.device import Device
from postgrad.models.language_model import LanguageModel
from postgrad.models.rendering.render import load_renderer
from postgrad.records import Conversation, Message
from postgrad.registry import Catalogue, ModelEntry
from postgrad.steps.delivery.questions import keep_questions

FLOAT32 = Device("cpu", "test", "float32", {"float32": 1.0}, 1 << 34)
INSTRUCTION = "Answer with one word. Be brief."


def stirred_adapter(folder: Path, strength: float = 0.3, seed: int = 1, dora: bool = False) -> Trained:
    """An adapter on a base that moves it clearly."""
    module = LanguageModel(find_model(str(folder)), FLOAT32).module
    layers = attach(module, rank=4, alpha=8, seed=seed, dora=dora)
    drawn = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in layers.values():
            layer.lora_B.copy_(torch.randn(layer.lora_B.shape, generator=drawn) * strength)
    adapter = taken(layers, 8, model=module)
    detach(module, layers)
    return adapter


def whole_weights(folder: Path, seed: int = 1) -> WholeWeights:
    """All weights of a base, moved."""
    module = LanguageModel(find_model(str(folder)), FLOAT32).module
    drawn = torch.Generator().manual_seed(seed)
    moved = {
        n: (p + torch.randn(p.shape, generator=drawn) * 0.2 * p.std()).detach()
        for n, p in module.named_parameters()
        if p.dim() > 1
    }
    return WholeWeights(moved)


def test_part() -> list[Conversation]:
    """Requests with answers."""
    asked = [f"Where is order {n}? I need it {'soon ' * (n % 4)}." for n in range(12)]
    return [Conversation(messages=(Message("user", a), Message("assistant", "here"))) for a in asked]


def register(
    base: Path, trained: Trained, name: str = "mine", instruction: str | None = INSTRUCTION, passages: int = 0
) -> ModelEntry:
    """Puts what was trained into the registry of the test's home."""
    blobs = Blobs()
    found = find_model(str(base))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        trained.save(folder, found.name)
        if passages:
            texts = ["Orders come by van.", "The lamp is green and costs ten.", "Parcels are sent on Monday."]
            store_passages([Passage(text, f"d{i}.txt") for i, text in enumerate(texts)], folder)
        blob = blobs.put_folder(folder)
    return Catalogue().add(
        name=name,
        base=str(base),
        base_hash=found.hash,
        method="lora",
        blob=blob,
        template=load_renderer(found).fingerprint,
        data_hash="sha256:d",
        report=None,
        details={
            "system_prompt": instruction,
            "passages": passages,
            "probes": keep_questions(blobs, test_part()),
            "dtype": "float32",
        },
    )
