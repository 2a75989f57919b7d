"""Forward and backward of a decoder's parts by hand: linear layers that share an input, and root-mean-square norms.

Gradients of parameters are added into a dictionary by the parameter's id; `fused` puts the parts together.

Shapes: N tokens, H hidden, O outputs, I inputs, R rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from postgrad.models.adapters.lora import LoraLinear

FEW_ROWS = 64
"""Packed weights are used up to so many rows; beyond them plain ones are as fast."""
VERY_FEW_ROWS = 8
"""Up to so many rows the weights are multiplied with them, not they with the weights: twice as fast in float32."""


def can_pack(like: torch.Tensor) -> bool:
    """Whether this processor multiplies packed weights of that kind: bfloat16 ones by its own units alone."""
    if not torch.backends.mkldnn.is_available() or like.device.type != "cpu":
        return False
    if like.dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return like.dtype == torch.float32


class Projections:
    """Linear layers that share an input; with LoRA, their A matrices are multiplied as one."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        self.layers = layers
        self.bases: list[Any] = [m.base if isinstance(m, LoraLinear) else m for m in layers]
        self.loras: list[Any] = [m if isinstance(m, LoraLinear) else None for m in layers]
        self.widths = [int(b.out_features) for b in self.bases]
        self.adapted = [m for m in self.loras if m is not None]
        self._packed: torch.Tensor | None = None
        self._bias: torch.Tensor | None = None

    def pack(self) -> None:
        """Lays the weights out a second time, as few rows at once are multiplied fastest; they must not change
        afterwards. Adapters that are attached stay as they are."""
        weights = [b.weight for b in self.bases]
        whole = torch.cat(weights) if len(weights) > 1 else weights[0]
        if any(b.bias is not None for b in self.bases):
            self._bias = torch.cat([whole.new_zeros(b.out_features) if b.bias is None else b.bias for b in self.bases])
        self._packed = torch.ops.mkldnn._reorder_linear_weight(whole, FEW_ROWS)

    def product(self, x_NI: torch.Tensor) -> torch.Tensor:
        """The products side by side, (N, ΣO)."""
        if self._packed is not None and len(x_NI) <= FEW_ROWS:
            out = torch.ops.mkldnn._linear_pointwise(x_NI, self._packed, self._bias, "none", [], "")
            self._adapt(x_NI, out.split(self.widths, 1))
            return out
        out = x_NI.new_empty(len(x_NI), sum(self.widths))
        self.forward(x_NI, out.split(self.widths, 1))
        return out

    def parameters(self) -> list[nn.Parameter]:
        return [p for m in self.layers for p in m.parameters() if p.requires_grad]

    def forward(self, x_NI: torch.Tensor, outs: Sequence[torch.Tensor]) -> torch.Tensor | None:
        """Writes each product into `outs`; returns x Aᵀ of all adapted layers side by side, (N, ΣR)."""
        turned = 1 < len(x_NI) <= VERY_FEW_ROWS and x_NI.dtype == torch.float32
        for base, out in zip(self.bases, outs, strict=True):
            if base.bias is None and turned:
                out.copy_((base.weight @ x_NI.t()).t())
            elif base.bias is None:
                torch.mm(x_NI, base.weight.t(), out=out)
            else:
                torch.addmm(base.bias, x_NI, base.weight.t(), out=out)
        return self._adapt(x_NI, outs)

    def _adapt(self, x_NI: torch.Tensor, outs: Sequence[torch.Tensor]) -> torch.Tensor | None:
        """Adds what attached adapters do to the products; returns x Aᵀ of all of them side by side."""
        if not self.adapted or not self.adapted[0].on:
            return None
        low_NR = x_NI @ self._a(x_NI.dtype).t()
        for lora, out, low in self._spread(outs, low_NR):
            out.addmm_(low, lora.lora_B.t().to(x_NI.dtype), alpha=lora.scale)
        return low_NR

    def backward(
        self,
        grads: Sequence[torch.Tensor],
        x_NI: torch.Tensor,
        low_NR: torch.Tensor | None,
        into: dict[int, torch.Tensor],
        needs_x: bool = True,
    ) -> torch.Tensor | None:
        """Adds the parameters' gradients to `into` (by id) and returns that of the input."""
        back_NR = None
        if low_NR is not None:
            back_NR = torch.empty_like(low_NR)
            for (lora, grad, low), (_, _, back) in zip(
                self._spread(grads, low_NR), self._spread(grads, back_NR), strict=True
            ):
                torch.mm(grad, lora.lora_B.to(grad.dtype), out=back)
                back.mul_(lora.scale)
                _add_whole(into, lora.lora_B, (low.t() @ grad).t(), lora.scale)
            grad_a = back_NR.t() @ x_NI
            for lora, _, part in self._spread(grads, grad_a.t()):
                _add_whole(into, lora.lora_A, part.t())
        for base, grad in zip(self.bases, grads, strict=True):
            if base.weight.requires_grad:
                _add(into, base.weight, grad.t(), x_NI, 1.0)
            if base.bias is not None and base.bias.requires_grad:
                _add_whole(into, base.bias, grad.sum(0))
        if not needs_x:
            return None
        grad_x = torch.mm(grads[0], self.bases[0].weight)
        for base, grad in zip(self.bases[1:], grads[1:], strict=True):
            grad_x.addmm_(grad, base.weight)
        if back_NR is not None:
            grad_x.addmm_(back_NR, self._a(x_NI.dtype))
        return grad_x

    def _a(self, dtype: torch.dtype) -> torch.Tensor:
        if len(self.adapted) == 1:
            return self.adapted[0].lora_A.to(dtype)
        return torch.cat([m.lora_A for m in self.adapted]).to(dtype)

    def _spread(
        self, wide: Sequence[torch.Tensor], low_NR: torch.Tensor
    ) -> list[tuple[Any, torch.Tensor, torch.Tensor]]:
        """(adapter, its wide tensor, its columns of the low-rank one)."""
        out, begin = [], 0
        for lora, tensor in zip(self.loras, wide, strict=True):
            if lora is not None:
                rank = lora.lora_A.shape[0]
                out.append((lora, tensor, low_NR[:, begin : begin + rank]))
                begin += rank
        return out


