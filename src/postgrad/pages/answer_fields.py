"""Answers that are objects, field by field beside the right one."""

from __future__ import annotations

import json
from dataclasses import dataclass

from postgrad.pages.formatting import shorten

_LONGEST = 200
MISSING = "(missing)"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an answer."""

    name: str
    expected: str
    got: str
    same: bool


def differing(reference: str, answer: str) -> list[Field]:
    """The fields of both, those of the right answer first; empty where one of them is no object."""
    right, given = _object(reference), _object(answer)
    if right is None or given is None:
        return []
    out = []
    for name in dict.fromkeys((*right, *given)):
        same = name in right and name in given and right[name] == given[name]
        out.append(Field(name, _shown(right, name), _shown(given, name), same))
    return out


def _object(text: str) -> dict[str, object] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and value else None


def _shown(held: dict[str, object], name: str) -> str:
    if name not in held:
        return MISSING
    value = held[name]
    return shorten(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), _LONGEST)
