"""Objectives: what training minimises, one file each, with its spec at the end. The loop knows none of them.

To add one: a file, a line in `OBJECTIVES` (postgrad/objectives.py), a test. What few of them need (a reference, answers
sampled on the way, a validation of their own) are the methods of `Objective` with a default.
"""

from __future__ import annotations

from postgrad.models.rendering.render import Renderer, TooLong
from postgrad.objectives import spec_of
from postgrad.training.distillation.teacher import Teacher
from postgrad.training.objectives.base import Objective, Setup
from postgrad.training.rewards import Reward


def make_objective(
    name: str,
    renderer: Renderer,
    max_length: int | None = None,
    too_long: TooLong = "error",
    reward: Reward | None = None,
    teacher: Teacher | None = None,
    **options: object,
) -> Objective:
    """An objective at work, by its name and its options.

    Raises:
        KeyError: there is no such objective.
        pydantic.ValidationError: an option is not the objective's, or out of bounds.
    """
    spec = spec_of(name)
    return spec.make(Setup(renderer, max_length, too_long, reward, teacher), spec.options(**options))
