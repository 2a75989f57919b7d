"""Judgements by people, read from a file: what a judge's agreement is measured on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from postgrad.errors import DataError, UsageError
from postgrad.json_types import JsonMapping

CHOICES = {"a": "a", "1": "a", "answer_a": "a", "b": "b", "2": "b", "answer_b": "b", "tie": "tie", "0": "tie"}


@dataclass(frozen=True, slots=True)
class HumanJudgement:
    """One judgement: `label` is points for one answer, or `a`, `b` or `tie` for two."""

    prompt: str
    answer: str
    label: int | str
    reference: str = ""
    other: str = ""


def read_labels(path: str, points: int | None = None) -> list[HumanJudgement]:
    """The judgements in a JSONL file.

    Args:
        path: Lines `{"prompt", "answer", "reference"?, "points"}`, or for pairs
            `{"prompt", "answer_a", "answer_b", "winner": a|b|tie}`.
        points: The most points; None for pairs.

    Raises:
        UsageError: The file cannot be read.
        DataError: Lines are not of this form; the first five are named.
    """
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The judgements {path!r} cannot be read: {error}.") from error
    out, faults = [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            raw = json.loads(line)
            out.append(_points(raw, points) if points is not None else _pair(raw))
        except (ValueError, KeyError, TypeError) as error:
            faults.append(f"{path}:{number}: {error!s}")
    if faults or not out:
        form = (
            '{"prompt", "answer", "reference", "points"}'
            if points is not None
            else '{"prompt", "answer_a", "answer_b", "winner": "a", "b" or "tie"}'
        )
        raise DataError(
            f"{len(faults)} lines of {path!r} are no judgements" + "".join(f"\n  {f}" for f in faults[:5]) + ".",
            f"Each line is to be {form}.",
        )
    return out


def _points(raw: JsonMapping, most: int) -> HumanJudgement:
    value = raw["points"]
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise ValueError(f"points {value!r} are not a whole number from 1 to {most}")
    return HumanJudgement(str(raw["prompt"]), str(raw["answer"]), value, str(raw.get("reference", "")))


def _pair(raw: JsonMapping) -> HumanJudgement:
    winner = CHOICES.get(str(raw["winner"]).lower())
    if winner is None:
        raise ValueError(f"winner {raw['winner']!r} is neither a, b nor tie")
    return HumanJudgement(
        str(raw["prompt"]), str(raw["answer_a"]), winner, str(raw.get("reference", "")), str(raw["answer_b"])
    )
