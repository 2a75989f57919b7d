"""Whether a model is computed here as its own code computes it: the fastest attention that gives the numbers of the
model's eager code is settled at every load, and logits that come out otherwise are refused.

Shapes: T tokens, H hidden, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import nn

from postgrad.errors import ModelError
from postgrad.models.fused.attention import NAME, UnknownAttentionError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

ATTENTIONS = (NAME, "sdpa", "eager")
"""From the fastest to the model's own plain code, which is right by definition."""
PROBE_TOKENS = 64
NEIGHBOURS = 32
"""Tokens whose differences are averaged."""


def tolerance(dtype: torch.dtype, layers: int) -> float:
    """How far two right ways of computing hidden states may differ, relative to their size.

    Measured between transformers' own eager code and other exact attention (design/0004): the mean over tokens is 0.9
    roundings of the dtype in 2 layers, 1.8 in 30, which grows as the fourth root of the depth; five times that is
    allowed. In float32 other roundings than those of products count as well, hence the floor.
    """
    return max(1e-5, 4 * torch.finfo(dtype).eps * max(1, layers) ** 0.25)


def furthest(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """The largest difference of rows (N, H), relative to their size, as the mean over some neighbouring rows; infinite
    where something is not a number.

    A mean, because in a mixture of experts one rounding may send one token to another expert, rightly.
    """
    ours, theirs = ours.float().flatten(0, -2), theirs.float().flatten(0, -2)
    off = (ours - theirs).norm(dim=-1) / theirs.norm(dim=-1).clamp_min(1e-12)
    return max(float(part.mean()) for part in off.split(NEIGHBOURS)) if bool(off.isfinite().all()) else math.inf


def layers_of(module: PreTrainedModel) -> int:
    """Number of a model's layers, by its config."""
    return int(getattr(module.config.get_text_config(), "num_hidden_layers", 1) or 1)


def chooses_attention(kind: type) -> bool:
    """Whether models of a class take their attention from transformers' table; others have code of their own for it,
    and the plain one of it is right."""
    return bool(getattr(kind, "_supports_attention_backend", False))


def settle_attention(module: PreTrainedModel) -> str:
    """Has a model computed by the fastest attention that gives the numbers of its eager code; returns its name.

    Raises:
        ModelError: it cannot be computed at all.
    """
    first = _current(module)
    if not chooses_attention(type(module)):
        return first
    truth = _hidden(module, "eager")
    if truth is None:
        if _hidden(module, first) is None:
            raise ModelError(f"A model of type {module.config.model_type!r} cannot be computed by transformers here.")
        return first
    most = tolerance(truth.dtype, layers_of(module))
    for name in ATTENTIONS[ATTENTIONS.index(first) :] if first in ATTENTIONS else ("eager",):
        ours = _hidden(module, name)
        if ours is not None and furthest(ours, truth) <= most:
            return name
    _switch(module, "eager")
    return "eager"


def check_head(module: PreTrainedModel, head: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Compares logits made here from hidden states with the model's own.

    Raises:
        ModelError: they differ: the model does more to its logits than is known here.
    """
    ids = probe_ids(module)
    with torch.inference_mode():
        theirs = module(input_ids=ids, use_cache=False).logits[0]
        ours = head(body_of(module)(input_ids=ids, use_cache=False)[0])[0]
    if furthest(ours, theirs) > tolerance(theirs.dtype, 1):
        raise ModelError(
            f"A model of type {module.config.model_type!r} changes its logits in a way that postgrad does not know.",
            "Nothing was computed. Use another base, or tell us: its answers here would not be its own.",
        )


def probe_ids(module: PreTrainedModel) -> torch.Tensor:
    """(1, T) ids, spread over the vocabulary."""
    count = int(module.config.get_text_config().vocab_size)
    return (torch.arange(1, PROBE_TOKENS + 1) * 7919 % max(1, count - 3) + 2)[None].to(module.device) % count


def _hidden(module: PreTrainedModel, attention: str) -> torch.Tensor | None:
    """(1, T, H) by an attention, or None where the model does not have it."""
    try:
        _switch(module, attention)
        with torch.inference_mode():
            return body_of(module)(input_ids=probe_ids(module), use_cache=False)[0]
    except (UnknownAttentionError, ValueError, KeyError, NotImplementedError, ImportError):
        return None


def _current(module: PreTrainedModel) -> str:
    return str(module.config.get_text_config()._attn_implementation)


def _switch(module: PreTrainedModel, attention: str) -> None:
    if _current(module) != attention:
        module.set_attn_implementation(attention)


def window_of(config: PreTrainedConfig) -> int | None:
    """The fewest past tokens that a layer of the model sees, or None where all see everything."""
    text = config.get_text_config()
    types = getattr(text, "layer_types", None)
    windows = []
    if types is None or "sliding_attention" in types:
        windows.append(getattr(text, "sliding_window", None))
    if types is not None and "chunked_attention" in types:
        windows.append(getattr(text, "attention_chunk_size", None))
    return min((int(w) for w in windows if w), default=None)


@contextmanager
def in_plain_code(module: PreTrainedModel) -> Iterator[None]:
    """The model is computed by its own eager code inside the block."""
    before = _current(module)
    _switch(module, "eager")
    try:
        yield
    finally:
        _switch(module, before)


def body_of(module: PreTrainedModel) -> nn.Module:
    """The decoder of a causal language model without its head."""
    body = module.base_model
    return module.model if body is module else body  # Llama 4 calls its decoder by another name than it says
