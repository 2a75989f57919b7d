"""JSON objects: does the answer parse, how many fields are right, is the whole object right.

The answer must *be* the object: only whitespace and one ``` fence around it are forgiven, because what reads the answer
in production forgives no more. The order of keys never counts; the order of lists counts unless told otherwise.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from postgrad.evaluation.metrics.support.fences import unfenced
from postgrad.evaluation.metrics.support.metric import Case, Metric, MetricResult, each, lacking
from postgrad.json_types import JsonObject

_NUMERAL = re.compile(r"[-+]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][-+]?\d{1,2})?")
_ENOUGH = 0.95
"""The share of references that must be objects; the few others are faults of the data, not another kind of task."""


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def parse_object(text: str) -> JsonObject | None:
    """The object that `text` is as a whole, or None."""
    try:
        value = json.loads(unfenced(text.strip()), parse_constant=_refuse)
    except (ValueError, RecursionError):  # RecursionError: a model stuck on "[[[[…"
        return None
    return value if isinstance(value, dict) else None


def are_objects(references: Sequence[str]) -> bool:
    """Whether the references are JSON objects, a few broken ones aside."""
    return bool(references) and sum(parse_object(r) is not None for r in references) >= _ENOUGH * len(references)


def _unfit(cases: Sequence[Case]) -> str:
    return lacking(
        cases, "reference answers are JSON objects", lambda c: parse_object(c.reference) is not None, _ENOUGH
    )


@dataclass(frozen=True, slots=True)
class Same:
    """When two JSON values are the same: 1 is 1.0, but true is not 1 (as it is in Python).

    Attributes:
        ignore_list_order: Lists are the same in any order.
        text_numbers: "12.50" is the same as 12.5.
        tolerance: Numbers may differ by so much.
    """

    ignore_list_order: bool = False
    text_numbers: bool = False
    tolerance: float = 0.0

    def __call__(self, left: Any, right: Any) -> bool:
        if isinstance(left, dict) and isinstance(right, dict):
            return left.keys() == right.keys() and all(self(left[key], right[key]) for key in left)
        if isinstance(left, list) and isinstance(right, list):
            return len(left) == len(right) and self._lists(left, right)
        if isinstance(left, bool) or isinstance(right, bool):
            return left is right
        if self.text_numbers:
            left, right = _number(left), _number(right)
        if isinstance(left, int | float) and isinstance(right, int | float):
            return left == right or abs(left - right) <= self.tolerance
        return left == right

    def _lists(self, left: list[Any], right: list[Any]) -> bool:
        if not self.ignore_list_order:
            return all(self(a, b) for a, b in zip(left, right, strict=True))
        rest = list(right)
        for item in left:
            at = next((i for i, other in enumerate(rest) if self(item, other)), None)
            if at is None:
                return False
            del rest[at]
        return True


def _number(value: Any) -> Any:
    """The number that a text spells, else the value itself."""
    if isinstance(value, str) and _NUMERAL.fullmatch(value.strip()):
        return float(value)
    return value


def json_match(*, ignore_list_order: bool = False, text_numbers: bool = False, tolerance: float = 0.0) -> Metric:
    """1 where the whole object equals the reference's; the options are those of `Same`."""
    same = Same(ignore_list_order, text_numbers, tolerance)

    def score(answer: str, reference: str) -> float:
        left, right = parse_object(answer), parse_object(reference)
        return float(left is not None and same(left, right))

    return Metric(
        "json_match",
        each(score),
        title="whole objects right",
        right_or_wrong=True,
        unfit=_unfit,
        parts=lambda cases: _fields_right(cases, same),
    )


def json_fields(*, ignore_list_order: bool = False, text_numbers: bool = False, tolerance: float = 0.0) -> Metric:
    """The share of top-level fields that are right, of all fields in either object: invented fields count against.

    The share of right values stands in the details for every field of the references, rarest right first.
    """
    same = Same(ignore_list_order, text_numbers, tolerance)

    def measure(cases: Sequence[Case]) -> MetricResult:
        scores: list[float] = []
        hits: Counter[str] = Counter()
        wanted: Counter[str] = Counter()
        for case in cases:
            left, right = parse_object(case.answer), parse_object(case.reference)
            right_keys = [
                k for k in (left or {}).keys() & (right or {}).keys() if same((left or {})[k], (right or {})[k])
            ]
            keys = (left or {}).keys() | (right or {}).keys()
            both = left is not None and right is not None
            scores.append((len(right_keys) / len(keys) if keys else 1.0) if both else 0.0)
            hits.update(right_keys)
            wanted.update((right or {}).keys())
        order = sorted(wanted, key=lambda key: (hits[key] / wanted[key], key))
        fields = {key: {"right": hits[key] / wanted[key], "n": wanted[key]} for key in order}
        return MetricResult(tuple(scores), details={"fields": fields})

    return Metric(
        "json_fields", measure, title="fields right", unfit=_unfit, parts=lambda cases: _fields_right(cases, same)
    )


def _fields_right(cases: Sequence[Case], same: Same) -> dict[str, tuple[float, ...]]:
    """1 for each case that has a field right, by field: those that nearly all references have, in their order.

    A field that the reference lacks is right where the answer, an object, lacks it too.
    """
    objects = [(parse_object(case.answer), parse_object(case.reference) or {}) for case in cases]
    counts = Counter(key for _, right in objects for key in right)
    absent = object()

    def right(key: str, answer: JsonObject | None, reference: JsonObject) -> float:
        return float(answer is not None and same(answer.get(key, absent), reference.get(key, absent)))

    names = [key for key, count in counts.items() if count >= _ENOUGH * len(cases)]
    return {key: tuple(right(key, *pair) for pair in objects) for key in names}


def json_valid() -> Metric:
    """1 where the answer is a JSON object at all."""
    score = each(lambda answer, _: float(parse_object(answer) is not None))
    return Metric("json_valid", score, title="valid JSON", right_or_wrong=True, unfit=_unfit, judges_form=True)
