"""Schemas of answers: what OpenAI's `strict` demands of one, and how the others are read so that answers come to an
end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from postgrad.json_types import JsonMapping, JsonObject

_INSIDE = ("items", "not", "if", "then", "else", "contains", "additionalProperties")
_LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")
_NAMED = ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas")


def strict_fault(schema: JsonMapping) -> str:
    """What `strict` has against a schema, in OpenAI's words; empty where nothing is."""
    if schema.get("type") != "object" and "$ref" not in schema:
        return "schema must be a JSON Schema of 'type: \"object\"'"
    for where, part in _objects(schema, ()):
        place = f"In context=({', '.join(map(repr, where))})"
        if part.get("additionalProperties") is not False:
            return f"{place}, 'additionalProperties' is required to be supplied and to be false"
        named, required = part.get("properties") or {}, part.get("required") or ()
        if not isinstance(named, dict) or not isinstance(required, list | tuple):
            return f"{place}, 'properties' must be an object and 'required' an array"
        missing = [name for name in named if name not in required]
        if missing:
            return (
                f"{place}, 'required' is required to be supplied and to be an array including every key in properties."
                f" Missing {missing[0]!r}"
            )
    return ""


def closed(schema: JsonMapping) -> JsonObject:
    """The same, where objects that name their properties and say nothing of others have no others: a model that may
    invent keys for ever does."""
    return dict(schema) if _combines(schema) else _closed(schema)


def _combines(part: Any) -> bool:
    """Whether several schemas speak of one object anywhere: closing one of them would shut out what another names."""
    if isinstance(part, list):
        return any(map(_combines, part))
    if not isinstance(part, dict):
        return False
    if any(key in part for key in ("allOf", "anyOf", "oneOf", "not", "if", "$ref", "dependentSchemas")):
        return True
    named, required = part.get("properties"), part.get("required")
    if isinstance(named, dict) and isinstance(required, list) and any(name not in named for name in required):
        return True
    return any(map(_combines, part.values()))


def _closed(part: Any) -> Any:
    if not isinstance(part, dict):
        return part
    out = dict(part)
    for key in (*_INSIDE, "prefixItems"):  # of what combines schemas there is none here
        if key in out:
            out[key] = [_closed(p) for p in out[key]] if isinstance(out[key], list) else _closed(out[key])
    for key in _NAMED:
        if isinstance(out.get(key), dict):
            out[key] = {name: _closed(p) for name, p in out[key].items()}
    if isinstance(out.get("properties"), dict) and out["properties"] and "patternProperties" not in out:
        out.setdefault("additionalProperties", False)
    return out


def _objects(part: Any, where: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], JsonObject]]:
    """Every object's schema in a schema, with the way to it."""
    if not isinstance(part, dict):
        return
    kind = part.get("type")
    if kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in part:
        yield where, part
    for key in _INSIDE:
        yield from _objects(part.get(key), (*where, key))
    for key in _LISTED:
        for place, inside in enumerate(part.get(key) or () if isinstance(part.get(key), list) else ()):
            yield from _objects(inside, (*where, key, str(place)))
    for key in _NAMED:
        for name, inside in (part.get(key) or {}).items() if isinstance(part.get(key), dict) else ():
            yield from _objects(inside, (*where, key, name))
