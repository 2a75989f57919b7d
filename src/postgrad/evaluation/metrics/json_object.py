"""JSON objects: does the answer parse, how many fields are right, is the whole object right.

The answer must *be* the object: only whitespace and one ``` fence around it are forgiven, because what reads the answer
in production forgives no more. The order of keys never counts; the order of lists counts unless told otherwise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from postgrad.evaluation.metrics.metric import Metric

_FENCE = re.compile(r"\A```[A-Za-z0-9]*[ \t]*\r?\n(.*?)\r?\n?[ \t]*```\Z", re.DOTALL)
_ENOUGH = 0.95
"""The share of references that must be objects; the few others are faults of the data, not another kind of task."""


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def parse_object(text: str) -> dict[str, Any] | None:
    """The object that `text` is as a whole, or None."""
    text = text.strip()
    fenced = _FENCE.match(text)
    if fenced:
        text = fenced.group(1)
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):  # RecursionError: a model stuck on "[[[[…"
        return None
    return value if isinstance(value, dict) else None


def are_objects(references: Sequence[str]) -> bool:
    """Whether the references are JSON objects, a few broken ones aside."""
    return bool(references) and sum(parse_object(r) is not None for r in references) >= _ENOUGH * len(references)


def _unfit(references: Sequence[str]) -> str:
    if are_objects(references):
        return ""
    count = sum(parse_object(r) is not None for r in references)
    return f"only {count} of {len(references)} reference answers are JSON objects"


def same(left: Any, right: Any, *, ignore_list_order: bool = False) -> bool:
    """Equal as JSON: 1 is 1.0, but true is not 1 (as it is in Python)."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(
            same(left[key], right[key], ignore_list_order=ignore_list_order) for key in left
        )
    if isinstance(left, list) and isinstance(right, list):
        if len(left) != len(right):
            return False
        if not ignore_list_order:
            return all(same(a, b) for a, b in zip(left, right, strict=True))
        return _same_members(left, right)
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return left == right


def _same_members(left: list[Any], right: list[Any]) -> bool:
    rest = list(right)
    for item in left:
        at = next((i for i, other in enumerate(rest) if same(item, other, ignore_list_order=True)), None)
        if at is None:
            return False
        del rest[at]
    return True


def json_match(*, ignore_list_order: bool = False) -> Metric:
    """1 where the whole object equals the reference's."""

    def score(answer: str, reference: str) -> float:
        left, right = parse_object(answer), parse_object(reference)
        return float(left is not None and same(left, right, ignore_list_order=ignore_list_order))

    return Metric("json_match", score, title="whole objects right", right_or_wrong=True, unfit=_unfit)


def json_fields(*, ignore_list_order: bool = False) -> Metric:
    """The share of top-level fields that are right, of all fields in either object: invented fields count against."""

    def score(answer: str, reference: str) -> float:
        left, right = parse_object(answer), parse_object(reference)
        if left is None or right is None:
            return 0.0
        keys = left.keys() | right.keys()
        hits = sum(same(left[k], right[k], ignore_list_order=ignore_list_order) for k in left.keys() & right.keys())
        return hits / len(keys) if keys else 1.0

    return Metric("json_fields", score, title="fields right", unfit=_unfit)


def json_valid() -> Metric:
    """1 where the answer is a JSON object at all."""

    def score(answer: str, reference: str) -> float:
        return float(parse_object(answer) is not None)

    return Metric("json_valid", score, title="valid JSON", right_or_wrong=True)
