"""How much of a finding is kept: every index, but a reason only for the first records, so that a million stay small."""

from __future__ import annotations

from collections.abc import Callable, Sequence

KEPT = 1_000
"""Records of one finding for which the evidence is written out; nobody reads more."""


def reasons(indices: Sequence[int], say: Callable[[int], str]) -> tuple[str, ...]:
    """One text beside each index; those after the first thousand are empty.

    Args:
        indices: As in the finding, worst first.
        say: Index → reason; called only for those that are kept.
    """
    return tuple(say(i) for i in indices[:KEPT]) + ("",) * max(0, len(indices) - KEPT)
