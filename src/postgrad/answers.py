"""What kind of answers a set of records has: labels, JSON or free text.

The split stratifies labels, the checks judge each kind by its own rules, the metrics are chosen by it. One definition
for all of them stands here, beside the words.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from postgrad.json_types import Json

AnswerKind = Literal["label", "json", "text"]

MAX_LABELS = 200
MIN_RECORDS_PER_LABEL = 5
_MAX_LABEL_LETTERS = 60
_MAX_LABEL_WORDS = 6


def parse_json(answer: str) -> dict[str, Json] | list[Json] | None:
    """The object or list that an answer spells, or None. Bare numbers and words are not counted as JSON."""
    text = answer.strip()
    if not text.startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def label_counts(answers: Sequence[str]) -> dict[str, int] | None:
    """How often each label occurs, most frequent first; None where the answers are not labels.

    Answers are labels when all of them are short, and few enough to recur: at most 200 different ones, each five times
    on average. Empty answers are left out.
    """
    counts = Counter(a.strip() for a in answers if a.strip())
    if not counts or len(counts) > MAX_LABELS or counts.total() < MIN_RECORDS_PER_LABEL * len(counts):
        return None
    if any(len(a) > _MAX_LABEL_LETTERS or len(a.split()) > _MAX_LABEL_WORDS or a[0] in "{[" for a in counts):
        return None
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def answer_kind(answers: Sequence[str], *, json_share: float = 0.6) -> AnswerKind:
    """The kind of most answers; empty ones are left out.

    Args:
        answers: The answers' texts.
        json_share: From this share of parsable objects or lists on, the set counts as JSON.
    """
    filled = [a for a in answers if a.strip()]
    if label_counts(filled) is not None:
        return "label"
    if filled and sum(parse_json(a) is not None for a in filled) >= json_share * len(filled):
        return "json"
    return "text"
