"""What is added to a table from outside: entry points of installed packages, and objects that a Python call was given.

A table (`CHECKS`, `METRICS` …) is a dictionary that you can see. `Extended` is that dictionary with what others offer
under an entry point group (`postgrad.checks`, `postgrad.metrics` …), and `calling` holds what one call of the Python
door was given, for the work of that call alone. Both come from code that the user installed or wrote into the call;
code named in a file (a recipe) stays off unless switched on.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, distributions
from pathlib import Path
from typing import TypeVar, cast

from postgrad.errors import UsageError
from postgrad.findings import Check

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Given:
    """What one call was given: checks and metrics by name."""

    checks: Mapping[str, Check] = field(default_factory=dict)
    metrics: Mapping[str, object] = field(default_factory=dict)


calling: ContextVar[Given] = ContextVar("postgrad_calling", default=Given())  # noqa: B039 - frozen
"""What the present call was given; set by the Python door in the context in which it drives the work."""


class Extended(Mapping[str, T]):
    """A table with what installed packages offer besides; an offered object is loaded when it is asked for.

    Args:
        group: The entry point group, for example `postgrad.checks`.
        table: The table of the house; its names cannot be taken by others.
        kind: What one of them is called in sentences: `check`.

    Raises:
        UsageError: two packages offer one name, or a name of the house.
    """

    def __init__(self, group: str, table: Mapping[str, T], kind: str) -> None:
        self._table, self._kind = table, kind
        self._offered = _offered(group, tuple(sys.path), str(Path.cwd()))
        for name, offers in self._offered.items():
            if name in table or len(offers) > 1:
                others = "postgrad already has one of that name" if name in table else "the name must be unique"
                raise UsageError(
                    f"The {kind} {name!r} is offered by {' and '.join(map(_package, offers))}; {others}.",
                    f"Uninstall it, or ask its author for another name: pip uninstall {_distribution(offers[-1])}",
                )

    def __getitem__(self, name: str) -> T:
        if name in self._table:
            return self._table[name]
        return cast(T, _loaded(self._offered[name][0], self._kind))

    def __iter__(self) -> Iterator[str]:
        return iter([*self._table, *self._offered])

    def __len__(self) -> int:
        return len(self._table) + len(self._offered)

    def origin(self, name: str) -> str:
        """Which package offers a name, for sentences; empty for the table's own."""
        return "" if name in self._table else _package(self._offered[name][0])


@cache
def _offered(group: str, paths: tuple[str, ...], here: str) -> Mapping[str, tuple[EntryPoint, ...]]:
    """The entry points of installed packages, by name.

    The working directory is left out although Python looks there too: a folder of data must not bring code with it.
    """
    folders = [path for path in paths if path and str(Path(path).resolve()) != here]
    found: dict[str, dict[str, EntryPoint]] = {}
    for package in distributions(path=folders):
        for point in package.entry_points.select(group=group):
            found.setdefault(point.name, {}).setdefault(package.name, point)  # the first on the path is the one used
    return {name: tuple(of.values()) for name, of in sorted(found.items())}


def _loaded(point: EntryPoint, kind: str) -> object:
    try:
        return point.load()
    except Exception as error:
        raise UsageError(
            f"The {kind} {point.name!r} of {_package(point)} ({point.value}) cannot be loaded:"
            f" {type(error).__name__}: {error}",
            f"Fix or update that package, or remove it: pip uninstall {_distribution(point)}",
        ) from error


def _package(point: EntryPoint) -> str:
    version = point.dist.version if point.dist else ""
    return f"the installed package {_distribution(point)} {version}".rstrip()


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "unknown"
