"""What the user's own columns say about the division: the part of each record, and when it was made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from postgrad.data.sources.rows import NAMED
from postgrad.data.split.dates import Dates, guess_date_column, read_dates
from postgrad.data.split.split import SplitName
from postgrad.data.split.units import no_such
from postgrad.errors import DataError, UsageError
from postgrad.records import Record

PART_COLUMN = "split"
_SPELLINGS: dict[str, SplitName] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "development": "validation",
    "test": "test",
    "testing": "test",
    "held out": "test",
    "holdout": "test",
}
_READABLE = 0.8
"""Below this share of readable values a column holds something else than dates."""


def has_parts(records: Sequence[Record]) -> bool:
    """Whether every record's column `split` names a part, and not all the same one."""
    found = [_part(record, PART_COLUMN) for record in records]
    return None not in found and len(set(found)) > 1


def given_parts(records: Sequence[Record], column: str) -> list[SplitName | None]:
    """The part that the column names for each record; None where it is empty.

    Raises:
        UsageError: No record has that column.
        DataError: It holds something else than names of parts.
    """
    filled = [r for r in records if r.meta.get(column) not in (None, "")]
    if not filled:
        raise no_such(records, column, "to divide by")
    strange = [r for r in filled if _part(r, column) is None]
    if strange:
        shown = ", ".join(f"{r.meta[column]!r} ({r.source})" for r in strange[:NAMED])
        more = f" and {len(strange) - NAMED} more" if len(strange) > NAMED else ""
        raise DataError(
            f"The column {column!r} should say train, validation or test, but says {shown}{more}.",
            "Fix these values; empty ones are divided by hash.",
        )
    return [_part(record, column) for record in records]


def _part(record: Record, column: str) -> SplitName | None:
    return _SPELLINGS.get(str(record.meta.get(column) or "").strip().lower().replace("-", " ").replace("_", " "))


def moments_of(
    records: Sequence[Record], column: str | None, day_first: bool | None = None
) -> tuple[list[datetime | None], list[str]]:
    """When each record was made, and what the user should know of how that was read.

    Args:
        records: With the column in their metadata.
        column: None: guessed from names and contents.
        day_first: See `read_dates`.

    Raises:
        UsageError: No record has that column, or no column can be guessed.
        DataError: Most of its values are no dates, or day and month cannot be told apart.
    """
    names = dict.fromkeys(key for record in records for key in record.meta)
    notes = []
    if column is None:
        column, found = guess_date_column({name: [r.meta.get(name) for r in records] for name in names})
        if column is None:
            which = f"several columns hold dates: {', '.join(found)}" if found else "no column holds dates"
            raise UsageError(
                f"data.split is time, but {which}. The columns: {', '.join(names) or 'none'}.",
                "Name the one that says when a record was made: data.time: COLUMN",
            )
        notes.append(f"{column!r} is taken for the date (data.time names another column).")
    elif not any(record.meta.get(column) not in (None, "") for record in records):
        raise no_such(records, column, "to order by")
    dates = read_dates([r.meta.get(column) for r in records], day_first=day_first, column=column)
    if dates.unreadable:
        notes.append(_unreadable(records, column, dates))
    return list(dates.moments), [*notes, *([dates.note] if dates.note else [])]


def _unreadable(records: Sequence[Record], column: str, dates: Dates) -> str:
    shown = ", ".join(f"{records[i].meta[column]!r} ({records[i].source})" for i in dates.unreadable[:NAMED])
    readable = sum(m is not None for m in dates.moments)
    counts = Counter({"no": len(dates.unreadable), "yes": readable})
    sentence = f"{counts['no']} of {counts.total()} values of {column!r} are no dates: {shown}"
    if readable < _READABLE * counts.total():
        raise DataError(f"{sentence}.", "Write dates as 2026-11-03, or name another column: data.time: COLUMN")
    return f"{sentence}; these records go to training."
