"""The JSON schema that a set of JSON objects keeps to: names, types and which fields are always there.

No more is read out of them: the values of a field in the training part need not be all that there are.
"""

from __future__ import annotations

from collections.abc import Sequence

from postgrad.evaluation.metrics.json_object import parse_object
from postgrad.json_types import JsonObject

DEEP = 8
"""Below so many levels anything goes."""
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}


def schema_of(references: Sequence[str]) -> JsonObject:
    """The schema of the objects in these texts; texts that are no object are left out."""
    return _of([found for r in references if (found := parse_object(r)) is not None], 0)


def _of(values: Sequence[object], level: int) -> JsonObject:
    """The schema of values that stand in one place."""
    if not values or level > DEEP:
        return {}
    objects = [v for v in values if isinstance(v, dict)]
    lists = [v for v in values if isinstance(v, list)]
    kinds = sorted({_TYPES[type(v)] for v in values if type(v) in _TYPES})
    if "number" in kinds and "integer" in kinds:
        kinds.remove("integer")
    options: list[JsonObject] = [{"type": kind} for kind in kinds]
    if objects:
        options.append(_object(objects, level))
    if lists:
        options.append({"type": "array", "items": _of([item for value in lists for item in value], level + 1)})
    return options[0] if len(options) == 1 else {"anyOf": options}


def _object(objects: Sequence[JsonObject], level: int) -> JsonObject:
    """The fields in the order in which they are first seen."""
    names = list(dict.fromkeys(name for one in objects for name in one))
    return {
        "type": "object",
        "properties": {n: _of([one[n] for one in objects if n in one], level + 1) for n in names},
        "required": [n for n in names if all(n in one for one in objects)],
        "additionalProperties": False,
    }
