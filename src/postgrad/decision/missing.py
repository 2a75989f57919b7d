"""Which kind of examples is missing: what a bad kind of request costs, and how many training examples would make it
common."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from postgrad.report.advice import KindPart

LEVEL = 0.05
_SHOWN = 3


def examples_missing(train: int, every: Sequence[int], share: float | None = None) -> int:
    """Training examples of a bad kind to collect: as many again, or up to the middle of all kinds, or to its due share.

    Args:
        train: What it has.
        every: What each kind has.
        share: Of the requests in production; None where unknown.
    """
    due = round(share * sum(every)) if share is not None else 0
    return max(train, round(statistics.median(every)) - train, due - train, 5)


def gain_of(score: float, rest: float, share: float) -> float:
    """What the whole score gains when this kind becomes as good as the rest."""
    return max(0.0, rest - score) * share


def clearly_worse(kinds: Sequence[KindPart]) -> list[KindPart]:
    """Those worse than chance explains, by what they cost."""
    return sorted((k for k in kinds if k.p_worse < LEVEL), key=lambda k: -k.gain)


def kinds_sentence(kinds: Sequence[KindPart], looked_at: int) -> str:
    """What is missing, in a sentence."""
    bad = clearly_worse(kinds)
    if not bad:
        return f"No kind of request goes wrong clearly more often than the others ({looked_at} kinds looked at)."
    told = "; ".join(
        f"{k.train} training {'example' if k.train == 1 else 'examples'} about '{k.words}', {wrong(k)} of {k.test} "
        "wrong in the test" + (f", {100 * k.production:.0f} % of production" if k.production is not None else "")
        for k in bad[:_SHOWN]
    )
    return f"Goes wrong clearly more often than the rest: {told}."


def wrong(kind: KindPart) -> str:
    """How many went wrong: whole where answers are right or wrong."""
    return f"{kind.wrong:.1f}".removesuffix(".0")
