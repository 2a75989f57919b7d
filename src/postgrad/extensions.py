"""What is added to a table from outside: entry points of installed packages, and objects that a Python call was given.

A table (`CHECKS`, `METRICS` …) is a dictionary that you can see. `Extended` is that dictionary with what others offer
under an entry point group (`postgrad.checks`, `postgrad.metrics` …) and with what the present call was given; `calling`
holds that for the work of the call alone. Both come from code that the user installed or wrote into the call; code
named in a file (a recipe) stays off unless switched on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache, wraps
from importlib.metadata import EntryPoint, distributions
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

from postgrad.errors import DataError, PostgradError, UsageError
from postgrad.findings import Check

T = TypeVar("T")
R = TypeVar("R")
P = ParamSpec("P")
PREFIX = "postgrad."
"""How the groups of entry points begin."""


@dataclass(frozen=True, slots=True)
class Given:
    """What one call was given, by name: checks, metrics, arms and objectives."""

    checks: Mapping[str, Check] = field(default_factory=dict)
    metrics: Mapping[str, object] = field(default_factory=dict)
    arms: Mapping[str, object] = field(default_factory=dict)
    objectives: Mapping[str, object] = field(default_factory=dict)


calling: ContextVar[Given] = ContextVar("postgrad_calling", default=Given())  # noqa: B039 - frozen
"""What the present call was given; set by the Python door in the context in which it drives the work."""


@contextmanager
def in_call(given: Given) -> Iterator[None]:
    """Makes it what the present call was given, for as long as the block lasts."""
    token = calling.set(given)
    try:
        yield
    finally:
        calling.reset(token)


class UnfitError(Exception):
    """What an object is that cannot be taken; completes "The arm 'shouted' … is"."""


class Extended(Mapping[str, T]):
    """A table with what installed packages offer besides; an offered object is loaded when it is asked for.

    Args:
        group: The entry point group, for example `postgrad.checks`.
        table: The table of the house; its names cannot be taken by others.
        kind: What one of them is called in sentences: `check`.
        given: What the present call was given, as it is used.
        take: (name, what a package offers) → what is used of it; raises `UnfitError`. None: it is used as it is.

    Raises:
        UsageError: two packages offer one name, or a name of the house.
    """

    def __init__(
        self,
        group: str,
        table: Mapping[str, T],
        kind: str,
        given: Mapping[str, T] | None = None,
        take: Callable[[str, object], T] | None = None,
    ) -> None:
        self._table, self._kind, self._given, self._take = table, kind, given or {}, take
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
        if name in self._given:
            return self._given[name]
        return self._taken(name, self._offered[name][0])

    def __contains__(self, name: object) -> bool:
        return name in self._table or name in self._given or name in self._offered

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._table, *self._offered, *self._given]))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def origin(self, name: str) -> str:
        """Which package offers a name, for sentences; empty for the table's own and the call's."""
        return "" if name in self._table or name in self._given else _package(self._offered[name][0])

    def _taken(self, name: str, point: EntryPoint) -> T:
        loaded = _loaded(point, self._kind)
        if self._take is None:
            return cast(T, loaded)  # whoever asks looks at it: the group says what it should be, and nothing more
        try:
            return self._take(name, loaded)
        except UnfitError as error:
            raise UsageError(
                f"The {self._kind} {name!r} of {_package(point)} ({point.value}) is {error}.",
                f"docs/python.md says what belongs there. To remove the package: pip uninstall {_distribution(point)}",
            ) from error


def with_name(function: Callable[P, R], what: str, *passing: type[Exception]) -> Callable[P, R]:
    """The function of another package, whose faults are told under its name.

    Args:
        what: The beginning of the sentence: "The shape 'toys' of …".
        passing: Exceptions that are no faults.

    Raises (when it runs):
        DataError: it failed.
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except (PostgradError, *passing):
            raise
        except Exception as error:
            raise DataError(
                f"{what} failed: {type(error).__name__}: {error}", "Mend or update that package, or remove it."
            ) from error

    return run


def of_its_name(given: object, kind: type[T], name: str, attribute: str = "name") -> T:
    """What was given, where it is of that kind and calls itself by the name that it is offered under.

    Args:
        attribute: Where it says its name.

    Raises:
        UnfitError: it is of another kind, or calls itself otherwise.
    """
    article = "an" if kind.__name__[0] in "AEIOU" else "a"
    if not isinstance(given, kind):
        raise UnfitError(f"{given!r}, which is no {kind.__name__}")
    if (own := getattr(given, attribute)) != name:
        raise UnfitError(f"{article} {kind.__name__} that calls itself {own!r}")
    return given


@cache
def _offered(group: str, paths: tuple[str, ...], here: str) -> Mapping[str, tuple[EntryPoint, ...]]:
    """The entry points of a group by name; two packages may offer one name."""
    return {name: tuple(of.values()) for (its, name), of in sorted(_all_offered(paths, here).items()) if its == group}


@cache
def _all_offered(paths: tuple[str, ...], here: str) -> Mapping[tuple[str, str], Mapping[str, EntryPoint]]:
    """(group, name) → the entry points of installed packages, by package.

    The working directory is left out although Python looks there too: a folder of data must not bring code with it.
    """
    folders = [path for path in paths if path and str(Path(path).resolve()) != here]
    found: dict[tuple[str, str], dict[str, EntryPoint]] = {}
    for package in distributions(path=folders):
        for point in package.entry_points:
            if point.group.startswith(PREFIX):  # the first on the path is the one used
                found.setdefault((point.group, point.name), {}).setdefault(package.name, point)
    return found


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
