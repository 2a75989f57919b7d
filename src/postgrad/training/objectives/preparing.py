"""Records made into examples, the same way for every objective: all faulty ones are named in one error, none is lost
unseen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from postgrad.errors import DataError
from postgrad.models.rendering.render import Rendered
from postgrad.records import Record
from postgrad.training.objectives.base import Prepared

R = TypeVar("R", bound=Record)
SHOWN = 10
"""Faults that the error spells out; the others it counts."""


def prepared(
    records: Sequence[Record],
    kind: type[R],
    render: Callable[[R], Rendered | None],
    what: str,
    refused: str,
    instead: str,
) -> Prepared:
    """Examples of records of one kind.

    Args:
        records: As they were read.
        kind: The only kind that the objective trains on.
        render: One record's example; None where the length policy drops it. A DataError of it is a fault of the data.
        what: What the records are called, in the plural.
        refused: Before the name of another kind of record: what this objective trains on.
        instead: What to give it, or to do.

    Raises:
        DataError: a record of another kind; records that cannot be trained on, the first ten with their reasons.
    """
    examples: list[Rendered] = []
    faults: list[str] = []
    dropped = 0
    for record in records:
        if not isinstance(record, kind):
            raise DataError(f"{record.source}: {refused}, not on {type(record).__name__}.", instead)
        try:
            example = render(record)
        except DataError as error:
            faults.append(str(error).replace("\n", " "))
            continue
        if example is None:
            dropped += 1
        else:
            examples.append(example)
    if faults:
        shown = "\n  ".join(faults[:SHOWN]) + (f"\n  and {len(faults) - SHOWN} more" if len(faults) > SHOWN else "")
        raise DataError(f"{len(faults)} of {len(records)} {what} cannot be trained on:\n  {shown}")
    return Prepared(tuple(examples), dropped, sum(e.truncated > 0 for e in examples))
