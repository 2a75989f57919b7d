"""JSON schemas that cannot run without end: a schema, and what is held against it, may come from anybody.

Patterns are matched by RE2, which needs no more than linear time; every other step of jsonschema is counted, and a
check that needs too many of them is given up and said. References never open the network.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from postgrad.json_types import JsonMapping, well_formed

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

STEPS = 2_000_000
"""Steps of one check: a few seconds at the most. A usual object takes a few hundred."""
MOST_PATTERNS = 100
MOST_FAULTS = 100
"""More are not listed."""
_PER_STEP = 64  # characters of a text that count as one step
_UNICODE = re.compile(r"((?:^|[^\\])(?:\\\\)*)\\u([0-9A-Fa-f]{4})")
_work = threading.local()  # what the check of this thread may still spend


class TooCostlyError(ValueError):
    """A check that would take too long."""


class BoundedSchema:
    """A JSON schema; `faults` holds values against it.

    Args:
        schema: The schema.
        dialect: Its `$schema` where None, else the URI of the dialect that it is read by.

    Raises:
        ValueError: it is not valid, has a pattern that RE2 does not know, or would take too long to look through.
    """

    def __init__(self, schema: JsonMapping | bool, dialect: str | None = None) -> None:
        from jsonschema.validators import Draft202012Validator, validator_for
        from referencing import Registry

        named = {"$schema": dialect} if dialect else schema
        kind = _bounded(validator_for(named, default=Draft202012Validator))
        nodes = _nodes(schema, STEPS)
        wrong = _run(kind(kind.META_SCHEMA, registry=Registry()), schema, 1, most=1)
        if wrong:
            raise ValueError(wrong[0].message[:300])
        # what a reference costs: it is looked for in the whole schema, unless it says the way from the schema's root
        self._lookup = nodes if _refuse_unbounded(schema) else 1
        self._validator = kind(schema, registry=Registry())

    def faults(self, value: object, most: int = MOST_FAULTS) -> list[ValidationError]:
        """What the schema says against a value; empty where it accepts.

        Raises:
            ValueError: the check takes too long, or the schema refers to what is not in it.
        """
        return _run(self._validator, value, self._lookup, most)


def _run(validator: Any, value: object, nodes: int, most: int) -> list[ValidationError]:
    from jsonschema.exceptions import UnknownType
    from referencing.exceptions import Unresolvable

    _work.left, _work.nodes = STEPS, nodes
    found = []
    try:
        with contextlib.closing(validator.iter_errors(value)) as errors:
            for error in errors:
                found.append(error)
                if len(found) >= most:
                    break
    except Unresolvable as error:
        raise ValueError(f"the schema refers to what is not in it: {error}"[:300]) from error
    except RecursionError as error:
        raise ValueError("the schema or the value is nested too deeply") from error
    except (TypeError, AttributeError, ArithmeticError, KeyError, UnknownType) as error:
        raise ValueError(f"the schema cannot be followed ({type(error).__name__})") from error
    return found


def _spend(steps: int) -> None:
    _work.left -= steps
    if _work.left < 0:
        raise TooCostlyError("the check takes too long: the schema has too many alternatives for a value of this size")


def _size(value: object) -> int:
    if isinstance(value, list | dict):
        return len(value)
    if isinstance(value, str):
        return len(value) // _PER_STEP
    return value.bit_length() // _PER_STEP if isinstance(value, int) else 0


def _nodes(value: object, most: int) -> int:
    """How many values are in a value, itself included; counted to a limit."""
    count, waiting = 0, [value]
    while waiting and count <= most:
        part = waiting.pop()
        count += 1 + (_size(part) if isinstance(part, str | int) else 0)
        if isinstance(part, list | dict):
            waiting.extend(part.values() if isinstance(part, dict) else part)
    return count


@functools.cache
def _bounded(kind: Any) -> Any:
    """A dialect whose keywords are counted and match by RE2."""
    from attrs import fields
    from jsonschema.validators import extend

    own = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "uniqueItems": _unique_items,
        "multipleOf": _multiple_of(kind.VALIDATORS["multipleOf"]) if "multipleOf" in kind.VALIDATORS else None,
    }
    used = {name: own.get(name) or check for name, check in kind.VALIDATORS.items()}
    bounded = extend(kind, {name: _counted(name, check) for name, check in used.items()})

    def evolve(self: Any, **changes: Any) -> Any:
        """Stays of this class: a schema inside cannot choose another by a `$schema` of its own."""
        inside = changes.get("schema")
        _spend(len(inside) if isinstance(inside, dict) else 1)
        kept = {field.alias: getattr(self, field.name) for field in fields(bounded) if field.init}
        return bounded(**{**kept, **changes})

    bounded.evolve = evolve
    return bounded


def _counted(name: str, check: Callable[..., Iterator[ValidationError] | None]) -> Callable[..., Any]:
    def run(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        steps = 1 + _size(value) + _size(instance)
        if name in ("enum", "const"):
            steps += (_size(value) if name == "enum" else 1) * _nodes(instance, STEPS)
        elif name.startswith("unevaluated"):
            steps += _size(instance) ** 2
        elif name in ("$ref", "$dynamicRef", "$recursiveRef"):
            steps += str(value).count("/") ** 2 + _work.nodes
        _spend(steps)
        for error in check(validator, value, instance, schema) or ():
            _spend(1 + len(error.message) // _PER_STEP)
            yield error

    return run


def _refuse_unbounded(schema: object) -> bool:
    """Compiles all that may be a pattern; says whether references have to be looked for.

    Raises:
        ValueError: a pattern has what RE2 does not know, or keywords stand together that jsonschema follows by itself.
    """
    waiting, keys, patterns_of_all, sought = [schema], set[str](), set[str](), False
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            keys |= part.keys()
            patterns = [part["pattern"]] if isinstance(part.get("pattern"), str) else []
            by_pattern = part.get("patternProperties")
            for pattern in [*patterns, *(by_pattern if isinstance(by_pattern, dict) else ())]:
                patterns_of_all.add(pattern)
                if len(patterns_of_all) > MOST_PATTERNS:
                    raise ValueError(f"a schema may have {MOST_PATTERNS} patterns here")
                _compiled(pattern)
            references = [part.get(key) for key in ("$ref", "$dynamicRef", "$recursiveRef") if key in part]
            sought = sought or "$id" in part or any(not str(r).startswith("#/") for r in references)
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
    if {"unevaluatedProperties", "unevaluatedItems"} & keys and {"patternProperties", "dependentSchemas"} & keys:
        raise ValueError(
            "'unevaluatedProperties' and 'unevaluatedItems' cannot be used together with 'patternProperties' or"
            " 'dependentSchemas' here"
        )
    return sought


@functools.lru_cache(maxsize=128)
def _compiled(pattern: str) -> Any:
    """A pattern of JSON schema (ECMA 262) for RE2.

    Raises:
        ValueError: RE2 does not know it.
    """
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = 2 << 20
    try:
        return re2.compile(_UNICODE.sub(r"\1\\x{\2}", well_formed(pattern)), options)
    except re2.error as error:
        why = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
        raise ValueError(
            f"the pattern {pattern[:80]!r} cannot be used ({why}): look-around, back-references and repetitions above"
            " 1,000 are not taken, because they can run without end"
        ) from error


def _found(pattern: str, text: str) -> bool:
    return _compiled(pattern).search(well_formed(text)) is not None


def _pattern(validator: Any, pattern: str, instance: Any, _: Any) -> Iterator[ValidationError]:
    from jsonschema.exceptions import ValidationError

    if validator.is_type(instance, "string") and not _found(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, properties: Mapping[str, Any], instance: Any, _: Any) -> Iterator[Any]:
    if not validator.is_type(instance, "object"):
        return
    for pattern, inside in properties.items():
        _spend(len(instance))
        for key, value in instance.items():
            if _found(pattern, key):
                yield from validator.descend(value, inside, path=key, schema_path=pattern)


def _additional_properties(validator: Any, rule: Any, instance: Any, schema: Mapping[str, Any]) -> Iterator[Any]:
    from jsonschema.exceptions import ValidationError

    if not validator.is_type(instance, "object"):
        return
    patterns = schema.get("patternProperties", {})
    _spend(len(instance) * (1 + len(patterns)))
    known = schema.get("properties", {})
    extras = [key for key in instance if key not in known and not any(_found(p, key) for p in patterns)]
    if validator.is_type(rule, "object"):
        for key in extras:
            yield from validator.descend(instance[key], rule, path=key)
    elif not rule and extras:
        names = ", ".join(repr(key) for key in sorted(extras))
        yield ValidationError(f"Additional properties are not allowed ({names} unexpected)")


def _unique_items(validator: Any, wanted: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
    from jsonschema.exceptions import ValidationError

    if not wanted or not validator.is_type(instance, "array"):
        return
    _spend(_nodes(instance, STEPS))
    seen = set[str]()
    for item in instance:
        text = json.dumps(_canonical(item), sort_keys=True)
        if text in seen:
            yield ValidationError(f"{instance!r} has non-unique elements")
            return
        seen.add(text)


def _canonical(value: Any) -> Any:
    """Equal numbers in one spelling: 1.0 is 1, and neither is true."""
    if isinstance(value, dict):
        return {key: _canonical(inside) for key, inside in value.items()}
    if isinstance(value, list):
        return [_canonical(inside) for inside in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _multiple_of(check: Callable[..., Any]) -> Callable[..., Iterator[ValidationError]]:
    def run(validator: Any, divisor: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        from jsonschema.exceptions import ValidationError

        try:
            yield from check(validator, divisor, instance, schema) or ()
        except OverflowError:  # a whole number beyond what a float holds
            if (Fraction(instance) / Fraction(divisor)).denominator != 1:
                yield ValidationError(f"{instance!r} is not a multiple of {divisor}")

    return run
