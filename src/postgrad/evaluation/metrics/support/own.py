"""A metric of the user's: a Python function, given as an object, by an installed package, or named in a file.

It runs in this process; what a file names must be switched on for that.
"""

from __future__ import annotations

import importlib.util
import inspect
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from postgrad.errors import DataError, UsageError
from postgrad.evaluation.metrics.support.metric import Case, Metric, MetricResources, MetricResult
from postgrad.records import to_dict

SWITCH = "evaluation.own_code: true in the recipe, or --set evaluation.own_code=true"


def own(means: MetricResources, file: str, function: str) -> Metric:
    """The metric `function(answer, reference, record) -> float` of a file; `record` is a plain dictionary.

    Args:
        means: `own_code` must be on.
        file: Path of a Python file.
        function: Name in it.

    Raises:
        UsageError: Code of the user's is not switched on, or the file or function is not there.
    """
    if not means.own_code:
        raise UsageError(
            f"The metric {file}:{function} is a program that would run on this machine with your rights.",
            f"If you trust it, switch it on: {SWITCH}.",
        )
    return as_metric(
        function, load_named(Path(file), function, "metric", "--metric path/to/file.py:function"), f"{file}:{function}"
    )


def as_metric(name: str, given: object, where: str = "") -> Metric:
    """A metric, or a function `(answer, reference, record) -> number` (or without `record`), as a metric.

    Args:
        name: In reports.
        given: What a user, or a factory of an installed package, gave.
        where: For messages.

    Raises:
        UsageError: it is neither.
    """
    if isinstance(given, Metric):
        return given
    if not callable(given):
        raise UsageError(
            f"The metric {where or name!r} is {given!r}, which cannot be called.",
            "Give a function of (answer, reference), or of (answer, reference, record), that returns 0 to 1.",
        )
    work = given if _takes_record(given) else lambda answer, reference, _: given(answer, reference)

    def measure(cases: Sequence[Case]) -> MetricResult:
        return MetricResult(tuple(_checked(work, case, where or f"The metric {name}") for case in cases))

    return Metric(name, measure, title=f"your function {name}", judges_form=True)


def _takes_record(work: Callable[..., Any]) -> bool:
    """Whether a function takes three arguments by place; where that cannot be seen, it does."""
    try:
        parameters = inspect.signature(work).parameters.values()
    except (TypeError, ValueError):
        return True
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return True
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters) >= 3


def load_named(path: Path, function: str, what: str, way: str) -> Callable[..., object]:
    """What a file of the user's calls so: its code runs.

    Args:
        function: A function, or a class.
        what: It is, for messages.
        way: How it is named.

    Raises:
        UsageError: the file or the name is not there.
    """
    spec = importlib.util.spec_from_file_location(f"postgrad_own_{path.stem}", path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise UsageError(f"The {what} file {str(path)!r} is not there.", f"Write {way}.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"{str(path)!r} cannot be loaded: {type(error).__name__}: {error}") from error
    work = getattr(module, function, None)
    if not callable(work):
        names = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
        kind, kinds = ("class", "classes") if what == "environment" else ("function", "functions")
        raise UsageError(f"{str(path)!r} has no {kind} {function!r}.", f"Its {kinds}: {', '.join(names) or 'none'}.")
    return work


def _checked(work: Callable[..., Any], case: Case, name: str) -> float:
    """One score.

    Raises:
        DataError: The function raised, or gave no number in [0, 1].
    """
    record = to_dict(case.record) if case.record is not None else {}
    where = case.record.source if case.record is not None else "one answer"
    try:
        value = work(case.answer, case.reference, record)
    except Exception as error:
        raise DataError(f"{name} failed at {where}: {type(error).__name__}: {error}", "Mend the function.") from error
    if isinstance(value, bool):
        return float(value)
    if not isinstance(value, int | float) or not math.isfinite(value) or not 0 <= value <= 1:
        raise DataError(f"{name} gave {value!r} at {where}.", "It must give a number from 0 (wrong) to 1 (right).")
    return float(value)
