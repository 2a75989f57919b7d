"""Whether data says what the task is, for a person to be asked before any model is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from postgrad.evaluation.metrics.support.choose import choose_metric
from postgrad.evaluation.task_naming import says_itself, task_by_metric
from postgrad.recipe import Recipe
from postgrad.records import Record
from postgrad.steps.loading import loaded

SHOWN = 3
"""Examples that a person sees who is asked."""


def unsaid(recipe: Recipe, paths: Sequence[Path]) -> list[Record]:
    """Three short examples of data that does not say what the task is, for a person to say it; empty where it is said.

    Raises:
        PostgradError: the data cannot be read, or no metric can judge it.
    """
    data = recipe.data
    if data.task or data.system_prompt is not None or recipe.training.objective != "sft":
        return []
    records = [r for r in loaded(data, paths).records if r.answer_text.strip()]
    if not records:  # raw text, or tasks with nothing but a grader
        return []
    choice = choose_metric(records)
    if task_by_metric(choice) or says_itself(records, choice):
        return []
    return sorted(records, key=lambda r: len(r.prompt_text) + len(r.answer_text))[: 4 * SHOWN : 4]
