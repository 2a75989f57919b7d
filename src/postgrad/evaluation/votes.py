"""Votes of people on two answers to one request, read from a file: `votes.jsonl`, one vote a line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from postgrad.errors import DataError, UsageError
from postgrad.evaluation.metrics.support.human import CHOICES

FORM = '{"prompt": "…", "arm_a": "fine_tuned", "arm_b": "base", "winner": "a", "b" or "tie"}'


@dataclass(frozen=True, slots=True)
class Vote:
    """One vote: `won` is 1 where the answer of `arm` was called better than that of `against`, 0.5 for a tie."""

    prompt: str
    arm: str
    against: str
    won: float


def read_votes(path: str) -> list[Vote]:
    """The votes in a JSONL file; further keys (the answers, who voted, when) are not looked at.

    Raises:
        UsageError: The file cannot be read.
        DataError: Lines are no votes; the first five are named.
    """
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The votes {path!r} cannot be read: {error}.") from error
    out: list[Vote] = []
    faults: list[str] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            out.append(_vote(json.loads(line)))
        except (ValueError, KeyError, RecursionError) as error:
            said = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
            faults.append(f"{path}:{number}: {said}")
    if faults or not out:
        shown = "".join(f"\n  {fault}" for fault in faults[:5])
        raise DataError(f"{len(faults)} lines of {path!r} are no votes{shown}.", f"Each line is to be {FORM}.")
    return out


def _vote(raw: object) -> Vote:
    if not isinstance(raw, Mapping):
        raise ValueError("no object")
    winner = CHOICES.get(str(raw["winner"]).strip().lower())
    if winner is None:
        raise ValueError(f"the winner is {raw['winner']!r}, not a, b or tie")
    arms = (raw["arm_a"], raw["arm_b"])
    if not all(isinstance(arm, str) and arm for arm in arms) or arms[0] == arms[1]:
        raise ValueError("arm_a and arm_b are to be the names of two arms")
    return Vote(str(raw["prompt"]), arms[0], arms[1], {"a": 1.0, "b": 0.0, "tie": 0.5}[winner])
