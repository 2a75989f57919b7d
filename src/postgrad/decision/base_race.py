"""Which of several bases are still worth training when time is short. Policy without I/O.

What a base does untrained is no proof of what it does trained; it is the best sign there is before anything is spent. A
base is given up only where the sign is clear: its best untrained arm is behind that of the leader with the whole
interval, after Holm's correction. Without a limit of time no base is given up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from postgrad.decision.rules import between, by_pair, clear
from postgrad.decision.wording import interval, points
from postgrad.measures import ArmResult, Comparison


def still_in(best: Mapping[str, ArmResult], comparisons: Sequence[Comparison]) -> tuple[list[str], dict[str, str]]:
    """The bases to train, best first, and why each of the others is not.

    Args:
        best: By base its best untrained way.
        comparisons: Of all pairs of these, Holm-corrected.
    """
    order = sorted(best, key=lambda name: -best[name].score.value)
    table = by_pair(comparisons)
    leader, kept, out = order[0], [order[0]], {}
    for name in order[1:]:
        c = between(table, best[leader].name, best[name].name)
        if clear(c):
            out[name] = (
                f"Not trained, because time is limited and its best untrained arm is {points(c.difference)} points"
                f" behind that of {leader} ({interval(c.low, c.high)}). Without --max-minutes it is trained too."
            )
        else:
            kept.append(name)
    return kept, out
