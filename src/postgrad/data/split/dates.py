"""Dates in many spellings, read a column at a time: whether 11/03/2026 is March or November only the column can tell.

What cannot be told is refused, never guessed: a wrong guess would train on the future without anybody noticing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from postgrad.errors import DataError

_NO_DATE = frozenset({"", "-", "--", "?", "n/a", "na", "nan", "nat", "nil", "none", "null", "unknown"})
_NUMERIC = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})\b\.?(.*)", re.DOTALL)
_YEAR_FIRST = re.compile(r"(\d{4})[./-](\d{1,2})(?:[./-](\d{1,2}))?(.*)", re.DOTALL)
_DAY_NAME = re.compile(r"(\d{1,2})(?:st|nd|rd|th|\.)?[ -]([^\W\d]+)\.?[ ,-]+(\d{4})\b(.*)", re.DOTALL)
_NAME_DAY = re.compile(r"([^\W\d]+)\.? (\d{1,2})(?:st|nd|rd|th)?,? (\d{4})\b(.*)", re.DOTALL)
_CLOCK = re.compile(
    r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s*([ap])?\.?(?:m\b\.?)?\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2})?", re.I
)
_EPOCH = re.compile(r"\d{9,10}(\.\d+)?|\d{12,13}|\d{15,16}|\d{18,19}")
_MONTHS = {
    "jan": 1,
    "feb": 2,
    "mar": 3,
    "mär": 3,
    "mrz": 3,
    "apr": 4,
    "may": 5,
    "mai": 5,
    "jun": 6,
    "jul": 7,
    "aug": 8,
    "sep": 9,
    "oct": 10,
    "okt": 10,
    "nov": 11,
    "dec": 12,
    "dez": 12,
}
_CENTURY_TURNS = 70
"""A two-digit year from here on is of the last century, as POSIX has it (nearly: 69)."""


@dataclass(frozen=True, slots=True)
class Dates:
    """A column of values as moments.

    Attributes:
        moments: UTC, None where there is no date; times without a zone are taken as UTC.
        unreadable: Places of the values that are neither empty nor a date.
        note: How the order of day and month was decided; empty where nothing had to be.
    """

    moments: tuple[datetime | None, ...]
    unreadable: tuple[int, ...]
    note: str = ""


def read_dates(values: Sequence[object], *, day_first: bool | None = None, column: str = "the column") -> Dates:
    """Reads ISO dates, epoch seconds to nanoseconds, 03.11.2026, 11/03/2026, 3 Nov 2026, RFC 2822.

    Args:
        values: As the files had them.
        day_first: What 11/03/2026 means: True the 11th of March. None: decided by the values that can be only one of
            them.
        column: Its name, for messages.

    Raises:
        DataError: Day and month cannot be told apart, or the values contradict each other.
    """
    orders, note = _orders(values, day_first, column)
    moments: list[datetime | None] = []
    unreadable: list[int] = []
    for place, value in enumerate(values):
        moment = _moment(value, orders)
        moments.append(moment)
        if moment is None and str("" if value is None else value).strip().lower() not in _NO_DATE:
            unreadable.append(place)
    return Dates(tuple(moments), tuple(unreadable), note)


def _orders(values: Sequence[object], day_first: bool | None, column: str) -> tuple[dict[str, bool], str]:
    """For each separator whether the day comes first, and how that was found."""
    orders: dict[str, bool] = {}
    notes: list[str] = []
    for separator in "./-":
        found = [(v.strip(), m) for v in values if isinstance(v, str) and (m := _NUMERIC.match(v.strip()))]
        found = [(text, m) for text, m in found if m[2] == separator]
        if not found:
            continue
        day = next((text for text, m in found if int(m[1]) > 12), None)
        month = next((text for text, m in found if int(m[3]) > 12), None)
        if day_first is not None:
            orders[separator] = day_first
        elif day and month:
            raise DataError(
                f"{column!r} mixes two orders of day and month: {day!r} has the day first, {month!r} the month.",
                "Write the dates as 2026-11-03, or set the order with data.day_first: true (or false); dates"
                " of the other order are then left without a date.",
            )
        elif day or month or separator == ".":
            orders[separator] = month is None
            why = f"{day or month!r} allows nothing else" if day or month else "usual with full stops"
            notes.append(f"{found[0][0]!r} is read with the {'month' if month else 'day'} first ({why}).")
        else:
            raise DataError(
                f"{column!r} does not show whether {found[0][0]!r} has the day or the month first: none of its "
                f"{len(found)} dates has a number above 12 in either place.",
                "Set data.day_first: true (11/03 is the 11th of March) or false (November 3rd).",
            )
    return orders, " ".join(notes)


def _moment(value: Any, orders: dict[str, bool]) -> datetime | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, datetime):
        return _utc(value)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    text = str(value).strip()
    if _EPOCH.fullmatch(text):
        return _epoch(text)
    try:
        return _utc(datetime.fromisoformat(text)) or None
    except ValueError:
        return _spelled(text, orders)


def _epoch(text: str) -> datetime | None:
    """Seconds, milli-, micro- or nanoseconds since 1970, told by the number of digits."""
    digits = len(text.partition(".")[0])
    scale = 1 if digits <= 10 else 10**3 if digits <= 13 else 10**6 if digits <= 16 else 10**9
    return datetime.fromtimestamp(float(text) / scale, UTC)


def _spelled(text: str, orders: dict[str, bool]) -> datetime | None:
    if re.fullmatch(r"(19|20)\d\d", text):
        return datetime(int(text), 1, 1, tzinfo=UTC)
    if found := _YEAR_FIRST.fullmatch(text):
        return _built(found[1], found[2], found[3] or "1", found[4])
    if found := _NUMERIC.fullmatch(text):
        day, month = (found[1], found[3]) if orders.get(found[2], True) else (found[3], found[1])
        return _built(found[4], month, day, found[5])
    without_weekday = re.sub(r"^[^\W\d]+\.?, *", "", text)
    if found := _DAY_NAME.fullmatch(without_weekday):
        return _built(found[3], str(_MONTHS.get(found[2][:3].lower(), 0)), found[1], found[4])
    if found := _NAME_DAY.fullmatch(without_weekday):
        return _built(found[3], str(_MONTHS.get(found[1][:3].lower(), 0)), found[2], found[4])
    try:
        return _utc(parsedate_to_datetime(text))
    except (ValueError, TypeError):
        return None


def _built(year: str, month: str, day: str, clock: str) -> datetime | None:
    """A moment of its parts; None where they are none, such as a 31st of February or words behind the date."""
    full = int(year) if len(year) == 4 else int(year) + (1900 if int(year) >= _CENTURY_TURNS else 2000)
    hours = minutes = seconds = 0
    zone = "+0000"
    rest = clock.strip().lstrip(" ,T")
    if rest:
        found = _CLOCK.fullmatch(rest)
        if found is None:
            return None
        hours, minutes, seconds = int(found[1]), int(found[2]), int(found[3] or 0)
        if found[5]:
            hours = hours % 12 + (12 if found[5].lower() == "p" else 0)
        zone = found[6] or zone
    offset = "+0000" if zone.upper() in ("Z", "UTC", "GMT") else zone.replace(":", "")
    try:
        naive = datetime(full, int(month), int(day), hours, minutes, seconds)
        return datetime.strptime(f"{naive:%Y-%m-%d %H:%M:%S} {offset}", "%Y-%m-%d %H:%M:%S %z").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


_HINT = re.compile(
    r"(^|[_\W])(date|time|timestamp|created|received|sent|updated|day|datum|zeit|ts|at|on)($|[_\W])", re.I
)
_LIKE_ALL = 0.95
"""What reads as a date in so many of a column's filled values is a column of dates."""


def guess_date_column(columns: dict[str, Sequence[object]]) -> tuple[str | None, list[str]]:
    """The column that holds dates: the best by name, where several do.

    Args:
        columns: Name → values; None where a record lacks it.

    Returns:
        The column, or None when there is none or when several are alike; and all columns of dates.
    """
    found = []
    for name, values in columns.items():
        filled = [v for v in values if str("" if v is None else v).strip().lower() not in _NO_DATE]
        if len(filled) < max(2, len(values) / 2) or len({str(v) for v in filled}) < 2:
            continue
        numbers = all(re.fullmatch(r"[\d.]+", str(v)) and str(v).count(".") < 2 for v in filled)
        if numbers and not _hinted(name):
            continue  # an order number of ten digits is no date
        orders = dict.fromkeys("./-", True)
        readable = sum(
            _moment(v, orders) is not None or _moment(v, dict.fromkeys("./-", False)) is not None for v in filled
        )
        if readable >= _LIKE_ALL * len(filled):
            found.append(name)
    hinted = [name for name in found if _hinted(name)]
    best = found if len(found) == 1 else hinted
    return (best[0] if len(best) == 1 else None), found


def _hinted(name: str) -> bool:
    return bool(_HINT.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)))
