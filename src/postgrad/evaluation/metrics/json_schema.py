"""JSON by schema: is the answer an object that the program behind it would accept, by jsonschema and without a
network."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from postgrad.errors import UsageError
from postgrad.evaluation.metrics.json_object import parse_object
from postgrad.evaluation.metrics.support.bounded_schema import BoundedSchema
from postgrad.evaluation.metrics.support.metric import Case, Metric, MetricResult
from postgrad.json_types import JsonMapping, JsonObject

_SHOWN = 8


def json_schema(*, schema: str | JsonObject = "") -> Metric:
    """1 where the answer is a JSON object that the schema accepts; how often each rule was broken stands in the
    details.

    Args:
        schema: A file with a JSON schema, or the schema itself.

    Raises:
        UsageError: No schema, or one that is not valid.
    """
    try:
        validator = BoundedSchema(_read(schema))
    except ValueError as error:
        raise UsageError(f"The JSON schema is not valid: {error}.", "See json-schema.org.") from error

    def measure(cases: Sequence[Case]) -> MetricResult:
        found = [_faults(validator, case.answer) for case in cases]
        counts = Counter(fault for faults in found for fault in set(faults))
        details = {"broken": dict(counts.most_common(_SHOWN))} if counts else {}
        return MetricResult(tuple(float(not faults) for faults in found), details=details)

    def unfit(cases: Sequence[Case]) -> str:
        bad = [f for c in cases if c.reference.strip() for f in _faults(validator, c.reference)[:1]]
        if len(bad) <= 0.05 * len(cases):
            return ""
        worst, _ = Counter(bad).most_common(1)[0]
        return f"the schema refuses {len(bad)} of {len(cases)} reference answers, most often because {worst}"

    return Metric(
        "json_schema", measure, title="accepted by the schema", right_or_wrong=True, unfit=unfit, judges_form=True
    )


def _faults(validator: BoundedSchema, text: str) -> list[str]:
    """What the schema says against a text, as short sentences without its values; empty where it accepts."""
    value = parse_object(text)
    if value is None:
        return ["it is no JSON object"]
    try:
        return [_sentence(error) for error in validator.faults(value)]
    except ValueError as error:
        return [f"the schema cannot be followed ({error})"]


def _sentence(error: Any) -> str:
    place = ".".join(str(p) for p in error.absolute_path if not isinstance(p, int)) or "the object"
    if error.validator == "required":
        missing = next((k for k in error.validator_value if k not in error.instance), "")
        return f"{place} lacks {missing!r}"
    return f"{place} breaks {error.validator!r}"


def _read(schema: str | JsonMapping) -> Any:
    if not schema:
        raise UsageError("json_schema needs a schema.", "Write json_schema(schema=schema.json).")
    if not isinstance(schema, str):
        return schema
    try:
        return json.loads(Path(schema).read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"The schema {schema!r} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"The schema {schema!r} is not JSON: {error}.") from error
