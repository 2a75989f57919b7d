"""Cross-entropy straight from hidden states, in chunks: logits of the whole batch never exist at once.

The gradient with respect to the hidden states (and to the head, where it is trained) is made in the forward pass, chunk
by chunk, as in Cut Cross-Entropy (https://arxiv.org/abs/2411.09009) and Liger's fused linear loss, in plain torch.

Shapes: N supervised positions, H hidden, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch

from postgrad.models.device import sums_in
from postgrad.models.language_model import LanguageModel
from postgrad.training.token_accuracy import Hits

CHUNK = 512
"""Positions whose logits exist at once."""


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden_NH: torch.Tensor,
        head_VH: torch.Tensor,
        targets_N: torch.Tensor,
        weights_N: torch.Tensor,
        hits: Hits | None,
    ) -> torch.Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        total = torch.zeros((), dtype=sums_in(hidden_NH), device=hidden_NH.device)
        wanted = ctx.needs_input_grad[0] or ctx.needs_input_grad[1]
        grad_hidden = torch.empty_like(hidden_NH) if wanted else None
        grad_head = torch.zeros_like(head_VH, dtype=torch.float32) if ctx.needs_input_grad[1] else None
        for begin in range(0, len(targets_N), CHUNK):
            part = slice(begin, begin + CHUNK)
            targets, weights = targets_N[part, None], weights_N[part]
            logprobs = torch.log_softmax((hidden_NH[part] @ head_VH.t()).float(), 1)
            total -= (logprobs.gather(1, targets)[:, 0].to(total.dtype) * weights).sum()
            if hits is not None:
                hits.add(logprobs, targets[:, 0])
            if grad_hidden is None:
                continue
            error = logprobs.exp_().scatter_add_(1, targets, logprobs.new_full(targets.shape, -1.0))
            _spread_back(error.to(hidden_NH.dtype), hidden_NH[part], head_VH, weights, grad_hidden[part], grad_head)
        ctx.save_for_backward(grad_hidden, grad_head)
        return total

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        grad_hidden, grad_head = ctx.saved_tensors
        head = None if grad_head is None else grad_head.mul_(grad).to(grad_hidden.dtype)
        return grad_hidden.mul_(grad.to(grad_hidden.dtype)), head, None, None, None


class _LinearDivergence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden_NH: torch.Tensor, head_VH: torch.Tensor, base_NH: torch.Tensor, weights_N: torch.Tensor
    ) -> torch.Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        total = torch.zeros((), dtype=sums_in(hidden_NH), device=hidden_NH.device)
        grad_hidden = torch.empty_like(hidden_NH)
        for begin in range(0, len(hidden_NH), CHUNK // 2):  # two distributions at once, in the room of one
            part = slice(begin, begin + CHUNK // 2)
            wanted = torch.log_softmax((base_NH[part] @ head_VH.t()).float(), 1)
            logprobs = torch.log_softmax((hidden_NH[part] @ head_VH.t()).float(), 1)
            probabilities = wanted.exp()
            total += ((wanted.sub_(logprobs).mul_(probabilities)).sum(1).to(total.dtype) * weights_N[part]).sum()
            error = logprobs.exp_().sub_(probabilities).to(hidden_NH.dtype)
            _spread_back(error, hidden_NH[part], head_VH, weights_N[part], grad_hidden[part], None)
        ctx.save_for_backward(grad_hidden)
        return total

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return ctx.saved_tensors[0].mul_(grad.to(ctx.saved_tensors[0].dtype)), None, None, None


class _LinearLogprobs(torch.autograd.Function):
    """Each row of the hidden gradient is made in the forward pass and only scaled in the backward pass."""

    @staticmethod
    def forward(ctx: Any, hidden_NH: torch.Tensor, head_VH: torch.Tensor, targets_N: torch.Tensor) -> torch.Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        grad_hidden = torch.empty_like(hidden_NH) if ctx.needs_input_grad[0] else None
        found = torch.empty(len(targets_N), dtype=torch.float32, device=hidden_NH.device)
        for begin in range(0, len(targets_N), CHUNK):
            part = slice(begin, begin + CHUNK)
            logprobs = torch.log_softmax((hidden_NH[part] @ head_VH.t()).float(), 1)
            found[part] = logprobs.gather(1, targets_N[part, None])[:, 0]
            if grad_hidden is not None:
                torch.mm(_error(logprobs, targets_N[part, None]).to(hidden_NH.dtype), head_VH, out=grad_hidden[part])
        ctx.save_for_backward(grad_hidden, hidden_NH, head_VH, targets_N)
        return found

    @staticmethod
    def backward(ctx: Any, grad_N: torch.Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        grad_hidden, hidden_NH, head_VH, targets_N = ctx.saved_tensors
        grad_head = torch.zeros_like(head_VH, dtype=torch.float32) if ctx.needs_input_grad[1] else None
        for begin in range(0, len(targets_N) if grad_head is not None else 0, CHUNK):
            part = slice(begin, begin + CHUNK)
            logprobs = torch.log_softmax((hidden_NH[part] @ head_VH.t()).float(), 1)
            error = _error(logprobs, targets_N[part, None]).mul_(-grad_N[part, None])
            grad_head += (error.to(hidden_NH.dtype).t() @ hidden_NH[part]).float()
        into = None if grad_hidden is None else grad_hidden.mul_(-grad_N[:, None].to(grad_hidden.dtype))
        return into, None if grad_head is None else grad_head.to(head_VH.dtype), None


def _error(logprobs_NV: torch.Tensor, targets_N1: torch.Tensor) -> torch.Tensor:
    """Gradient of −log p(target) with respect to the logits; overwrites the log-probabilities."""
    return logprobs_NV.exp_().scatter_add_(1, targets_N1, logprobs_NV.new_full(targets_N1.shape, -1.0))


def _spread_back(
    error_NV: torch.Tensor,
    hidden_NH: torch.Tensor,
    head_VH: torch.Tensor,
    weights_N: torch.Tensor,
    grad_hidden: torch.Tensor,
    grad_head: torch.Tensor | None,
) -> None:
    """Gradients of a chunk: of its hidden states (written) and of the head (added)."""
    weights = weights_N[:, None].to(hidden_NH.dtype)
    torch.mm(error_NV, head_VH, out=grad_hidden)
    grad_hidden.mul_(weights)
    if grad_head is not None:
        grad_head += (error_NV.t() @ (hidden_NH * weights)).float()


def linear_cross_entropy(
    hidden_NH: torch.Tensor,
    head_VH: torch.Tensor,
    targets_N: torch.Tensor,
    weights_N: torch.Tensor,
    hits: Hits | None = None,
) -> torch.Tensor:
    """Weighted sum of −log p(target) in nats, as a float64 scalar.

    Args:
        hidden_NH: Hidden states at the positions that predict the targets.
        head_VH: Weight of the output head (no bias).
        targets_N: Token ids to predict.
        weights_N: Loss weights, float32.
        hits: Counts the targets that are the likeliest tokens.
    """
    return _LinearCrossEntropy.apply(hidden_NH, head_VH, targets_N, weights_N, hits)  # pyright: ignore[reportReturnType]


def linear_divergence(
    hidden_NH: torch.Tensor, head_VH: torch.Tensor, base_NH: torch.Tensor, weights_N: torch.Tensor
) -> torch.Tensor:
    """Weighted sum of the Kullback–Leibler divergences of the model from its base, KL(base ‖ model), in nats; float64.

    Args:
        hidden_NH: The model's hidden states.
        head_VH: Weight of the (frozen, shared) output head.
        base_NH: The base model's hidden states at the same positions.
        weights_N: Loss weights, float32.
    """
    return _LinearDivergence.apply(hidden_NH, head_VH, base_NH, weights_N)  # pyright: ignore[reportReturnType]


def linear_logprobs(hidden_NH: torch.Tensor, head_VH: torch.Tensor, targets_N: torch.Tensor) -> torch.Tensor:
    """log p(target) of each position, (N,) float32, differentiable; logits of all positions never exist at once."""
    return _LinearLogprobs.apply(hidden_NH, head_VH, targets_N)  # pyright: ignore[reportReturnType]


def _plain(model: LanguageModel) -> bool:
    return model.head_scaling == (None, 1.0) and model.module.get_output_embeddings().bias is None


def head_loss(
    model: LanguageModel,
    hidden_NH: torch.Tensor,
    targets_N: torch.Tensor,
    weights_N: torch.Tensor,
    hits: Hits | None = None,
) -> torch.Tensor:
    """Weighted sum of −log p(target) with the model's own head, whatever scaling it has."""
    if hits is not None:
        hits.learning = torch.is_grad_enabled()
    if _plain(model):
        return linear_cross_entropy(hidden_NH, model.module.get_output_embeddings().weight, targets_N, weights_N, hits)
    logits_NV = model.head(hidden_NH)
    if hits is not None:
        hits.add(logits_NV.detach(), targets_N)
    losses = torch.nn.functional.cross_entropy(logits_NV, targets_N, reduction="none")
    return (losses.to(sums_in(losses)) * weights_N).sum()


def head_divergence(
    model: LanguageModel, hidden_NH: torch.Tensor, base_NH: torch.Tensor, weights_N: torch.Tensor
) -> torch.Tensor:
    """Weighted sum of KL(base ‖ model) with the model's own head."""
    if _plain(model):
        return linear_divergence(hidden_NH, model.module.get_output_embeddings().weight, base_NH, weights_N)
    wanted, logprobs = (torch.log_softmax(model.head(h), -1) for h in (base_NH, hidden_NH))
    apart = torch.nn.functional.kl_div(logprobs, wanted, reduction="none", log_target=True).sum(-1)
    return (apart.to(sums_in(apart)) * weights_N).sum()


def head_logprobs(
    model: LanguageModel, hidden_NH: torch.Tensor, targets_N: torch.Tensor, temperature: float = 1.0
) -> torch.Tensor:
    """log p(target) of each position with the model's own head, its logits divided by the temperature; (N,) float32."""
    if _plain(model):
        scaled = hidden_NH if temperature == 1.0 else hidden_NH / temperature
        return linear_logprobs(scaled, model.module.get_output_embeddings().weight, targets_N)
    return torch.log_softmax(model.head(hidden_NH) / temperature, -1).gather(1, targets_N[:, None])[:, 0]
