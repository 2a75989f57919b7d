"""The body of a Llama-shaped decoder as one hand-written autograd function a layer: the same numbers, less memory and
traffic.

A layer keeps its input, rotated queries, keys and values, the attention's output and the two halves of the gated MLP,
and recomputes what is cheap (norms, SwiGLU); the low-rank updates of projections that share an input are multiplied
together; after its attention, the last layer computes only the positions that are asked for. Examples lie end to end in
one row, their shared beginning once: attention to it and to the example itself are computed apart and joined by their
log-sum-exp, as in ring attention (https://arxiv.org/abs/2310.01889), so no mask is ever built.

`Fused.of` says whether a model has this shape; the trainer also checks the numbers against the model's own code.

Shapes: N tokens, H hidden, F inner, O outputs, I inputs, R rank, D head size, Q and K query and key heads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from postgrad.models.adapters.lora import DoraLinear, LoraLinear
from postgrad.models.adapters.quantize import QuantizedLinear
from postgrad.models.faithful import window_of
from postgrad.models.fused.attention import Packing
from postgrad.models.fused.parts import Norm, Projections

BLOCK = 1024
"""Tokens of the MLP that are worked through at once: bounds what lives for a moment only."""
SHORT = 256
"""Tokens of an example up to which torch's backward pass of attention is faster in float32 than in bfloat16, by two to
four times on fifty to a hundred tokens: measured in `design/0004-training.md`."""
_flash: Any = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_flash_backward: Any = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


@dataclass(frozen=True)
class _Place:
    """What all layers of a pass share: angles of the rotation, the packing, and the positions wanted at the end."""

    cos: torch.Tensor
    sin: torch.Tensor
    packing: Packing


class _Layer:
    """One decoder layer over the modules of the model; it owns no weights."""

    def __init__(self, module: Any) -> None:
        attention, mlp = module.self_attn, module.mlp
        self.qkv = Projections([attention.q_proj, attention.k_proj, attention.v_proj])
        self.out = Projections([attention.o_proj])
        self.gate_up = Projections([mlp.gate_proj, mlp.up_proj])
        self.down = Projections([mlp.down_proj])
        self.first, self.second = Norm(module.input_layernorm), Norm(module.post_attention_layernorm)
        self.size = int(attention.head_dim)
        self.heads, self.key_heads = self.qkv.widths[0] // self.size, self.qkv.widths[1] // self.size
        self.scale = float(attention.scaling)
        norms = [n.weight for n in (self.first, self.second) if n.weight.requires_grad]
        groups = (self.qkv, self.out, self.gate_up, self.down)
        self.parameters: list[torch.Tensor] = [*norms, *(p for g in groups for p in g.parameters())]

    def forward(
        self, x: torch.Tensor, place: _Place, keep: torch.Tensor | None
    ) -> tuple[torch.Tensor, tuple[Any, ...]]:
        """Output, and what `backward` needs."""
        normed, inverse1 = self.first.forward(x)
        qkv = x.new_empty(len(x), sum(self.qkv.widths))
        low1 = self.qkv.forward(normed, qkv.split(self.qkv.widths, 1))
        self._rotate(qkv, place.cos, place.sin)
        attended, norms = self._attend(qkv, place.packing)
        seen, residual = (attended, x) if keep is None else (attended[keep], x[keep])
        middle = torch.empty_like(residual)
        low2 = self.out.forward(seen, [middle])
        middle += residual
        del normed
        inner = self.gate_up.widths[0]
        gate, up = x.new_empty(len(middle), inner), x.new_empty(len(middle), inner)
        result, inverse2 = torch.empty_like(middle), middle.new_empty(len(middle), 1, dtype=torch.float32)
        lows3, lows4 = [], []
        for part in _blocks(len(middle)):
            normed, inverse2[part] = self.second.forward(middle[part])
            lows3.append(self.gate_up.forward(normed, [gate[part], up[part]]))
            lows4.append(self.down.forward(functional.silu(gate[part]).mul_(up[part]), [result[part]]))
            result[part] += middle[part]
        return result, (
            x,
            inverse1,
            qkv,
            low1,
            attended,
            norms,
            low2,
            middle,
            inverse2,
            gate,
            up,
            _joined(lows3),
            _joined(lows4),
        )

    def backward(
        self, grad: torch.Tensor, kept: tuple[Any, ...], place: _Place, keep: torch.Tensor | None, needs_x: bool
    ) -> tuple[torch.Tensor | None, dict[int, torch.Tensor]]:
        """Gradients of the input and of the parameters."""
        x, inverse1, qkv, low1, attended, norms, low2, middle, inverse2, gate, up, low3, low4 = kept
        into: dict[int, torch.Tensor] = {}
        total = torch.empty_like(grad)
        for part in _blocks(len(middle)):
            g, u = gate[part], up[part]
            silu = functional.silu(g)
            d_act: Any = self.down.backward([grad[part]], silu * u, _rows(low4, part), into)
            d_up = silu.mul_(d_act)
            d_gate = torch.ops.aten.silu_backward(d_act.mul_(u), g)
            normed = self.second.again(middle[part], inverse2[part])
            d_normed: Any = self.gate_up.backward([d_gate, d_up], normed, _rows(low3, part), into)
            torch.add(grad[part], self.second.backward(d_normed, middle[part], inverse2[part], into), out=total[part])
        seen = attended if keep is None else attended[keep]
        d_seen: Any = self.out.backward([total], seen, low2, into)
        if keep is None:
            d_attended, residual = d_seen, total
        else:
            d_attended = torch.zeros_like(attended).index_copy_(0, keep, d_seen)
            residual = torch.zeros_like(x).index_copy_(0, keep, total) if needs_x else total
        d_qkv = self._attend_backward(d_attended, qkv, attended, norms, place.packing)
        self._rotate(d_qkv, place.cos, -place.sin)
        normed = self.first.again(x, inverse1)
        d_normed = self.qkv.backward(d_qkv.split(self.qkv.widths, 1), normed, low1, into, needs_x)
        if not needs_x:
            return None, into
        return self.first.backward(d_normed, x, inverse1, into).add_(residual), into

    def _rotate(self, qkv: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> None:
        """Rotary positions (https://arxiv.org/abs/2104.09864) on queries and keys, in place."""
        heads = self.heads + self.key_heads
        halves = qkv[:, : heads * self.size].view(len(qkv), heads, 2, self.size // 2)
        a, b = halves[:, :, 0], halves[:, :, 1]
        turned = a * sin
        a.mul_(cos).addcmul_(b, sin, value=-1)
        b.mul_(cos).add_(turned)

    def _heads(self, qkv: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Queries, keys and values as (1, heads, T, D); keys and values once for every query head."""
        q, k, v = (t.view(len(t), -1, self.size) for t in qkv.split(self.qkv.widths, 1))
        if (groups := self.heads // self.key_heads) > 1:
            k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
        return tuple(t.transpose(0, 1)[None] for t in (q, k, v))  # pyright: ignore[reportReturnType]

    def _attend(self, qkv: torch.Tensor, packing: Packing) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Attention of each example to the shared beginning and to itself: (N, Q·D), and the log-sum-exps."""
        q, k, v = self._heads(qkv)
        out = qkv.new_empty(len(qkv), self.heads * self.size)
        norms = []
        for begin, end in packing.parts:
            own = slice(begin, end)
            value, norm = _flash(q[:, :, own], k[:, :, own], v[:, :, own], 0.0, True, scale=self.scale)
            if begin and packing.shared:
                common = slice(0, packing.shared)
                other, other_norm = _flash(q[:, :, own], k[:, :, common], v[:, :, common], 0.0, False, scale=self.scale)
                both = torch.logaddexp(norm, other_norm)
                weight = (norm - both).exp_()[..., None]
                value = torch.lerp(other.float(), value.float(), weight).to(value.dtype)
                norm = both
            out[own] = value[0].transpose(0, 1).flatten(1)
            norms.append(norm)
        return out, norms

    def _attend_backward(
        self, grad: torch.Tensor, qkv: torch.Tensor, out: torch.Tensor, norms: Sequence[torch.Tensor], packing: Packing
    ) -> torch.Tensor:
        """Gradient of queries, keys and values, in one (N, …) tensor."""
        kind = qkv.dtype
        if max(end - begin for begin, end in packing.parts) <= SHORT:
            grad, qkv, out = grad.float(), qkv.float(), out.float()
        q, k, v = self._heads(qkv)
        d_q, d_k, d_v = (
            torch.zeros(t.shape[2], t.shape[1], self.size, dtype=qkv.dtype, device=qkv.device) for t in (q, k, v)
        )
        for (begin, end), norm in zip(packing.parts, norms, strict=True):
            own = slice(begin, end)
            g, o = (t[own].view(end - begin, self.heads, self.size).transpose(0, 1)[None] for t in (grad, out))
            spans = [(own, True)] + ([(slice(0, packing.shared), False)] if begin and packing.shared else [])
            for span, causal in spans:
                parts = _flash_backward(
                    g, q[:, :, own], k[:, :, span], v[:, :, span], o, norm, 0.0, causal, scale=self.scale
                )
                for total, where, part in zip((d_q, d_k, d_v), (own, span, span), parts, strict=True):
                    total[where] += part[0].transpose(0, 1)
        if (groups := self.heads // self.key_heads) > 1:
            d_k, d_v = (t.view(len(t), self.key_heads, groups, self.size).sum(2) for t in (d_k, d_v))
        return torch.cat([d_q.flatten(1), d_k.flatten(1), d_v.flatten(1)], 1).to(kind)


def _blocks(rows: int) -> list[slice]:
    return [slice(begin, min(rows, begin + BLOCK)) for begin in range(0, rows, BLOCK)]


def _joined(parts: list[Any]) -> torch.Tensor | None:
    return None if not parts or parts[0] is None else torch.cat(parts)


def _rows(low: torch.Tensor | None, part: slice) -> torch.Tensor | None:
    return None if low is None else low[part]


class _Pass(torch.autograd.Function):
    """A layer in autograd. The parameters are inputs so that autograd adds up their gradients."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        layer: _Layer,
        place: _Place,
        keep: torch.Tensor | None,
        recompute: bool,
        *_: torch.Tensor,
    ) -> torch.Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        result, kept = layer.forward(x, place, keep)
        ctx.layer, ctx.place, ctx.keep = layer, place, keep
        ctx.kept = (x,) if recompute else kept
        return result

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        kept = ctx.kept
        if len(kept) == 1:
            kept = ctx.layer.forward(kept[0], ctx.place, ctx.keep)[1]
        ctx.kept = None
        grad_x, into = ctx.layer.backward(grad.contiguous(), kept, ctx.place, ctx.keep, ctx.needs_input_grad[0])
        return grad_x, None, None, None, None, *(into.get(id(p)) for p in ctx.layer.parameters)


class Fused:
    """The body of a model, computed layer by layer by hand.

    Args:
        body: A decoder as transformers builds it, of the shape that `of` accepts.
        recompute: Keep only each layer's input and compute the layer again in the backward pass: a third more time, a
            fraction of the memory.
    """

    def __init__(self, body: Any, recompute: bool = False) -> None:
        self.body, self.recompute = body, recompute
        self.layers = [_Layer(m) for m in body.layers]
        self.norm = body.norm

    @staticmethod
    def of(body: nn.Module, recompute: bool = False) -> Fused | None:
        """The fused form of a body, or None where it has another shape."""
        return Fused(body, recompute) if llama_shaped(body) else None

    def __call__(
        self, embedded_NH: torch.Tensor, positions_N: torch.Tensor, packing: Packing, keep: torch.Tensor
    ) -> torch.Tensor:
        """Normed hidden states at the positions `keep` of a row of packed examples."""
        cos, sin = self.body.rotary_emb(embedded_NH[None], position_ids=positions_N[None])
        half = cos.shape[-1] // 2
        place = _Place(cos[0, :, None, :half].contiguous(), sin[0, :, None, :half].contiguous(), packing)
        x = embedded_NH
        for layer in self.layers:
            wanted = keep if layer is self.layers[-1] else None
            x = _Pass.apply(x, layer, place, wanted, self.recompute, *layer.parameters)
        return self.norm(x)


KNOWN = {"llama", "mistral", "qwen2", "seed_oss"}
"""Types of models whose layers are what is computed here, and nothing else: read in transformers' code, not guessed."""
KNOWN_WITH_HEAD_NORMS = KNOWN | {"qwen3"}


def llama_shaped(body: nn.Module, head_norms: bool = False) -> bool:
    """Whether all layers are: norm, grouped attention with rotary positions, norm, SwiGLU; nothing else.

    Modules alone do not tell: models multiply residuals, leave positions out of some layers or see a window, with the
    same modules. So the type must be a known one too, its code transformers' own, and no window shorter than the
    context.

    Args:
        head_norms: Norms of queries and keys by head (Qwen 3) may be there too.
    """
    config: Any = getattr(body, "config", None)
    if getattr(config, "model_type", "") not in (KNOWN_WITH_HEAD_NORMS if head_norms else KNOWN):
        return False
    if not type(body).__module__.startswith("transformers.models."):
        return False
    if (window := window_of(config)) and window < getattr(config, "max_position_embeddings", math.inf):
        return False
    if getattr(config, "hidden_act", "") != "silu" or not all(
        hasattr(body, n) for n in ("layers", "norm", "rotary_emb")
    ):
        return False
    if next(body.parameters()).device.type != "cpu":
        return False
    wanted = {"input_layernorm", "self_attn", "post_attention_layernorm", "mlp"}
    parts = {"q_proj", "k_proj", "v_proj", "o_proj"}, {"gate_proj", "up_proj", "down_proj"}
    beside = {"act_fn", "q_norm", "k_norm"} if head_norms else {"act_fn"}
    layers: Any = body.layers
    for layer in layers:
        if {n for n, _ in layer.named_children()} != wanted:
            return False
        inside = ({n for n, _ in m.named_children()} - beside for m in (layer.self_attn, layer.mlp))
        if tuple(inside) != parts or not hasattr(layer.input_layernorm, "variance_epsilon"):
            return False
        if not all(
            isinstance(m, nn.Linear | LoraLinear | QuantizedLinear) and not isinstance(m, DoraLinear)
            for h in (layer.self_attn, layer.mlp)
            for n, m in h.named_children()
            if n not in beside
        ):
            return False
    return True
