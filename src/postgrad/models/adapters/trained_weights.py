"""What a training leaves behind, whatever its method: an adapter, or whole weights, and on either a reward model's
head. Saved, loaded, and applied alike.

Shapes are the model's own; H hidden.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import torch

from postgrad.errors import ModelError, NoAnswersError, UsageError
from postgrad.models.adapters.lora import SCORE_KEY, Adapter, load_adapter
from postgrad.models.adapters.scalar_head import SCORE

WEIGHTS = "changed_weights.safetensors"


class Trained(Protocol):
    """Weights that differ from the base's."""

    def weights(self, original: Callable[[str], torch.Tensor]) -> Iterator[tuple[str, torch.Tensor]]:
        """(parameter name, new weight in float32) for every changed weight; `original` gives the base's."""
        ...

    def blended(self, share: float) -> Trained:
        """Weights on the line between the base's (0) and these (1)."""
        ...

    def save(self, folder: Path, base_name: str) -> None:
        """Writes safetensors files from which `load_trained` gives the same."""
        ...


@dataclass(frozen=True)
class WholeWeights:
    """The changed weights of a full fine-tuning, float32, on the CPU.

    Attributes:
        tensors: By parameter name.
        share: How much of the way from the base's weights is gone.
    """

    tensors: Mapping[str, torch.Tensor]
    share: float = 1.0

    def weights(self, original: Callable[[str], torch.Tensor]) -> Iterator[tuple[str, torch.Tensor]]:
        for name, tensor in self.tensors.items():
            base = original(name)
            new = tensor.to(base.device)
            yield name, new if self.share == 1.0 else torch.lerp(base.float(), new, self.share)

    def blended(self, share: float) -> WholeWeights:
        return WholeWeights(self.tensors, self.share * share)

    def save(self, folder: Path, base_name: str) -> None:
        from safetensors.torch import save

        tensors = {n: t.contiguous() for n, t in self.tensors.items()}
        note = {"format": "pt", "base": base_name, "share": repr(self.share)}
        (folder / WEIGHTS).write_bytes(save(tensors, metadata=note))


@dataclass(frozen=True)
class ScoringWeights:
    """A reward model's: the weights that it computes hidden states with, and the head that makes a number of them.

    It has no answers, so it is never put in the place of a model that answers: `weights` refuses. Who asks it for
    rewards (models/reward_model.py) takes the two parts.

    Attributes:
        body: What was trained of the model.
        head: Weight of the head, (H,), float32, on the CPU.
    """

    body: WholeWeights | Adapter
    head: torch.Tensor

    def weights(self, original: Callable[[str], torch.Tensor]) -> Iterator[tuple[str, torch.Tensor]]:
        """Raises NoAnswersError."""
        raise NoAnswersError

    def blended(self, share: float) -> ScoringWeights:
        """Raises UsageError: the head reads the trained hidden states and no others."""
        raise UsageError("A reward model cannot be blended with its base.", "Leave training.blend off.")

    def save(self, folder: Path, base_name: str) -> None:
        """An adapter and its head make PEFT's adapter of a model for sequence classification with one label."""
        if isinstance(self.body, WholeWeights):
            replace(self.body, tensors={**self.body.tensors, f"{SCORE}.weight": self.head[None]}).save(
                folder, base_name
            )
            return
        from safetensors.torch import load_file, save

        self.body.save(folder, base_name)
        path, about = folder / "adapter_model.safetensors", folder / "adapter_config.json"
        tensors = {**load_file(str(path)), SCORE_KEY: self.head[None].contiguous()}
        path.write_bytes(save(tensors, metadata={"format": "pt"}))
        config = json.loads(about.read_text("utf-8")) | {"task_type": "SEQ_CLS", "modules_to_save": [SCORE]}
        about.write_text(json.dumps(config, indent=1), "utf-8")


def load_trained(folder: Path) -> Trained:
    """Reads what `save` wrote, or a LoRA adapter that PEFT wrote.

    Raises:
        ModelError: the folder holds neither.
    """
    from safetensors import safe_open

    if (folder / WEIGHTS).exists():
        with safe_open(str(folder / WEIGHTS), "pt") as file:  # pyright: ignore[reportUnknownVariableType]
            share = float((file.metadata() or {}).get("share", "1.0"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        head = tensors.pop(f"{SCORE}.weight", None)
        return WholeWeights(tensors, share) if head is None else ScoringWeights(WholeWeights(tensors, share), head[0])
    if not (folder / "adapter_config.json").exists() or not (folder / "adapter_model.safetensors").exists():
        raise ModelError(
            f"{str(folder)!r} holds no trained weights.",
            "An adapter folder has adapter_config.json and adapter_model.safetensors.",
        )
    adapter = load_adapter(folder)
    with safe_open(str(folder / "adapter_model.safetensors"), "pt") as file:  # pyright: ignore[reportUnknownVariableType]
        head = file.get_tensor(SCORE_KEY).float() if SCORE_KEY in file.keys() else None  # noqa: SIM118
    if head is None:
        return adapter
    if len(head) != 1:
        raise ModelError(
            f"The adapter in {str(folder)!r} sorts into {len(head)} classes; a reward model gives one number.",
            "Take one that was trained with num_labels=1.",
        )
    return ScoringWeights(adapter, head[0])
