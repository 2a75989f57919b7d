"""What a grader needs before it can grade anything: models, a sandbox, and fields that every example must have."""

from __future__ import annotations

from collections.abc import Iterator

from postgrad.evaluation.graders.grader_kinds import (
    Grader,
    LabelModel,
    Multi,
    PythonGrader,
    ScoreModel,
    StringCheck,
    TextSimilarity,
)
from postgrad.evaluation.graders.template import VariableError, item_variables, value_of
from postgrad.json_types import JsonMapping


def single(form: Grader) -> list[Grader]:
    """The graders in a grader: itself, or those of a multi."""
    return list(form.graders.values()) if isinstance(form, Multi) else [form]


def needs_sandbox(form: Grader) -> bool:
    """Whether it runs a program."""
    return any(isinstance(g, PythonGrader) for g in single(form))


def judges(form: Grader) -> list[str]:
    """The models that it names, each once."""
    return list(dict.fromkeys(g.model for g in single(form) if isinstance(g, ScoreModel | LabelModel)))


def missing(form: Grader, item: JsonMapping) -> list[str]:
    """The variables of the grader's texts, as `{{item.answer}}`, that this item has no value for."""
    out: list[str] = []
    for path in dict.fromkeys(p for g in single(form) for text in _texts(g) for p in item_variables(text)):
        try:
            value_of(path, {}, item)
        except VariableError:
            out.append(f"{{{{{path}}}}}")
    return out


def _texts(form: Grader) -> Iterator[str]:
    if isinstance(form, StringCheck | TextSimilarity):
        yield from (form.input, form.reference)
    elif isinstance(form, ScoreModel | LabelModel):
        yield from (text for message in form.input for text in message.texts())
