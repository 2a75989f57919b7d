"""What a training leaves behind, whatever its method: an adapter, or whole weights. Saved, loaded, and applied alike.

Shapes are the model's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from postgrad.errors import ModelError
from postgrad.models.adapters.lora import load_adapter

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


def load_trained(folder: Path) -> Trained:
    """Reads what `save` wrote, or a LoRA adapter that PEFT wrote.

    Raises:
        ModelError: the folder holds neither.
    """
    if (folder / WEIGHTS).exists():
        from safetensors import safe_open

        with safe_open(str(folder / WEIGHTS), "pt") as file:  # pyright: ignore[reportUnknownVariableType]
            share = float((file.metadata() or {}).get("share", "1.0"))
            return WholeWeights({name: file.get_tensor(name) for name in file.keys()}, share)  # noqa: SIM118
    if not (folder / "adapter_config.json").exists() or not (folder / "adapter_model.safetensors").exists():
        raise ModelError(
            f"{str(folder)!r} holds no trained weights.",
            "An adapter folder has adapter_config.json and adapter_model.safetensors.",
        )
    return load_adapter(folder)
