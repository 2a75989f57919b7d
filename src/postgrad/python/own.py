"""Checks and metrics that a Python call is given as objects: named, and kept apart from postgrad's own."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import CodeType
from typing import Any, TypeAlias

from postgrad.checks import names_of_checks
from postgrad.errors import UsageError
from postgrad.evaluation.metrics import ASKING, METRICS, Metric
from postgrad.extensions import Given
from postgrad.findings import Check

OwnMetric: TypeAlias = str | Metric | Callable[..., float]
"""A metric's spelling, a metric, or a function of (answer, reference) or (answer, reference, record) → 0 to 1."""
OwnChecks: TypeAlias = Sequence[Check] | Mapping[str, Check]
"""Checks; in a mapping under names of their own, or the names of checks that they replace."""


def given_of(metric: OwnMetric | None, checks: OwnChecks) -> tuple[str | None, Given]:
    """(how the recipe spells the metric, what the call was given).

    Raises:
        UsageError: one has no name, or the name of another.
    """
    named = _named_checks(checks)
    if metric is None or isinstance(metric, str):
        return metric, Given(checks=named)
    name = metric.name if isinstance(metric, Metric) else _name(metric, "metric")
    if not isinstance(metric, Metric) and name in (*METRICS, *ASKING):
        raise UsageError(f"postgrad has a metric named {name!r} already.", "Give your function another name.")
    # by its code too, so that what was kept under another function of that name is not taken for this one's
    spelled = f"{name}@{_fingerprint(metric)}"
    return spelled, Given(named, {spelled: metric})


def _named_checks(checks: OwnChecks) -> dict[str, Check]:
    if isinstance(checks, Mapping):
        return dict(checks)
    named: dict[str, Check] = {}
    for check in checks:
        name = _name(check, "check")
        if name in named or name in names_of_checks():
            raise UsageError(
                f"There are two checks named {name!r}.",
                f"Name yours: checks={{'my_{name}': …}}; to replace postgrad's: checks={{{name!r}: …}}.",
            )
        named[name] = check
    return named


def _name(given: Callable[..., Any], kind: str) -> str:
    if not callable(given):
        raise UsageError(f"The {kind} {given!r} cannot be called.", f"Give a function, or the name of a {kind}.")
    name = getattr(given, "__name__", type(given).__name__)
    if name.isidentifier():
        return name
    raise UsageError(f"A {kind} requires a name, and {name} is none.", "Define it with def.")


def _fingerprint(given: object) -> str:
    """Eight hex digits of what a function does: its code, constants, defaults and enclosed values."""
    return hashlib.sha256("\n".join(_parts(given)).encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _parts(given: object) -> Iterator[str]:
    if isinstance(given, functools.partial):
        yield repr((given.args, given.keywords))
        yield from _parts(given.func)
    elif isinstance(given, Metric):
        yield given.name
        yield from _parts(given.measure)
    elif isinstance(code := getattr(given, "__code__", None), CodeType):
        yield from _code(code)
        yield repr((getattr(given, "__defaults__", None), getattr(given, "__kwdefaults__", None)))
        for cell in getattr(given, "__closure__", None) or ():
            yield from _parts(cell.cell_contents)
    elif hasattr(given, "__dict__") and callable(given):
        yield f"{type(given).__qualname__} {vars(given)!r}"
        yield from _parts(type(given).__call__)
    else:
        yield repr(given)


def _code(code: CodeType) -> Iterator[str]:
    yield code.co_code.hex() + repr(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code(constant)
        else:
            yield repr(constant)
