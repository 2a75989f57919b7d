"""Frozen linear layers whose weights are kept in few bits and unpacked for each product (QLoRA,
https://arxiv.org/abs/2305.14314).

`int8`: one scale a row, plain torch, any device. `nf4`: 4-bit normal floats in blocks of 64, through bitsandbytes.

Shapes: O outputs, I inputs.
"""

from __future__ import annotations

import importlib.util
from typing import Any, Literal

import torch
from torch import nn

from postgrad.errors import UsageError

Bits = Literal["int8", "nf4"]


def usual_bits(device: str) -> Bits:
    """What is usual on a device: 4 bits on a GPU, 8 on a CPU."""
    return "nf4" if device == "cuda" else "int8"


class QuantizedLinear(nn.Module):
    """A frozen linear layer; `weight` is unpacked at each use and never kept.

    Args:
        base: The layer to pack; its own weight may be freed afterwards.
        bits: The format.

    Raises:
        UsageError: nf4 without bitsandbytes.
    """

    def __init__(self, base: nn.Linear, bits: Bits) -> None:
        super().__init__()
        self.in_features, self.out_features, self.bits = base.in_features, base.out_features, bits
        self.bias, self.dtype = base.bias, base.weight.dtype
        weight = base.weight.detach()
        self.packed: torch.Tensor
        self.state: Any
        if bits == "int8":
            scale_O1 = weight.float().abs().amax(1, keepdim=True).clamp_min(1e-12) / 127
            self.register_buffer("packed", (weight.float() / scale_O1).round_().to(torch.int8))
            self.state = scale_O1.to(self.dtype)
        else:
            packed, self.state = _bitsandbytes().quantize_4bit(weight, blocksize=64, quant_type="nf4")
            self.register_buffer("packed", packed)

    @property
    def weight(self) -> torch.Tensor:
        """The weight (O, I) that is computed with, in the model's precision."""
        if self.bits == "int8":
            return self.packed.to(self.dtype).mul_(self.state)
        return _bitsandbytes().dequantize_4bit(self.packed, self.state).to(self.dtype)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(x, self.weight, self.bias)


def rounded(weight: torch.Tensor, bits: Bits) -> torch.Tensor:
    """The weight as it is after packing and unpacking."""
    layer = nn.Linear(1, 1, bias=False)
    layer.weight = nn.Parameter(weight, requires_grad=False)
    return QuantizedLinear(layer, bits).weight


def _bitsandbytes() -> Any:
    if importlib.util.find_spec("bitsandbytes") is None:
        raise UsageError(
            "4-bit base weights require the package bitsandbytes.", "pip install 'postgrad[gpu]', or use --bits int8."
        )
    return importlib.import_module("bitsandbytes.functional")
