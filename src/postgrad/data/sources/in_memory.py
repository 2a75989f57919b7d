"""Data that is in memory already: tables, dictionaries and records of a Python program, read as a file would be."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from postgrad.data.sources.json_values import Plain
from postgrad.data.sources.rows import Row, Rows, columns_of, name_columns
from postgrad.errors import DataError
from postgrad.records import Record, Source

MEMORY = "data"
"""What data without a file is called, in messages, and where a model is named after its data."""


@dataclass(frozen=True)
class InMemory:
    """What takes the place of a file: rows of which the shape is found as in a file, or records that are ready.

    It is path-like: its path is its name, so that what is named after a file can be named after it.
    """

    name: str = MEMORY
    rows: tuple[Rows, ...] = ()
    records: tuple[Record, ...] = ()

    def __fspath__(self) -> str:
        return self.name

    def __str__(self) -> str:
        return self.name


def in_memory(given: object, name: str = MEMORY) -> InMemory:
    """A table (polars, pandas, pyarrow), or any iterable of dictionaries or of records.

    Raises:
        DataError: it is none of these, is empty, or mixes dictionaries and records.
    """
    columns, items = _items(given)
    if not items:
        raise DataError(f"{name} is empty ({type(given).__name__}).", "Give one row, or one record, for each example.")
    kinds = {Record if isinstance(item, Record) else Mapping if isinstance(item, Mapping) else object for item in items}
    if kinds == {Record}:
        return InMemory(name, records=tuple(_placed(item, name, n) for n, item in enumerate(items, 1)))
    if kinds != {Mapping}:
        number, odd = next(
            (n, i) for n, i in enumerate(items, 1) if not isinstance(i, Record | Mapping) or len(kinds) > 1
        )
        raise DataError(
            f"{name}: item {number} is {type(odd).__name__} ({str(odd)[:60]!r})"
            + ("; dictionaries and records are mixed." if object not in kinds else "."),
            "Give a path, a table (polars, pandas, pyarrow), dictionaries like rows of a file, or records"
            " (pg.Conversation …).",
        )
    plain = Plain()
    rows: list[Row] = [(n, plain.row({str(k): _scalar(v) for k, v in item.items()})) for n, item in enumerate(items, 1)]
    names, notes = name_columns(columns or columns_of(rows), name)
    return InMemory(name, (Rows(name, "memory", tuple(rows), names, (*notes, *plain.notes())),))


def _items(given: Any) -> tuple[tuple[str, ...], list[Any]]:
    """(column names of a table, its rows or items); tables are known by what they can do, so none must be installed."""
    if hasattr(given, "to_pylist") and hasattr(given, "column_names"):  # pyarrow.Table
        return tuple(given.column_names), given.to_pylist()
    if hasattr(given, "collect") and hasattr(given, "collect_schema"):  # polars.LazyFrame
        given = given.collect()
    if hasattr(given, "iter_rows") and hasattr(given, "columns"):  # polars.DataFrame
        return tuple(given.columns), list(given.iter_rows(named=True))
    if hasattr(given, "to_dict") and hasattr(given, "columns"):  # pandas.DataFrame
        names, _ = tuple(map(str, given.columns)), name_columns(tuple(map(str, given.columns)), MEMORY)
        return names, given.to_dict("records")
    if isinstance(given, Mapping) or not isinstance(given, Iterable):
        raise DataError(
            f"{type(given).__name__} cannot be read as data.",
            "Give a path, a table (polars, pandas, pyarrow), or a list of dictionaries or records.",
        )
    return (), list(given)


def _scalar(value: Any) -> Any:
    """A number of numpy's as Python's own; a missing value of a table (NaN, NaT, NA) as None."""
    if type(value).__module__.partition(".")[0] in ("numpy", "pandas"):
        if hasattr(value, "tolist"):
            value = value.tolist()
        elif type(value).__name__ in ("NAType", "NaTType"):
            return None
    return value


def _placed(record: Record, name: str, number: int) -> Record:
    """The record with its place among what was given, where it does not know where it came from."""
    return record if record.source.file else replace(record, source=Source(name, number))


def sources(data: object) -> list[Any]:  # an address stays the text that it is where a path is declared
    """What a Python caller gave as data → paths, and in-memory data: one thing, or a sequence of paths and tables.

    Raises:
        DataError: it cannot be read as data.
    """
    if isinstance(data, InMemory | str) or hasattr(data, "__fspath__"):
        return [data]
    if isinstance(data, list | tuple) and data and all(_is_source(item) for item in data):
        numbers = itertools.count(1)
        return [
            item
            if isinstance(item, InMemory | str) or hasattr(item, "__fspath__")
            else in_memory(item, f"{MEMORY}-{next(numbers)}")
            for item in data
        ]
    return [in_memory(data)]


def _is_source(item: object) -> bool:
    """Whether something is a source of its own (a path, a table), not one record or row of one."""
    return isinstance(item, InMemory | str) or hasattr(item, "__fspath__") or hasattr(item, "columns")
