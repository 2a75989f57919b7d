"""Questions that the model answers in its own words, and the rule by which each answer is right or wrong.

The prompts were written for postgrad and lie beside this file; answers are greedy and short, so a rule looks at how an
answer begins rather than at how it ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from postgrad.facts import load_facts
from postgrad.json_types import JsonObject

AnswerRule = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt, and the rule that tells a right answer."""

    prompt: str
    rule: AnswerRule


@dataclass(frozen=True, slots=True)
class Questions:
    """Questions that are asked together; `tokens` is the room of an answer."""

    name: str
    items: tuple[Question, ...]
    tokens: int


def prompts_of(name: str) -> JsonObject:
    """One of the data files beside this file."""
    return load_facts(name, "postgrad.evaluation.battery")
