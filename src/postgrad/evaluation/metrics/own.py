"""A metric of the user's: a Python function in a file of theirs. It runs in this process, so it must be switched on."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from postgrad.errors import DataError, UsageError
from postgrad.evaluation.metrics.support.metric import Case, Means, Measured, Metric
from postgrad.records import to_dict

SWITCH = "evaluation.own_code: true in the recipe, or --set evaluation.own_code=true"


def own(means: Means, file: str, function: str) -> Metric:
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
    work = _load(Path(file), function)

    def measure(cases: Sequence[Case]) -> Measured:
        return Measured(tuple(_checked(work, case, f"{file}:{function}") for case in cases))

    return Metric(function, measure, title=f"your function {function}")


def _load(path: Path, function: str) -> Callable[[str, str, dict[str, Any]], Any]:
    spec = importlib.util.spec_from_file_location(f"postgrad_own_{path.stem}", path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise UsageError(f"The metric file {str(path)!r} is not there.", "Write --metric path/to/file.py:function.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"{str(path)!r} cannot be loaded: {type(error).__name__}: {error}") from error
    work = getattr(module, function, None)
    if not callable(work):
        names = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
        raise UsageError(
            f"{str(path)!r} has no function {function!r}.", f"Its functions: {', '.join(names) or 'none'}."
        )
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
