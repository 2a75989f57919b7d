"""What a model that grades is asked for at the end, and how its reply is read."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from postgrad.evaluation.metrics.support.normal import plain

_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)")
_OBJECT = re.compile(r"\{[^{}]*\}")


def score_request(ends: tuple[float, float]) -> dict[str, str]:
    """The last message to a score_model."""
    low, high = ends
    text = f'Think briefly, then end with a JSON object {{"result": NUMBER}}, the number from {low:g} to {high:g}.'
    return {"role": "user", "content": text}


def label_request(labels: Sequence[str]) -> dict[str, str]:
    """The last message to a label_model."""
    text = 'Think briefly, then end with a JSON object {"result": LABEL}, the label one of: '
    return {"role": "user", "content": text + ", ".join(json.dumps(x, ensure_ascii=False) for x in labels) + "."}


def read_score(text: str, ends: tuple[float, float]) -> float | None:
    """The result that a reply names, if it lies between the ends: of its last JSON object, else the only number in
    it."""
    value = _result(text)
    if value is None:
        numbers = {float(n) for n in _NUMBER.findall(text)}
        value = numbers.pop() if len(numbers) == 1 else None
    if isinstance(value, str):
        value = float(value) if _NUMBER.fullmatch(value.strip()) else None
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if ends[0] <= value <= ends[1] else None


def read_label(text: str, labels: Sequence[str]) -> str | None:
    """The label that a reply names: of its last JSON object, the whole reply, or the only label in it."""
    by_plain = {plain(label): label for label in labels}
    result = _result(text)
    if isinstance(result, str) and plain(result) in by_plain:
        return by_plain[plain(result)]
    if plain(text) in by_plain:
        return by_plain[plain(text)]
    lowered = f" {plain(text)} "
    named = [label for key, label in by_plain.items() if re.search(rf"(?<!\w){re.escape(key)}(?!\w)", lowered)]
    return named[0] if len(named) == 1 else None


def _result(text: str) -> object:
    """The `result` of the last JSON object in a text."""
    for found in reversed(_OBJECT.findall(text)):
        try:
            value = json.loads(found)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and "result" in value:
            return value["result"]
    return None
