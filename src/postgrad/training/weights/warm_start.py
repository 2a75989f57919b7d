"""Training further: the weights that an earlier training left behind, put in place before the first step."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from postgrad.blobs import Blobs
from postgrad.errors import UsageError
from postgrad.models.adapters.lora import Adapter, DoraLinear, LoraLinear, scale_of
from postgrad.models.adapters.quantize import Bits
from postgrad.models.adapters.trained_weights import ScoringWeights, Trained, load_trained


def put_start(layers: Mapping[str, LoraLinear], start: str, alpha: float, rslora: bool, bits: Bits | None) -> None:
    """Sets adapter layers to an earlier adapter of the same shape.

    Args:
        start: Digest of the earlier weights.

    Raises:
        UsageError: they are no adapter, or one of another shape; names the setting.
    """
    adapter = _read(start)
    if not isinstance(adapter, Adapter):
        raise UsageError("The weights to continue from are full, not an adapter.", "Set training.method to full.")
    _refuse_other_shape(layers, adapter, alpha, rslora, bits)
    with torch.no_grad():
        for name, layer in layers.items():
            a, b = adapter.tensors[name]
            layer.lora_A.copy_(a)
            layer.lora_B.copy_(b)
            if isinstance(layer, DoraLinear):
                layer.magnitude.copy_(adapter.magnitudes[name])


def apply_start(module: torch.nn.Module, start: str) -> None:
    """Sets the weights of a model that is trained whole to those of an earlier training, adapter or whole.

    Raises:
        UsageError: they hold weights that are not trained now and would be lost.
    """
    trainable = {name: p for name, p in module.named_parameters() if p.requires_grad}
    with torch.no_grad():
        for name, weight in _read(start).weights(lambda n: module.get_parameter(n).detach().clone()):
            if name not in trainable:
                raise UsageError(
                    f"The weights to continue from contain {name!r}, which would not be trained and would be lost.",
                    "Set training.embeddings to true.",
                )
            trainable[name].copy_(weight)


def head_of_start(start: str, *, wanted: bool) -> torch.Tensor | None:
    """The head (H,) of an earlier reward model; None where the earlier weights are no reward model's.

    Raises:
        UsageError: they are, and a head is not `wanted`.
    """
    earlier = load_trained(Blobs().get_folder(start))
    if not isinstance(earlier, ScoringWeights):
        return None
    if not wanted:
        raise UsageError(
            "The weights to continue from are a reward model's: they say what an answer is worth, and were not"
            " trained to answer.",
            "Continue from another model (training.start), or train with --objective reward.",
        )
    return earlier.head


def _read(start: str) -> Trained:
    """The weights of the model itself, without a head."""
    earlier = load_trained(Blobs().get_folder(start))
    return earlier.body if isinstance(earlier, ScoringWeights) else earlier


def _refuse_other_shape(
    layers: Mapping[str, LoraLinear], adapter: Adapter, alpha: float, rslora: bool, bits: Bits | None
) -> None:
    rank = next(iter(layers.values())).lora_A.shape[0]
    dora = any(isinstance(layer, DoraLinear) for layer in layers.values())
    said = f"The adapter to continue from has rank {adapter.rank} and alpha {adapter.alpha:g}"
    if adapter.rank != rank or scale_of(adapter.rank, adapter.alpha, adapter.rslora) != scale_of(rank, alpha, rslora):
        raise UsageError(
            f"{said}; {rank} and {alpha:g} were requested.",
            f"Set training.rank to {adapter.rank}, training.alpha to {adapter.alpha:g} and training.rslora to"
            f" {str(adapter.rslora).lower()}.",
        )
    if bool(adapter.magnitudes) != dora or adapter.bits != bits:
        method = "dora" if adapter.magnitudes else "qlora" if adapter.bits else "lora"
        mend = f"Set training.method to {method}" + (f" and training.bits to {adapter.bits}." if adapter.bits else ".")
        raise UsageError("The adapter to continue from was trained with another method.", mend)
    if set(adapter.tensors) != set(layers):
        ends = ",".join(sorted({name.rsplit(".", 1)[-1] for name in adapter.tensors}))
        raise UsageError("The adapter to continue from is on other layers.", f"Set training.targets to {ends}.")
