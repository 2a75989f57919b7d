"""Checks, metrics, arms and objectives that a Python call is given as objects: named, and kept apart from postgrad's
own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from postgrad.arm_kinds import ArmKind, Ask, arm_kinds, arm_of
from postgrad.checks import names_of_checks
from postgrad.errors import UsageError
from postgrad.evaluation.metrics import ASKING, METRICS, Metric
from postgrad.extensions import Given, UnfitError
from postgrad.findings import Check
from postgrad.fingerprint import fingerprint
from postgrad.objectives import ObjectiveSpec, objectives

OwnMetric: TypeAlias = str | Metric | Callable[..., float]
"""A metric's spelling, a metric, or a function of (answer, reference) or (answer, reference, record) → 0 to 1."""
OwnChecks: TypeAlias = Sequence[Check] | Mapping[str, Check]
"""Checks; in a mapping under names of their own, or the names of checks that they replace."""
OwnArms: TypeAlias = Sequence[str | Ask | ArmKind]
"""Names of arms; a function of a record → the request, which goes by its own name; or an `ArmKind` with a function as
`maker` or `ask`, whose name it gets."""
OwnObjective: TypeAlias = str | ObjectiveSpec
"""An objective's name, or what it is."""


class Own(NamedTuple):
    """How the recipe spells what a call was given, and what that was.

    Attributes:
        metric: None where none was named.
        arms: None where none were named.
        objective: None where none was named.
    """

    metric: str | None
    arms: list[str] | None
    objective: str | None
    given: Given


def given_of(
    metric: OwnMetric | None = None,
    checks: OwnChecks = (),
    arms: OwnArms | None = None,
    objective: OwnObjective | None = None,
) -> Own:
    """What a call was given, by names.

    Raises:
        UsageError: one has no name, or the name of another.
    """
    spelled, metrics = _named_metric(metric)
    named_arms, own_arms = _named_arms(arms)
    goal, specs = _named_objective(objective)
    return Own(spelled, named_arms, goal, Given(_named_checks(checks), metrics, own_arms, specs))


def _named_metric(metric: OwnMetric | None) -> tuple[str | None, dict[str, object]]:
    if metric is None or isinstance(metric, str):
        return metric, {}
    name = metric.name if isinstance(metric, Metric) else _name(metric, "metric")
    if not isinstance(metric, Metric):
        _refuse_taken(name, (*METRICS, *ASKING), "a metric")
    # by its code too, so that what was kept under another function of that name is not taken for this one's
    spelled = f"{name}@{fingerprint(metric)}"
    return spelled, {spelled: metric}


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


def _named_arms(arms: OwnArms | None) -> tuple[list[str] | None, dict[str, object]]:
    """(all by name, those that are given as objects). What was measured is kept by what was asked, so an arm needs no
    other name when its function changes."""
    if arms is None:
        return None, {}
    names: list[str] = []
    own: dict[str, object] = {}
    for arm in arms:
        if isinstance(arm, str):
            names.append(arm)
            continue
        name = _name((arm.ask or arm.maker) if isinstance(arm, ArmKind) else arm, "arm")
        _refuse_taken(name, [*arm_kinds(), *own], "an arm")
        try:
            own[name] = arm_of(name, arm)
        except UnfitError as error:
            raise UsageError(f"The arm {name!r} is {error}.", "Give a function of a record, or an ArmKind.") from error
        names.append(name)
    return names, own


def _named_objective(given: OwnObjective | None) -> tuple[str | None, dict[str, object]]:
    """Its name, and what it is where that was given; it may be that of an installed package itself, but not another one
    under its name."""
    if given is None or isinstance(given, str):
        return given, {}
    if not isinstance(given, ObjectiveSpec):
        raise UsageError(f"The objective is {given!r}, which is no ObjectiveSpec.", "Give its name, or its spec.")
    known = objectives()
    if given.name in known and known[given.name] is not given:
        _refuse_taken(given.name, known, "an objective")
    return given.name, {given.name: given}


def _refuse_taken(name: str, names: Collection[str], what: str) -> None:
    if name in names:
        raise UsageError(f"There is {what} named {name!r} already.", "Give yours another name.")


def _name(given: object, kind: str) -> str:
    if not callable(given):
        raise UsageError(f"The {kind} {given!r} cannot be called.", f"Give a function, or the name of a {kind}.")
    name = getattr(given, "__name__", type(given).__name__)
    if name.isidentifier():
        return name
    raise UsageError(f"The {kind} requires a name, and {name} is none.", "Define it with def.")
