"""How many examples are asked again with disturbed requests, of which arms, and what the outcome says in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from postgrad.decision.wording import opening_name, plain_name, points
from postgrad.report.advice import DisturbancePart

MOST, FEWEST = 40, 10
"""Test examples asked again; fewer than ten show nothing."""
_LEVEL = 0.05


def sample_size(costs: Mapping[str, float], budget: float | None, most: int = MOST) -> tuple[int, tuple[str, ...]]:
    """How many examples, and of which arms, best first: rather one arm less than too few examples.

    Args:
        costs: Arm → seconds for one example under every disturbance, the more important arm first.
        budget: Seconds that all may take; None for any number.
        most: Examples at most.

    Returns:
        (0, ()) where not even the first arm can be afforded.
    """
    names = list(costs)
    for count in range(len(names), 0, -1):
        each = sum(costs[name] for name in names[:count])
        size = most if budget is None or each <= 0 else min(most, int(budget / each))
        if size >= min(FEWEST, most):
            return size, tuple(names[:count])
    return 0, ()


def disturbance_sentence(rows: Sequence[DisturbancePart]) -> str:
    """What the first arm loses, and to what."""
    if not rows:
        return ""
    arm = rows[0].arm
    own = [r for r in rows if r.arm == arm]
    hurt = [r for r in own if r.p_adjusted < _LEVEL and r.difference < 0]
    n = max(r.n for r in own)
    opening = f"Tested with perturbed requests ({n} test examples)"
    if not hurt:
        worst = min(own, key=lambda r: r.difference)
        if worst.difference >= 0:
            return f"{opening}, {plain_name(arm)} loses nothing to any of {len(own)} perturbations."
        return (
            f"{opening}, {plain_name(arm)} loses most to {worst.kind!r}: {points(-worst.difference)} points"
            f" ({points(-worst.interval[1])} to {points(-worst.interval[0])}), which can be chance, after correction"
            f" for all perturbations (p = {worst.p_adjusted:.2g})."
        )
    told = ", ".join(
        f"{points(-r.difference)} points to {r.kind!r} ({points(-r.interval[1])} to {points(-r.interval[0])})"
        for r in hurt
    )
    return f"{opening}: {opening_name(arm)[0].lower()}{opening_name(arm)[1:]} loses {told}."
