"""Values of databases, Arrow and spreadsheets → what JSON can say: dates as ISO, decimals as their digits, no NaN, no
bytes."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

from postgrad.json_types import Json, JsonObject


class Plain:
    """Makes values plain, and remembers the columns of which bytes were left out."""

    def __init__(self) -> None:
        self._left_out: dict[str, int] = {}

    def row(self, values: Mapping[str, object]) -> JsonObject:
        """All values of a row, made plain."""
        return {key: self.value(value, key) for key, value in values.items()}

    def value(self, value: object, column: str) -> Json:
        """One value; `column` is blamed for bytes."""
        if value is None or isinstance(value, str | bool | int):
            return value
        if isinstance(value, float):
            return None if math.isnan(value) or math.isinf(value) else value
        if isinstance(value, dict):
            return {str(k): self.value(v, column) for k, v in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(v, column) for v in value]
        if isinstance(value, bytes | bytearray | memoryview):
            return self._bytes(bytes(value), column)
        return scalar(value)

    def notes(self) -> list[str]:
        """What was left out."""
        return [
            f"column {column!r} holds bytes that are no text in {count} {'row' if count == 1 else 'rows'}; they were"
            " left out"
            for column, count in self._left_out.items()
        ]

    def _bytes(self, value: bytes, column: str) -> str | None:
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            self._left_out[column] = self._left_out.get(column, 0) + 1
            return None


def scalar(value: object) -> str:
    """A date, time, duration, decimal or identifier as text."""
    if isinstance(value, dt.datetime):
        midnight = value.time() == dt.time() and value.tzinfo is None
        return value.date().isoformat() if midnight else value.isoformat()
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else ""
    if isinstance(value, dt.timedelta | UUID):
        return str(value)
    return str(value)
