"""Many adapters of one shape in a step: their matrices stand in one stack, and one batched product takes all of them.

An adapter gets a slot of the stack when it is first needed and keeps it until another needs the room. Rows of few
adapters, or of adapters of different shapes, are worked through one adapter after the other (`low_rank`).

Shapes: S slots, M rows an adapter, I inputs, O outputs, R rank.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import nn

from postgrad.models.fused.low_rank import LowRank, Mix, Update, mixed

FEWEST = 4
"""Fewer adapters than these are faster one after the other."""
SLOTS = 32


class Stack:
    """The slots of a decoder's adapters."""

    def __init__(self) -> None:
        self._slots: list[LowRank] = []
        self._inward: dict[int, torch.Tensor] = {}
        self._outward: dict[int, list[torch.Tensor]] = {}

    def mix(self, adapters: Sequence[LowRank | None]) -> Mix | StackedMix | None:
        """How the rows of a step get what their adapters add."""
        rows = Counter(id(a) for a in adapters if a is not None)
        active = {id(a): a for a in adapters if a is not None}
        wide = len(rows) * max(rows.values(), default=0) > 2 * sum(rows.values())
        idle = len(self._slots) > 2 * len(rows)
        if not FEWEST <= len(rows) <= SLOTS or wide or idle or len({a.shape for a in active.values()}) > 1:
            return mixed(adapters)
        self._seat(list(active.values()))
        return StackedMix(self, [self._slots.index(a) if a is not None else None for a in adapters])

    def _seat(self, active: Sequence[LowRank]) -> None:
        """Gives each a slot; those of others are taken where the stack is full, or of another shape."""
        if self._slots and self._slots[0].shape != active[0].shape:
            self._slots, self._inward, self._outward = [], {}, {}
        missing = [a for a in active if all(a is not s for s in self._slots)]
        free = [i for i, s in enumerate(self._slots) if all(s is not a for a in active)]
        for adapter in missing:
            if free:
                place = free.pop(0)
                self._slots[place] = adapter
            else:
                place = len(self._slots)
                if place == self._room():
                    self._grow(adapter)
                self._slots.append(adapter)
            for key, update in adapter.updates.items():
                self._inward[key][place].copy_(update.inward)
                for stack, (_, _, _, outward) in zip(self._outward[key], update.columns, strict=True):
                    stack[place].copy_(outward)

    def _room(self) -> int:
        return len(next(iter(self._inward.values()))) if self._inward else 0

    def _grow(self, like: LowRank) -> None:
        """Twice the slots, with what stands in them."""
        size, used = max(FEWEST, 2 * self._room()), len(self._slots)
        for key, update in like.updates.items():
            parts = [update.inward, *(c[3] for c in update.columns)]
            new = [part.new_empty(size, *part.shape) for part in parts]
            if used:
                for stack, old in zip(new, [self._inward[key], *self._outward[key]], strict=True):
                    stack[:used] = old[:used]
            self._inward[key], self._outward[key] = new[0], new[1:]

    def of(self, key: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """The stacked A (S, I, ΣR) of linear layers that share an input, and their stacked B (S, R, O)."""
        used = len(self._slots)
        return self._inward[key][:used], [stack[:used] for stack in self._outward[key]]

    def update(self, key: int) -> Update | None:
        """How the columns of those layers lie; the same for all."""
        return self._slots[0].updates.get(key)

    @property
    def used(self) -> int:
        """Slots that hold an adapter."""
        return len(self._slots)


class StackedMix:
    """Which rows have which slot.

    Args:
        stack: The slots.
        slots: Of each row; None for the base.
    """

    def __init__(self, stack: Stack, slots: Sequence[int | None]) -> None:
        self._stack = stack
        counts: Counter[int] = Counter()
        places: list[tuple[int, int]] = []
        for slot in slots:
            if slot is not None:
                places.append((slot, counts[slot]))
                counts[slot] += 1
        self._most = max(counts.values())
        self._rows = torch.tensor([row for row, slot in enumerate(slots) if slot is not None])
        self._at = torch.tensor([slot * self._most + place for slot, place in places])
        self._of = torch.zeros(stack.used * self._most, dtype=torch.long)
        self._of[self._at] = self._rows

    def add(self, first: nn.Module, x_NI: torch.Tensor, outs: Sequence[torch.Tensor]) -> None:
        """As `Mix.add`."""
        update = self._stack.update(id(first))
        if update is None:
            return
        inward, outward = self._stack.of(id(first))
        x_SMI = x_NI[self._of].view(self._stack.used, self._most, -1)
        low_SMR = torch.bmm(x_SMI, inward)
        for (which, begin, end, _), b_SRO in zip(update.columns, outward, strict=True):
            added = torch.bmm(low_SMR[:, :, begin:end], b_SRO).flatten(0, 1)
            outs[which].index_add_(0, self._rows, added[self._at])

    def part(self, begin: int, end: int) -> StackedMix:
        """A step's rows are never worked through in parts.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError(f"rows {begin} to {end} of a step of stacked adapters")
