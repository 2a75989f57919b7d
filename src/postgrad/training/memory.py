"""What a training needs, known beforehand: parameters, operations, bytes. Pure arithmetic on a model's config; no torch.

Shapes: a decoder of L layers with hidden size H, intermediate size F, vocabulary V, and K key/value width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Sizes:
    """Counts that follow from a config.

    Attributes:
        body: Parameters of the layers.
        head: Parameters of the output head (and of the embedding, where tied).
        adapter: Parameters of LoRA on all linear layers.
        saved: Values kept for the backward pass, for each token.
    """

    body: int
    head: int
    adapter: int
    saved: int


def sizes(config: Mapping[str, Any], rank: int) -> Sizes:
    """Sizes of a Llama-shaped decoder with LoRA of this rank."""
    c = config.get("text_config", config)
    layers, hidden = int(c["num_hidden_layers"]), int(c["hidden_size"])
    inner, vocabulary = int(c.get("intermediate_size") or 4 * hidden), int(c["vocab_size"])
    heads = int(c["num_attention_heads"])
    head_size = int(c.get("head_dim") or hidden // heads)
    q, kv = heads * head_size, int(c.get("num_key_value_heads") or heads) * head_size
    shapes = [(hidden, q), (hidden, kv), (hidden, kv), (q, hidden), (hidden, inner), (hidden, inner), (inner, hidden)]
    body = layers * sum(a * b for a, b in shapes)
    adapter = layers * rank * sum(a + b for a, b in shapes)
    saved = layers * (
        9 * hidden + 4 * q + 6 * kv + 4 * inner
    )  # norms in and out, rotary, attention, gate, up, their product
    return Sizes(body, hidden * vocabulary, adapter, saved)


def peak_bytes(config: Mapping[str, Any], *, rank: int, microbatch_tokens: int, value_bytes: int) -> int:
    """Peak resident memory of a LoRA training.

    Args:
        microbatch_tokens: Padded tokens in the largest microbatch.
        value_bytes: 4 for float32, 2 for bfloat16.
    """
    s = sizes(config, rank)
    process = 450_000_000  # the interpreter with torch and transformers, measured
    weights = (s.body + s.head) * value_bytes
    trained = s.adapter * 4 * 5  # weights, gradients, two moments, best copy
    vocabulary = int(config.get("text_config", config)["vocab_size"])
    logits = 512 * vocabulary * 4 * 3  # one chunk: logits, probabilities, and their scaled copy
    return process + weights + trained + int(s.saved * microbatch_tokens * value_bytes) + logits


def training_flops(config: Mapping[str, Any], tokens: int, supervised: int) -> float:
    """Operations of one pass over the data, forward and backward, with frozen base weights."""
    s = sizes(config, 0)
    return 4.0 * s.body * tokens + 4.0 * s.head * supervised
