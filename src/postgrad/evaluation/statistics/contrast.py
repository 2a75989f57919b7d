"""Where two ways of doing the task differ: by parts of the test set, by right answer, and by group, each paired."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence

from postgrad.evaluation.slices import FEWEST, SLICES
from postgrad.evaluation.statistics.scores import compare, corrected
from postgrad.measures import Comparison
from postgrad.records import Record

MOST_ANSWERS = 40
"""With more different right answers they are no classes."""


def contrasts(
    a: Sequence[float],
    b: Sequence[float],
    parts: Mapping[str, Sequence[int]],
    groups: Sequence[Hashable] | None = None,
    seed: int = 0,
) -> list[Comparison]:
    """B minus A within each part, Holm-corrected over all parts; the likeliest differences first.

    Args:
        a: Scores of A.
        b: Scores of B on the same examples.
        parts: Places of the examples by the part's name.
        groups: What each example belongs to.
        seed: Of the resampling.
    """
    found: list[Comparison] = []
    for name, places in parts.items():
        own = [groups[i] for i in places] if groups else None
        found.append(compare([b[i] for i in places], [a[i] for i in places], own, arm=name, against="A", seed=seed))
    return sorted(corrected(found), key=lambda c: (c.p_value, -abs(c.difference), c.arm))


def parts_of(records: Sequence[Record], groups: Sequence[str | None] | None = None) -> dict[str, list[int]]:
    """The parts of a test set that are large enough to say anything: slices, classes, groups.

    Args:
        records: The examples.
        groups: What each belongs to.
    """
    out = {name: sorted(set(make(records, ()))) for name, make in SLICES.items()}
    answers = [r.answer_text.strip() for r in records]
    if 1 < len(set(answers)) <= MOST_ANSWERS:
        out |= _by_value("answer", answers)
    if groups:
        out |= _by_value("group", groups)
    return {name: places for name, places in out.items() if FEWEST <= len(places) <= 0.9 * len(records)}


def _by_value(kind: str, values: Sequence[str | None]) -> dict[str, list[int]]:
    counts = Counter(v for v in values if v is not None)
    return {
        f"{kind}: {value[:60]}": [i for i, v in enumerate(values) if v == value]
        for value, count in counts.most_common(MOST_ANSWERS)
        if count >= FEWEST
    }
