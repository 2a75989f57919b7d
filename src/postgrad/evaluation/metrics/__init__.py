"""The metrics by name. One more metric is one more file, one line here and one test."""

from __future__ import annotations

from collections.abc import Callable

from postgrad.errors import UsageError
from postgrad.evaluation.metrics.chrf import chrf
from postgrad.evaluation.metrics.exact_match import exact_match
from postgrad.evaluation.metrics.json_object import json_fields, json_match, json_valid
from postgrad.evaluation.metrics.label import label
from postgrad.evaluation.metrics.metric import Metric
from postgrad.evaluation.metrics.numeric import numeric
from postgrad.evaluation.metrics.rouge_l import rouge_l
from postgrad.evaluation.metrics.token_f1 import token_f1

METRICS: dict[str, Callable[[], Metric]] = {
    "exact_match": exact_match,
    "label": label,
    "json_match": json_match,
    "json_fields": json_fields,
    "json_valid": json_valid,
    "numeric": numeric,
    "token_f1": token_f1,
    "chrf": chrf,
    "rouge_l": rouge_l,
}


def metric_named(name: str) -> Metric:
    """The metric of that name with its default options.

    Raises:
        UsageError: There is none; the message lists the names and the nearest.
    """
    if name in METRICS:
        return METRICS[name]()
    from difflib import get_close_matches

    near = get_close_matches(name.lower().replace("-", "_"), METRICS, n=1, cutoff=0.5)
    guess = f"; did you mean {near[0]!r}?" if near else "."
    raise UsageError(f"There is no metric {name!r}{guess}", f"Metrics: {', '.join(METRICS)}.")


__all__ = ["METRICS", "Metric", "metric_named"]
