"""How much two free-text answers to one question conflict: different words are not yet different answers."""

from __future__ import annotations

import re

from postgrad.similarity.templates import facts

GRAVE = 0.5
"""From here on two answers count as conflicting: below it only the words differ."""

_WORD = re.compile(r"\w+")
_YES = frozenset({"yes", "yeah", "yep", "true", "correct", "ja", "oui", "si"})
_NO = frozenset({"no", "nope", "false", "incorrect", "nein", "non"})
_DENIAL = re.compile(
    r"\b(?:not|never|no|none|cannot|without|nothing|neither|nor|nicht|kein\w*)\b|n['’]t\b", re.IGNORECASE
)
_ALIKE = 0.5
_UNLIKE = 0.1


def conflict(first: str, second: str) -> float:
    """From 0 (the same words) to 1: yes against no 1, other numbers in like sentences 0.9, a denial on one side 0.8.

    Answers with hardly a word in common have 0.5, unless both begin by denying ("None." and "No known allergies").
    Otherwise the value stays below a half, higher the less they share.
    """
    left, right = (_WORD.findall(text.lower()) for text in (first, second))
    if not left or not right:
        return 0.0
    if (left[0] in _YES and right[0] in _NO) or (left[0] in _NO and right[0] in _YES):
        return 1.0
    if "".join(left) == "".join(right):
        return 0.0
    common = len(set(left) & set(right)) / len(set(left) | set(right))
    numbers, others = facts(first), facts(second)
    short = min(len(left), len(right)) <= 3
    if numbers and others and numbers != others and (common >= _ALIKE or short):
        return 0.9
    if bool(_DENIAL.search(first)) != bool(_DENIAL.search(second)) and common >= _ALIKE:
        return 0.8
    if common <= _UNLIKE and not (_DENIAL.match(first.strip()) and _DENIAL.match(second.strip())):
        return GRAVE
    return 0.49 * (1 - common)
