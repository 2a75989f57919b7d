"""What grades answers during a training: a function that the door passes in, because training knows no grader."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from postgrad.records import Task


@dataclass(frozen=True, slots=True)
class Graded:
    """What an answer is worth.

    Attributes:
        reward: Any finite number; the larger the better.
        fault: What went wrong while it was graded; empty where nothing did. Its reward counts nevertheless.
    """

    reward: float
    fault: str = ""


Reward = Callable[[Sequence[tuple[Task, str]]], Sequence[Graded]]
"""(task, answer) pairs → what they are worth, in order."""
