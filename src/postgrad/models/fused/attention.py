"""Attention for models whose queries share keys and values in groups, without copying the keys for every query head.

transformers' `sdpa` repeats keys and values to the number of query heads whenever a mask is given, which on a CPU costs
more than the rest of a decoding step together. Here a single query of each group member is treated as a row of its own.

What a model asks of its attention and this code does not compute (soft caps, sinks, biases of position) is an error,
never left out: the model is then computed by transformers' own attention (`models/faithful`).

Shapes: B rows, H query heads, K key heads, T queries, S keys, D head size.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch.nn.functional import scaled_dot_product_attention

from postgrad.errors import ModelError

NAME = "postgrad_grouped"
HARMLESS = frozenset(
    {
        "cache_position",
        "num_items_in_batch",
        "output_attentions",
        "output_hidden_states",
        "output_router_logits",
        "position_embeddings",
        "position_ids",
        "return_dict",
        "use_cache",
    }
)
"""What models pass on to their attention that changes no number of it."""


class UnknownAttentionError(ModelError):
    """A model asks something of its attention that is not computed here."""


@dataclass(frozen=True)
class Packing:
    """Examples laid end to end in one row, their shared beginning once at its start.

    Attributes:
        shared: Tokens of the shared beginning.
        ends: Where each example's own part ends in the row; the first begins at `shared`.
        passes: The attention modules that have heeded it, in the order of their calls.
    """

    shared: int
    ends: tuple[int, ...]
    passes: list[object] = field(default_factory=list, compare=False, repr=False)

    @property
    def parts(self) -> tuple[tuple[int, int], ...]:
        """(begin, end) in the row: of the shared beginning if there is one, then of each example's own part."""
        begins = (0, self.shared) if self.shared else (0,)
        return tuple(zip((*begins, *self.ends[:-1]), (*begins[1:], *self.ends), strict=True))


def _packed(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    scale: float | None,
    packing: Packing,
    window: int | None,
) -> torch.Tensor:
    """Causal attention of each example to the shared beginning and itself, never to another example; to the last
    `window` tokens alone where there is one."""
    gqa = query.shape[1] != key.shape[1]
    parts = []
    for begin, end in packing.parts:
        own, before = slice(begin, end), packing.shared if begin else 0
        q, k, v = query[:, :, own], key[:, :, own], value[:, :, own]
        if before:
            k, v = torch.cat([key[:, :, :before], k], 2), torch.cat([value[:, :, :before], v], 2)
        if before or (window and end - begin > window):
            mask = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool, device=q.device).tril(before)
            if window:
                mask = mask.triu(before - window + 1)
            parts.append(scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale, enable_gqa=gqa))
        else:
            parts.append(scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale, enable_gqa=gqa))
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
    sliding_window: int | None = None,
    **others: object,
) -> tuple[torch.Tensor, None]:
    """transformers' attention interface: query (B, H, T, D), key and value (B, K, S, D) → (B, T, H, D).

    Args:
        sliding_window: Tokens that a query sees; the mask says so too, except with `packing`.

    Raises:
        UnknownAttentionError: the model passes something that is not computed here.
    """
    if asked := sorted(n for n, given in others.items() if given is not None and n not in HARMLESS):
        raise UnknownAttentionError(f"{type(module).__name__} asks its attention for {', '.join(asked)}.")
    if packing is not None:
        packing.passes.append(module)
        return _packed(query, key, value, scaling, packing, sliding_window).transpose(1, 2).contiguous(), None
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


def register() -> None:
    """Makes `grouped_attention` known to transformers by its name."""
    from transformers import AttentionInterface, AttentionMaskInterface  # three seconds, that no refusal should take
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(NAME, grouped_attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)
