"""Several adapters of one base joined into one: by adding (linear), by sign election (TIES,
https://arxiv.org/abs/2306.01708) or after dropping most of each at random (DARE, https://arxiv.org/abs/2311.03099).

Adding is exact: the joint adapter has the sum of the ranks. The two others work on whole updates, which are then
brought back to low rank by a singular value decomposition; what that costs is told.

Shapes: R rank, I inputs, O outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch

from postgrad.errors import UsageError
from postgrad.models.adapters.lora import Adapter

Method = Literal["linear", "ties", "dare"]
DENSITY = 0.5
"""Share of an update that TIES and DARE keep."""


def merged_adapter(
    adapters: Sequence[Adapter],
    weights: Sequence[float],
    method: Method = "linear",
    density: float = DENSITY,
    rank: int | None = None,
    seed: int = 0,
) -> tuple[Adapter, float]:
    """(the joint adapter, the share of the joint update that its rank does not hold).

    Args:
        adapters: Low-rank ones; of DoRA there is no sum.
        weights: One for each.
        method: How they are joined.
        density: Of TIES and DARE.
        rank: Of the joint adapter with TIES and DARE; the sum of the ranks when None.
        seed: Of what DARE drops.

    Raises:
        UsageError: an adapter has magnitudes (DoRA), or its base was packed to a few bits.
    """
    if any(a.magnitudes for a in adapters):
        raise UsageError("DoRA adapters cannot be merged.", "Export each of them, or train with method lora.")
    if any(a.bits for a in adapters):
        raise UsageError(
            "An adapter that was trained on packed weights (QLoRA) fits those alone and is not merged.",
            "Train with method lora.",
        )
    if not 0 < density <= 1:
        raise UsageError(f"A density of {density:g} keeps nothing.", "Take a share above 0, up to 1.")
    wide = rank or sum(a.rank for a in adapters)
    names = sorted({name for a in adapters for name in a.tensors})
    whole = any(a.whole_names for a in adapters) or any(set(a.tensors) != set(names) for a in adapters)
    tensors: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    drawn, lost, all_ = torch.Generator().manual_seed(seed), 0.0, 0.0
    for name in names:
        own = [(a, w) for a, w in zip(adapters, weights, strict=True) if name in a.tensors]
        if method == "linear":
            tensors[name] = _stacked(name, own, wide)
            continue
        update_OI = _joined(name, own, method, density, drawn)
        a_RI, b_OR, missed = _low_rank(update_OI, wide)
        tensors[name] = a_RI, b_OR
        lost, all_ = lost + missed, all_ + float(update_OI.square().sum())
    return Adapter(tensors, wide, float(wide), whole_names=whole), (lost / all_ if all_ else 0.0)


def _stacked(name: str, own: Sequence[tuple[Adapter, float]], rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The sum of the updates, one below the other; empty places where an adapter has none."""
    a_RI = torch.cat([a.tensors[name][0] for a, _ in own])
    b_OR = torch.cat([a.tensors[name][1] * (a.scale * w) for a, w in own], 1)
    short = rank - len(a_RI)
    if short > 0:
        a_RI = torch.cat([a_RI, a_RI.new_zeros(short, a_RI.shape[1])])
        b_OR = torch.cat([b_OR, b_OR.new_zeros(len(b_OR), short)], 1)
    return a_RI, b_OR


def _joined(
    name: str, own: Sequence[tuple[Adapter, float]], method: Method, density: float, drawn: torch.Generator
) -> torch.Tensor:
    """The joint update (O, I)."""
    updates = torch.stack([(a.tensors[name][1] @ a.tensors[name][0]) * (a.scale * w) for a, w in own])
    if method == "dare":
        kept = torch.rand(updates.shape, generator=drawn) < density
        return (updates * kept / density).sum(0)
    keep = max(1, int(density * updates[0].numel()))
    for update in updates:
        least = update.abs().flatten().kthvalue(update.numel() - keep + 1).values
        update[update.abs() < least] = 0.0
    sign = updates.sum(0).sign()
    agreeing = torch.where(updates.sign() == sign, updates, torch.zeros_like(updates))
    return agreeing.sum(0) / (agreeing != 0).sum(0).clamp_min(1)


def _low_rank(update_OI: torch.Tensor, rank: int) -> tuple[torch.Tensor, torch.Tensor, float]:
    """The nearest product of that rank, and the square of what it misses."""
    u_OK, s_K, v_KI = torch.linalg.svd(update_OI.float(), full_matrices=False)
    root = s_K[:rank].sqrt()
    a_RI, b_OR = root[:, None] * v_KI[:rank], u_OK[:, :rank] * root
    if (short := rank - len(a_RI)) > 0:
        a_RI = torch.cat([a_RI, a_RI.new_zeros(short, a_RI.shape[1])])
        b_OR = torch.cat([b_OR, b_OR.new_zeros(len(b_OR), short)], 1)
    return a_RI.contiguous(), b_OR.contiguous(), float(s_K[rank:].square().sum())