def _add(
    into: dict[int, torch.Tensor], parameter: torch.Tensor, left: torch.Tensor, right: torch.Tensor, scale: float
) -> None:
    """Adds scale · left @ right to the parameter's gradient."""
    if (known := into.get(id(parameter))) is None:
        into[id(parameter)] = (left @ right).mul_(scale).to(parameter.dtype)
    elif known.dtype == left.dtype:
        known.addmm_(left, right, alpha=scale)
    else:
        known.add_((left @ right).to(known.dtype), alpha=scale)


def _add_whole(into: dict[int, torch.Tensor], parameter: torch.Tensor, value: torch.Tensor, scale: float = 1.0) -> None:
    if (known := into.get(id(parameter))) is None:
        into[id(parameter)] = torch.mul(value, scale).to(parameter.dtype)
    else:
        known.add_(value, alpha=scale)


class Norm:
    """Root-mean-square norm (https://arxiv.org/abs/1910.07467), worked out in float32."""

    def __init__(self, module: Any) -> None:
        self.weight, self.eps = module.weight, float(module.variance_epsilon)

    def forward(self, x_NH: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Normed x, and the inverse root mean square of each row, (N, 1) float32."""
        size = torch.linalg.vector_norm(x_NH, dim=1, keepdim=True, dtype=torch.float32)
        inverse = size.square_().div_(x_NH.shape[1]).add_(self.eps).rsqrt_()
        return self.again(x_NH, inverse), inverse

    def again(self, x_NH: torch.Tensor, inverse: torch.Tensor) -> torch.Tensor:
        if x_NH.dtype == torch.float32:
            return (x_NH * inverse).mul_(self.weight)
        return (x_NH * inverse).to(x_NH.dtype).mul_(self.weight)

    def backward(
        self, grad_NH: torch.Tensor, x_NH: torch.Tensor, inverse: torch.Tensor, into: dict[int, torch.Tensor]
    ) -> torch.Tensor:
        """Gradient of x; `grad_NH` is used up."""
        if self.weight.requires_grad:
            _add_whole(into, self.weight, (grad_NH * (x_NH * inverse)).sum(0))
        grad_NH.mul_(self.weight)
        dot = torch.bmm(grad_NH[:, None], x_NH[:, :, None])[:, :, 0].float()
        share = dot.mul_(inverse.pow(3)).div_(-x_NH.shape[1])
        return grad_NH.mul_(inverse).addcmul_(x_NH, share.to(x_NH.dtype))
