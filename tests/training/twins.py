"""A model of TRL's that is to be ours: the same adapters in PEFT."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from postgrad.models.adapters.lora import LoraLinear


def matched(model: torch.nn.Module, layers: Mapping[str, LoraLinear]) -> Iterator[tuple[Any, LoraLinear]]:
    """PEFT's layers beside ours of the same name.

    Raises:
        KeyError: one of ours has none.
    """
    theirs = {name.removeprefix("base_model.model."): module for name, module in model.named_modules()}
    for name, layer in layers.items():
        yield theirs[name], layer


def give(model: torch.nn.Module, layers: Mapping[str, LoraLinear]) -> None:
    """Copies our adapters into PEFT's."""
    with torch.no_grad():
        for theirs, layer in matched(model, layers):
            theirs.lora_A["default"].weight.copy_(layer.lora_A)
            theirs.lora_B["default"].weight.copy_(layer.lora_B)
