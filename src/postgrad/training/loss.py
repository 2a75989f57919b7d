"""Cross-entropy straight from hidden states, in chunks: logits of the whole batch never exist at once.

The gradient with respect to the hidden states (and to the head, where it is trained) is made in the forward pass, chunk by
chunk, as in Cut Cross-Entropy (https://arxiv.org/abs/2411.09009) and Liger's fused linear loss, in plain torch.

Shapes: N supervised positions, H hidden, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch

CHUNK = 512


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden_NH: torch.Tensor, head_VH: torch.Tensor, targets_N: torch.Tensor, weights_N: torch.Tensor
    ) -> torch.Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        total = torch.zeros((), dtype=torch.float64, device=hidden_NH.device)
        grad_hidden = torch.empty_like(hidden_NH)
        grad_head = torch.zeros_like(head_VH, dtype=torch.float32) if head_VH.requires_grad else None
        for begin in range(0, len(targets_N), CHUNK):
            part = slice(begin, begin + CHUNK)
            logits = (hidden_NH[part] @ head_VH.t()).float()
            targets, weights = targets_N[part, None], weights_N[part]
            log_norm = logits.logsumexp(1)
            losses = log_norm - logits.gather(1, targets)[:, 0]
            total += (losses.double() * weights).sum()
            probabilities = logits.sub_(log_norm[:, None]).exp_()
            probabilities.scatter_add_(1, targets, probabilities.new_full(targets.shape, -1.0))
            probabilities *= weights[:, None]
            scaled = probabilities.to(hidden_NH.dtype)
            torch.mm(scaled, head_VH, out=grad_hidden[part])
            if grad_head is not None:
                grad_head += (scaled.t() @ hidden_NH[part]).float()
        ctx.save_for_backward(grad_hidden, grad_head)
        ctx.head_dtype = head_VH.dtype
        return total

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        grad_hidden, grad_head = ctx.saved_tensors
        head = None if grad_head is None else (grad_head * grad).to(ctx.head_dtype)
        return grad_hidden * grad.to(grad_hidden.dtype), head, None, None


def linear_cross_entropy(
    hidden_NH: torch.Tensor, head_VH: torch.Tensor, targets_N: torch.Tensor, weights_N: torch.Tensor
) -> torch.Tensor:
    """Weighted sum of −log p(target) in nats, as a float64 scalar.

    Args:
        hidden_NH: Hidden states at the positions that predict the targets.
        head_VH: Weight of the output head (no bias).
        targets_N: Token ids to predict.
        weights_N: Loss weights, float32.
    """
    return _LinearCrossEntropy.apply(hidden_NH, head_VH, targets_N, weights_N)  # pyright: ignore[reportReturnType]


def head_loss(model: Any, hidden_NH: torch.Tensor, targets_N: torch.Tensor, weights_N: torch.Tensor) -> torch.Tensor:
    """Weighted sum of −log p(target) with the model's own head, whatever scaling it has.

    Args:
        model: A `LanguageModel`.
    """
    head = model.module.get_output_embeddings()
    config = model.module.config.get_text_config()
    plain = not any(
        getattr(config, name, None) for name in ("final_logit_softcapping", "logits_scaling", "logit_scale")
    )
    if plain and head.bias is None:
        return linear_cross_entropy(hidden_NH, head.weight, targets_N, weights_N)
    logits = model.head(hidden_NH)
    losses = torch.nn.functional.cross_entropy(logits, targets_N, reduction="none")
    return (losses.double() * weights_N).sum()
