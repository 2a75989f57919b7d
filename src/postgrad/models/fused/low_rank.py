"""Low-rank adapters beside the base's weights: each row of a batch has its own, and the weights are not touched.

A merged adapter is put into the weights and answers for all rows; here its product is added to the base's, for the rows
that are its own (as Punica does on a GPU: https://arxiv.org/abs/2310.18547).

Shapes: N tokens, I inputs, O outputs, R rank.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch import nn

from postgrad.models.adapters.lora import Adapter
from postgrad.models.adapters.trained_weights import Trained
from postgrad.models.fused.parts import Projections

Columns = tuple[int, int, int, torch.Tensor]
"""(which of the layers, first and last column of x A, B of shape (R, O) times the scale)."""
Own = slice | torch.Tensor
"""Which rows: a span, or their places."""


@dataclass(frozen=True)
class Update:
    """What an adapter adds to linear layers that share an input: their A (I, ΣR) side by side, and each one's B."""

    inward: torch.Tensor
    columns: tuple[Columns, ...]

    def add(self, x_NI: torch.Tensor, outs: Sequence[torch.Tensor], own: Own) -> None:
        """Adds it to the rows that are its own."""
        low_NR = x_NI[own] @ self.inward
        for which, begin, end, b_RO in self.columns:
            if isinstance(own, slice):
                outs[which][own].addmm_(low_NR[:, begin:end], b_RO)
            else:
                outs[which].index_add_(0, own, low_NR[:, begin:end] @ b_RO)


@dataclass(frozen=True, eq=False)
class LowRank:
    """An adapter, by the first of the linear layers that share an input."""

    updates: Mapping[int, Update]

    @functools.cached_property
    def shape(self) -> tuple[object, ...]:
        """Alike for adapters of the same ranks on the same layers."""
        return tuple((key, u.inward.shape, *(c[:3] for c in u.columns)) for key, u in sorted(self.updates.items()))

    @property
    def bytes(self) -> int:
        """What it takes in memory."""
        tensors = [t for u in self.updates.values() for t in (u.inward, *(c[3] for c in u.columns))]
        return sum(t.numel() * t.element_size() for t in tensors)


@dataclass(frozen=True)
class Mix:
    """Which rows have which adapter."""

    shares: tuple[tuple[LowRank, Own], ...]

    def add(self, first: nn.Module, x_NI: torch.Tensor, outs: Sequence[torch.Tensor]) -> None:
        """Adds every adapter's update to its own rows of what linear layers gave that share an input.

        Args:
            first: The first of those layers.
        """
        for adapter, own in self.shares:
            update = adapter.updates.get(id(first))
            if update is not None:
                update.add(x_NI, outs, own)

    def part(self, begin: int, end: int) -> Mix:
        """The same for a part of the rows."""
        return Mix(tuple((adapter, _within(own, begin, end)) for adapter, own in self.shares))


def mixed(adapters: Sequence[LowRank | None], lengths: Sequence[int] = ()) -> Mix | None:
    """The mix of a step, or of prompts that lie end to end; None where no row has an adapter.

    Args:
        adapters: Of each row; empty for none.
        lengths: Tokens of each row's prompt; empty for one each.
    """
    if not any(adapter is not None for adapter in adapters):
        return None
    ends = list(accumulate(lengths or [1] * len(adapters)))
    spans: dict[int, list[tuple[int, int]]] = {}
    known: dict[int, LowRank] = {}
    for adapter, begin, end in zip(adapters, [0, *ends[:-1]], ends, strict=True):
        if adapter is not None:
            known[id(adapter)] = adapter
            mine = spans.setdefault(id(adapter), [])
            if mine and mine[-1][1] == begin:
                begin = mine.pop()[0]
            mine.append((begin, end))
    return Mix(tuple((known[key], _own(found)) for key, found in spans.items()))


def _own(spans: Sequence[tuple[int, int]]) -> Own:
    if len(spans) == 1:
        return slice(*spans[0])
    return torch.cat([torch.arange(begin, end) for begin, end in spans])


def _within(own: Own, begin: int, end: int) -> Own:
    if isinstance(own, slice):
        return slice(min(max(own.start, begin), end) - begin, min(max(own.stop, begin), end) - begin)
    return own[(own >= begin) & (own < end)] - begin


def low_rank_of(trained: Trained, module: nn.Module, groups: Sequence[Projections]) -> LowRank | None:
    """An adapter laid out for a decoder's products; None where it is more than low-rank products on its linear layers
    (DoRA, packed base weights, whole weights, other layers), and has to be put into the weights.

    Args:
        module: The model without adapters.
        groups: The decoder's linear layers, those together that share an input.
    """
    if not isinstance(trained, Adapter) or trained.magnitudes or trained.bits:
        return None
    places = {id(base): (group, which) for group in groups for which, base in enumerate(group.bases)}
    found: dict[int, list[tuple[int, torch.Tensor, torch.Tensor]]] = {}
    for name, (a_RI, b_OR) in trained.tensors.items():
        try:
            layer: Any = module.get_submodule(name)
        except AttributeError:
            return None
        place = places.get(id(layer))
        if place is None or a_RI.shape[1] != layer.in_features or b_OR.shape[0] != layer.out_features:
            return None
        group, which = place
        found.setdefault(id(group.bases[0]), []).append((which, a_RI, b_OR))
    dtype = next(module.parameters()).dtype
    return LowRank({key: _update(parts, trained.scale, dtype) for key, parts in found.items()})


def _update(parts: Sequence[tuple[int, torch.Tensor, torch.Tensor]], scale: float, dtype: torch.dtype) -> Update:
    ends = list(accumulate(len(a_RI) for _, a_RI, _ in parts))
    columns = [
        (which, begin, end, (b_OR * scale).t().to(dtype).contiguous())
        for (which, _, b_OR), begin, end in zip(parts, [0, *ends[:-1]], ends, strict=True)
    ]
    return Update(torch.cat([a_RI for _, a_RI, _ in parts]).t().to(dtype).contiguous(), tuple(columns))
