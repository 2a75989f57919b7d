"""When a record was made, by the column of its metadata that says so."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from postgrad.facts import load_facts
from postgrad.records import Record

_TIME_KEYS = tuple(load_facts("outdated")["time_keys"])
AT_ONCE = 7 * 86_400.0
"""Seconds within which nothing grows old."""


def time_column(records: Sequence[Record]) -> str | None:
    """The column that holds times; None without one."""
    return next((k for k in _TIME_KEYS for r in records[:50] if k in r.meta), None)


def moment_of(value: object) -> float | None:
    """A time as seconds: a year, seconds since 1970, or a text that ISO 8601 spells; None for anything else."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, datetime.datetime | datetime.date):
        value = value.isoformat()
    try:
        number = float(value if isinstance(value, int | float) else str(value))
    except (TypeError, ValueError):
        text = str(value).strip().replace("Z", "+00:00")
        try:
            moment = datetime.datetime.fromisoformat(text)
        except ValueError:
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()
    if 1900 <= number <= 2200:
        return datetime.datetime(int(number), 1, 1, tzinfo=datetime.UTC).timestamp()
    return number if number > 1e8 else None
