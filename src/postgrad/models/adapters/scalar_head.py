"""A scalar head on a model's hidden states: one number for a position, without bias. As a reward model's it says what
an answer is worth, read at its last token; as a value head, what is still to come.

It begins at zero, so that nothing is said before anything was learned, and is computed in float32 whatever the model is
computed in.

Shapes: N positions, H hidden.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional

SCORE = "score"
"""Its name in a model, as in transformers' models for sequence classification and in PEFT."""


@contextmanager
def scalar_head(model: nn.Module, start_H: torch.Tensor | None = None) -> Iterator[nn.Linear]:
    """Puts a trainable head on a causal language model inside the block; its weight is `score.weight`, (1, H).

    Args:
        model: The whole model, with its output layer.
        start_H: What the head begins with; zeros when None.
    """
    whole: Any = model
    outputs_VH: torch.Tensor = whole.get_output_embeddings().weight
    head = nn.Linear(outputs_VH.shape[1], 1, bias=False, device=outputs_VH.device, dtype=torch.float32)
    with torch.no_grad():
        head.weight.zero_()
        if start_H is not None:
            head.weight[0].copy_(start_H)
    model.add_module(SCORE, head)
    try:
        yield head
    finally:
        delattr(model, SCORE)


def scores(model: nn.Module, hidden_NH: torch.Tensor) -> torch.Tensor:
    """What the head in a model says of hidden states, (N,) float32, differentiable."""
    head: Any = model.get_submodule(SCORE)
    return scored(hidden_NH, head.weight[0])


def scored(hidden_NH: torch.Tensor, head_H: torch.Tensor) -> torch.Tensor:
    """The same with the head's weight."""
    return functional.linear(hidden_NH.float(), head_H[None])[:, 0]
