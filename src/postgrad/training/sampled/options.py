"""How answers are sampled and graded: what all objectives on them read."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from postgrad.json_types import JsonObject
from postgrad.objectives import OPTIONS, Options


@dataclass(frozen=True, config=OPTIONS)
class RolloutOptions(Options):
    """What objectives on sampled answers read."""

    grader: str | JsonObject | None = None
    """What grades answers: a file with a grader in OpenAI's form, the grader itself, the name of a metric, or
    reward:NAME, a registered reward model. None: where the data are pairs, a reward model is trained on them first."""
    held_out: str | JsonObject | None = None
    """A second grader or metric: judges answers to validation prompts and trains nothing; a guard compares it with the
    reward."""
    environment: str | None = None
    """Instead of a grader: a class of yours (file.py:Class) whose methods are tools that the model may call, and which
    gives the reward."""
    max_turns: Annotated[int, Field(ge=1, le=64)] = 8
    """In an environment: how often the model speaks in an answer at most."""
    samples: Annotated[int, Field(ge=2, le=256)] = 8
    """Answers sampled to each prompt."""
    answer_tokens: Annotated[int, Field(ge=1)] = 256
    """Longest answer sampled; in an environment all turns with what the tools say."""
    temperature: Annotated[float, Field(gt=0, le=2)] = 1.0
    """Of the sampling, and of the likelihoods that are trained."""
    repeats: Annotated[int, Field(ge=1, le=16)] = 1
    """Optimiser steps made with one batch of answers."""
    mask_truncated: bool = False
    """Whether nothing is learned from answers that were cut off at `answer_tokens`; they count in their group."""
    eval_samples: Annotated[int, Field(ge=1)] = 1
    """Answers to each validation prompt: one is greedy, several are sampled."""

    @property
    def refers(self) -> bool:
        """Whether the starting model is asked for its likelihoods of every batch."""
        return False

    @property
    def recalls(self) -> bool:
        """Whether the weights that sampled are asked for theirs, before a step changes them."""
        return self.repeats > 1

    def fault(self, objective: str) -> str:
        if self.grader is not None and self.environment is not None:
            return "an environment gives the reward itself: leave the grader or the environment out"
        return ""
