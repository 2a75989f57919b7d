"""How far a student's predictions are from its teacher's, over the whole vocabulary, token by token.

Logits exist for a chunk of positions at a time: the gradient with respect to the hidden states (and to the head, where
it is trained) is made in the forward pass and only scaled in the backward pass. Any head will do, whatever scaling it
has, and the two models may have different ones.

The divergences are the ends of the generalised Jensen–Shannon divergence of https://arxiv.org/abs/2306.13649, equation
1: `forward` is that with β → 0, `reverse` that with β → 1. As there, a temperature divides the logits of both and
nothing is multiplied for it.

Shapes: N supervised positions, H hidden, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from postgrad.models.device import sums_in

CHUNK = 128
"""Positions whose logits exist at once; several tensors of their size do."""

Head = Callable[[torch.Tensor], torch.Tensor]
"""Hidden states (N, H) → logits (N, V), float32."""


def forward_kl(student_NV: torch.Tensor, teacher_NV: torch.Tensor) -> torch.Tensor:
    """KL(teacher ‖ student) of each position, (N,) nats, from log-probabilities."""
    return (teacher_NV.exp() * (teacher_NV - student_NV)).sum(-1)


def reverse_kl(student_NV: torch.Tensor, teacher_NV: torch.Tensor) -> torch.Tensor:
    """KL(student ‖ teacher) of each position, (N,) nats, from log-probabilities."""
    return (student_NV.exp() * (student_NV - teacher_NV)).sum(-1)


DIVERGENCES = {"forward": forward_kl, "reverse": reverse_kl}


@dataclass(frozen=True)
class Side:
    """One of two models at the same positions.

    Attributes:
        states: (N, H) hidden states.
        head: Makes logits of them.
        trained: Parameters of the head that are trained.
    """

    states: torch.Tensor
    head: Head
    trained: Sequence[torch.nn.Parameter] = ()


@dataclass(frozen=True)
class Distance:
    """What was measured.

    Attributes:
        total: Weighted sum of the divergences in nats, a float64 scalar, with gradient for the student.
        agreed: Positions at which both find the same token the likeliest.
    """

    total: torch.Tensor
    agreed: int


def distance(
    student: Side, teacher: Side, weights_N: torch.Tensor, divergence: str = "forward", temperature: float = 1.0
) -> Distance:
    """How far the student is from the teacher.

    Where one head has more places than the other, those beyond are padding without a token: they are left out of both.

    Args:
        weights_N: Weight of each position, float32.
        divergence: One of `DIVERGENCES`.
        temperature: Divides the logits of both.
    """
    between, agreed = DIVERGENCES[divergence], [torch.zeros((), dtype=torch.long)]

    def compute(states: torch.Tensor, part: slice) -> torch.Tensor:
        with torch.no_grad():
            wanted = teacher.head(teacher.states[part].to(states.device))
        now = student.head(states)
        places = min(now.shape[1], wanted.shape[1])
        now = torch.log_softmax(now[:, :places] / temperature, 1)
        wanted = torch.log_softmax(wanted[:, :places] / temperature, 1)
        agreed[0] = agreed[0].to(now.device) + (now.detach().argmax(1) == wanted.argmax(1)).sum()
        nats = between(now, wanted)
        return (nats.to(sums_in(nats)) * weights_N[part]).sum()

    total: Any = _Chunked.apply(compute, student.states, *student.trained)
    return Distance(total, int(agreed[0]))


class _Chunked(torch.autograd.Function):
    """The sum of a scalar over chunks of positions, with the gradients of all of them made on the way."""

    @staticmethod
    def forward(
        ctx: Any,
        compute: Callable[[torch.Tensor, slice], torch.Tensor],
        hidden_NH: torch.Tensor,
        *trained: torch.nn.Parameter,
    ) -> torch.Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        total = torch.zeros((), dtype=sums_in(hidden_NH), device=hidden_NH.device)
        grad_hidden = torch.empty_like(hidden_NH) if ctx.needs_input_grad[1] else None
        learning = [p for p, needed in zip(trained, ctx.needs_input_grad[2:], strict=True) if needed]
        grads = [torch.zeros_like(p, dtype=torch.float32) for p in learning]
        for begin in range(0, len(hidden_NH), CHUNK):
            part = slice(begin, begin + CHUNK)
            with torch.set_grad_enabled(grad_hidden is not None or bool(learning)):
                states = hidden_NH[part].detach().requires_grad_(grad_hidden is not None)
                value = compute(states, part)
            total += value.detach()
            wanted = [*([states] if grad_hidden is not None else []), *learning]
            found = list(torch.autograd.grad(value, wanted)) if wanted else []
            if grad_hidden is not None:
                grad_hidden[part] = found.pop(0)
            for grad, more in zip(grads, found, strict=True):
                grad += more
        ctx.needed = ctx.needs_input_grad[2:]
        ctx.kinds = [p.dtype for p in learning]
        ctx.save_for_backward(grad_hidden, *grads)
        return total

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        grad_hidden, *grads = ctx.saved_tensors
        own = iter([g.mul_(grad).to(kind) for g, kind in zip(grads, ctx.kinds, strict=True)])
        into = None if grad_hidden is None else grad_hidden.mul_(grad.to(grad_hidden.dtype))
        return None, into, *(next(own) if needed else None for needed in ctx.needed)
