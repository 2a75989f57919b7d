"""Keys and values of texts that were read before: a request that begins like one of them reads only what is new.

So the turns of a conversation, and requests under one system prompt, are read once. What belongs to one adapter is
never taken for another's, nor one owner's for another's: how soon an answer begins tells nobody what others have asked.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from postgrad.models.fused.decoder import SharedStates

FEWEST = 16
"""A shorter common beginning is read again."""
KEPT_BYTES = 512 << 20
"""All that is kept takes at most so much memory; the longest unused goes first."""


@dataclass(frozen=True, eq=False)
class _Kept:
    of: Hashable
    ids: np.ndarray
    states: SharedStates


class KeptBeginnings:
    """What is kept, the last used at the end.

    Args:
        most: Bytes of all together.
    """

    def __init__(self, most: int = KEPT_BYTES) -> None:
        self._most = most
        self._kept: list[_Kept] = []

    def keep(self, of: Hashable, ids: Sequence[int], states: SharedStates, copy: bool = True) -> None:
        """Keeps the keys and values (L, K, T, D) of T tokens.

        Args:
            of: Whose they are: another's are never given out.
            copy: Keep a copy; else they must not change any more.
        """
        if len(ids) < FEWEST or _bytes(states) > self._most:
            return
        new = _Kept(of, np.asarray(ids, np.int64), (states[0].clone(), states[1].clone()) if copy else states)
        self._kept = [k for k in self._kept if not (k.of == of and common(k.ids, new.ids) == len(k.ids))]
        self._kept.append(new)
        while sum(_bytes(k.states) for k in self._kept) > self._most:
            self._kept.pop(0)

    def find(self, of: Hashable, ids: Sequence[int]) -> SharedStates | None:
        """Keys and values of the longest beginning of `ids` that was read before; one token at least is left to
        read."""
        wanted = np.asarray(ids[:-1], np.int64)
        best = max((k for k in self._kept if k.of == of), key=lambda k: common(k.ids, wanted), default=None)
        if best is None or (length := common(best.ids, wanted)) < FEWEST:
            return None
        self._kept.remove(best)
        self._kept.append(best)
        return best.states[0][:, :, :length], best.states[1][:, :, :length]


def _bytes(states: SharedStates) -> int:
    return sum(t.numel() * t.element_size() for t in states)


def common(first: np.ndarray, second: np.ndarray) -> int:
    """How many ids two texts have in common at the beginning."""
    size = min(len(first), len(second))
    different = np.flatnonzero(first[:size] != second[:size])
    return int(different[0]) if len(different) else size
