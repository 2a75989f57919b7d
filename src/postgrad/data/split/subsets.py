"""Smaller training sets out of a larger one, each inside the next, so that a learning curve compares like with like.

Every record has a place in one fixed order: its rank by hash among the records of its label, as a share of them. The
first of every label comes first, and a beginning of any length holds each label about in proportion.
"""

from __future__ import annotations

from collections.abc import Sequence

from postgrad.data.split.units import labels_of, place_of
from postgrad.records import Record, content_hash


def nested_subset(
    records: Sequence[Record], share: float, *, seed: int = 0, stratify_key: str | None = None
) -> list[Record]:
    """A share of the records, in the order they came in; a smaller share under the same seed is part of a larger one.

    Args:
        records: All of them.
        share: Above 0, at most 1; at least one record is taken.
        seed: Another seed takes others.
        stratify_key: Metadata key whose values are kept in proportion. None: the label, or good and bad.

    Raises:
        ValueError: the share is not above 0 and at most 1, or there are no records.
    """
    if not 0 < share <= 1 or not records:
        raise ValueError("a subset needs records and a share above 0 and at most 1")
    places = [place_of(content_hash(record), seed) for record in records]
    by_label: dict[str, list[int]] = {}
    for index, label in enumerate(labels_of(records, stratify_key)):
        by_label.setdefault(label, []).append(index)
    ranks: dict[int, float] = {}
    for members in by_label.values():
        for rank, index in enumerate(sorted(members, key=lambda i: places[i])):
            ranks[index] = rank / len(members)
    order = sorted(ranks, key=lambda i: (ranks[i], places[i], i))
    return [records[i] for i in sorted(order[: max(1, round(share * len(records)))])]
