"""How often one answer is called better than another: votes of people, and what length alone explains of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from postgrad.errors import DataError, UsageError
from postgrad.evaluation.metrics.support.human import CHOICES

_ROUNDS, _RIDGE = 50, 1e-3


def length_controlled(wins: Sequence[float], lengths: Sequence[int], against: Sequence[int]) -> float | None:
    """The win rate of answers that are as long as their rivals'.

    A logistic regression of the outcome on tanh of the difference in length, in standard deviations, read off at
    difference 0 (https://arxiv.org/abs/2404.04475, without the terms for models and questions).

    Args:
        wins: 1, 0, or 0.5 for a tie, a question.
        lengths: Characters of the answers.
        against: Characters of their rivals.

    Returns:
        None where all lengths, or all outcomes, are alike.
    """
    y = np.asarray(wins, dtype=float)
    gap = np.asarray(lengths, dtype=float) - np.asarray(against, dtype=float)
    spread = gap.std()
    if len(y) < 2 or not spread or y.std() == 0:
        return None
    x = np.column_stack([np.ones_like(y), np.tanh(gap / spread)])
    beta, ridge = np.zeros(2), np.diag([_RIDGE, _RIDGE])
    for _ in range(_ROUNDS):
        p = 1 / (1 + np.exp(-x @ beta))
        step = np.linalg.solve(x.T @ (x * (p * (1 - p))[:, None]) + ridge, x.T @ (y - p) - ridge @ beta)
        beta = beta + step
        if np.abs(step).max() < 1e-9:
            break
    return float(1 / (1 + np.exp(-beta[0])))


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
