"""Pairs of a better and a worse answer: two answers to one request, and a judge that is asked in both orders."""

from __future__ import annotations

from collections.abc import Sequence

from postgrad.data.augment.method import Refused
from postgrad.data.split.synthetic import MARK, mark
from postgrad.records import Message, Preference, Record


def decided(
    records: Sequence[Record],
    pairs: Sequence[tuple[str | None, str | None]],
    winners: Sequence[str],
    teacher: str,
) -> tuple[list[Preference], list[Refused]]:
    """The pairs that the judge decided alike in both orders.

    Args:
        records: Whose requests were answered.
        pairs: Two answers to each; None where the budget was spent.
        winners: `a`, `b` or `tie` for each.
        teacher: Who answered and judged.
    """
    made: list[Preference] = []
    refused: list[Refused] = []
    for place, (record, (a, b), winner) in enumerate(zip(records, pairs, winners, strict=True)):
        if a is None or b is None:
            refused.append(Refused("budget", "the budget was spent before this one", (place,)))
        elif a.strip() == b.strip():
            refused.append(Refused("alike", "both answers are the same", (place,)))
        elif winner == "tie":
            refused.append(Refused("undecided", "the judge prefers neither in both orders", (place,)))
        else:
            better, worse = (a, b) if winner == "a" else (b, a)
            made.append(
                Preference(
                    prompt=getattr(record, "prompt", ()),
                    chosen=(Message("assistant", better.strip()),),
                    rejected=(Message("assistant", worse.strip()),),
                    source=record.source,
                    meta={MARK: mark("preferences", [record], teacher)},
                )
            )
    return made, refused
