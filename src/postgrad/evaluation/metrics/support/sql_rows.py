"""Rows made for a schema that comes without any: such that the queries in question find something, and near misses too.

The values that a query compares a column with go into that column. The first rows of each table satisfy all such
comparisons and share small keys, so that joins meet; in the others single values are off.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from postgrad.evaluation.metrics.support.sql_text import compared, literals

ROWS = 40
_WITNESSES = 8
_KEYS = 4
Value = str | float | int | None


@dataclass(frozen=True, slots=True)
class SqlColumn:
    """A column: its declared type in capitals, and whether it is (part of) the primary key."""

    name: str
    kind: str
    key: bool = False


@dataclass(frozen=True)
class Makers:
    """Makes rows for the tables of one database.

    Attributes:
        near: By column, in small letters: the values that the queries compare it with, and their neighbours.
        loose: Values that the queries name anywhere.
    """

    near: Mapping[str, tuple[Value, ...]]
    loose: tuple[Value, ...]
    dice: random.Random

    @classmethod
    def of(cls, queries: str, seed: int) -> Makers:
        """For these queries."""
        numbers, texts = literals(queries)
        near = {column: tuple(dict.fromkeys(values)) for column, values in compared(queries).items()}
        return cls(near, (*texts, *numbers), random.Random(seed))

    def rows(self, columns: list[SqlColumn]) -> Iterator[list[Value]]:
        """All rows of one table."""
        for number in range(ROWS):
            yield [self._value(column, number, number < _WITNESSES) for column in columns]

    def _value(self, column: SqlColumn, number: int, witness: bool) -> Value:
        near = self.near.get(column.name.lower(), ())
        if column.key and not near:
            return self._fresh(column, number)
        if near and (witness or self.dice.random() < 0.6):
            value = self.dice.choice(near)
            return value if witness or not isinstance(value, int | float) else value + self.dice.choice((-1, 0, 0, 1))
        if not witness and self.dice.random() < 0.05:
            return None
        if not witness and self.loose and self.dice.random() < 0.2:
            return self.dice.choice(self.loose)
        return self._fresh(column, number % _KEYS if witness else self.dice.randrange(3 * _KEYS))

    def _fresh(self, column: SqlColumn, number: int) -> Value:
        """A value by the declared type alone: the same number gives the same value in every table."""
        kind = column.kind
        if any(word in kind for word in ("INT", "SERIAL", "BOOL")):
            return number
        if any(word in kind for word in ("REAL", "FLOA", "DOUB", "NUM", "DEC")):
            return number + 0.5
        if "DATE" in kind or "TIME" in kind:
            return f"20{15 + number % 11}-0{1 + number % 9}-1{number % 10}"
        return f"{'abcdefgh'[number % 8]}{number}"
