"""Attention for models whose queries share keys and values in groups, without copying the keys for every query head.

transformers' `sdpa` repeats keys and values to the number of query heads whenever a mask is given, which on a CPU costs
more than the rest of a decoding step together. Here a single query of each group member is treated as a row of its own.

Shapes: B rows, H query heads, K key heads, T queries, S keys, D head size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

NAME = "postgrad_grouped"


@dataclass(frozen=True)
class Packing:
    """Examples laid end to end in one row, their shared beginning once at its start.

    Attributes:
        shared: Tokens of the shared beginning.
        ends: Where each example's own part ends in the row; the first begins at `shared`.
    """

    shared: int
    ends: tuple[int, ...]

    @property
    def parts(self) -> tuple[tuple[int, int], ...]:
        """(begin, end) in the row: of the shared beginning if there is one, then of each example's own part."""
        begins = (0, self.shared) if self.shared else (0,)
        return tuple(zip((*begins, *self.ends[:-1]), (*begins[1:], *self.ends), strict=True))


def _packed(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float | None, packing: Packing
) -> torch.Tensor:
    """Causal attention of each example to the shared beginning and itself, never to another example."""
    gqa = query.shape[1] != key.shape[1]
    shared, start, parts = packing.shared, packing.shared, []
    if shared:
        first = slice(0, shared)
        parts.append(
            scaled_dot_product_attention(
                query[:, :, first], key[:, :, first], value[:, :, first], is_causal=True, scale=scale, enable_gqa=gqa
            )
        )
    for end in packing.ends:
        own = slice(start, end)
        q, k, v = query[:, :, own], key[:, :, own], value[:, :, own]
        if shared:
            k, v = torch.cat([key[:, :, :shared], k], 2), torch.cat([value[:, :, :shared], v], 2)
            mask = torch.ones(end - start, shared + end - start, dtype=torch.bool, device=q.device).tril(shared)
            parts.append(scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale, enable_gqa=gqa))
        else:
            parts.append(scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale, enable_gqa=gqa))
        start = end
    return torch.cat(parts, 2)


def grouped_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    packing: Packing | None = None,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """transformers' attention interface: query (B, H, T, D), key and value (B, K, S, D) → (B, T, H, D)."""
    if packing is not None:
        return _packed(query, key, value, scaling, packing).transpose(1, 2).contiguous(), None
    rows, heads, queries, size = query.shape
    groups = heads // key.shape[1]
    if queries == 1 and groups > 1:
        grouped = query.view(rows, key.shape[1], groups, size)
        mask = None if attention_mask is None else attention_mask.expand(rows, 1, groups, key.shape[2])
        out = scaled_dot_product_attention(grouped, key, value, attn_mask=mask, scale=scaling).view(
            rows, heads, 1, size
        )
    else:
        causal = (
            attention_mask is None
            and queries > 1
            and (getattr(module, "is_causal", True) if is_causal is None else is_causal)
        )
        out = scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=attention_mask,
            dropout_p=dropout,
            is_causal=causal,
            scale=scaling,
            enable_gqa=groups > 1,
        )
    return out.transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, grouped_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
