"""From the spelling of a metric to the metric: its factory is looked up, its options are checked against the
signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from postgrad.errors import UsageError
from postgrad.evaluation.metrics import ASKING, METRICS
from postgrad.evaluation.metrics.support.metric import Metric, MetricResources
from postgrad.evaluation.metrics.support.own import as_metric, own
from postgrad.evaluation.metrics.support.spec import read_spec
from postgrad.extensions import Extended, calling
from postgrad.json_types import JsonObject

M = TypeVar("M")


def metric_named(text: str, means: MetricResources | None = None) -> Metric:
    """The metric spelled as `name`, `name(option=value, …)`, `name:option=value`, `file.py:function` or `grader.json`.

    Raises:
        UsageError: There is none, an option is unknown or of the wrong kind, or it needs what `means` does not have.
            The message lists what there is and the nearest.
    """
    means = means or MetricResources()
    if text in (given := calling.get().metrics):
        return as_metric(text.partition("@")[0], given[text])
    spec = read_spec(text)
    if spec.function:
        return own(means, spec.name, spec.function)
    if spec.grader:
        from postgrad.evaluation.graders.as_metric import grader_metric  # here: pydantic takes a while

        return grader_metric(means, spec.name)
    if spec.name in METRICS:
        return _made(METRICS[spec.name], spec.name, spec.options)
    if spec.name in ASKING:
        return _made(lambda **options: ASKING[spec.name](means, **options), spec.name, spec.options, ASKING[spec.name])
    others: Extended[Callable[..., object]] = Extended("postgrad.metrics", {**METRICS, **ASKING}, "metric")
    if spec.name in others:
        return as_metric(spec.name, _made(others[spec.name], spec.name, spec.options))
    raise UsageError(f"There is no metric {text!r}{_near(spec.name, others)}", f"Metrics: {', '.join(others)}.")


def _near(name: str, names: Iterable[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name.lower().replace("-", "_"), list(names), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else "."


def _made(make: Callable[..., M], name: str, options: JsonObject, signature: Callable[..., M] | None = None) -> M:
    """Calls the factory with options that are of the kinds it names; every wrong one is said."""
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    hints = inspect.get_annotations(signature or make, eval_str=True)
    known = {
        option: hints.get(option, Any)
        for option, parameter in inspect.signature(signature or make).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    faults, values = [], {}
    for option, value in options.items():
        if option not in known:
            faults.append(f"{option}: no such option")
            continue
        try:
            values[option] = TypeAdapter(known[option], config=ConfigDict(coerce_numbers_to_str=True)).validate_python(
                value
            )
        except ValidationError as error:
            faults.append(f"{option} = {value!r}: {error.errors()[0]['msg']}")
    if faults:
        raise UsageError(
            f"Wrong options of the metric {name!r}:\n  " + "\n  ".join(faults),
            f"Options of {name}: {', '.join(known) or 'none'}.",
        )
    return make(**values)
