"""Rows with a prompt but no answer to learn: reinforcement and evaluation tasks; raw text; postgrad's own records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from string import ascii_uppercase

from postgrad.data.shapes.cells import exact_text
from postgrad.data.shapes.chat_messages import read_functions
from postgrad.data.shapes.read_chats import (
    IMAGE_COLUMNS,
    SYSTEM_COLUMNS,
    TOOL_COLUMNS,
    About,
    RowValues,
    asked,
    messages_under,
    tools_of,
)
from postgrad.data.shapes.row_errors import TurnError
from postgrad.json_types import JsonObject
from postgrad.records import Message, Record, Task, Text, from_dict

REFERENCES = ("answer", "solution", "ground_truth", "reference_answer", "final_answer", "target")
"""Fields that are the reference too, where no field is called so; they stay fields, because graders name them."""

READ = frozenset({"messages", "prompt", "reference", *IMAGE_COLUMNS, *SYSTEM_COLUMNS, *TOOL_COLUMNS})
"""The keys of a task that are no fields for its grader."""


def reference_of(values: RowValues) -> str:
    """The reference answer of a task: the text `reference`, else the first field with a usual name."""
    if isinstance(values.get("reference"), str):
        return values["reference"]
    found = next((values[key] for key in REFERENCES if isinstance(values.get(key), str | int | float)), None)
    return exact_text(found)


def fields_of(values: RowValues) -> JsonObject:
    """What a grader may ask for: every key that is not the conversation's own."""
    kept = {key: value for key, value in values.items() if key not in READ}
    if "reference" in values and not isinstance(values["reference"], str):
        kept["reference"] = values["reference"]
    return kept


def read_reinforcement(values: RowValues, about: About) -> list[Record]:
    return [_task(messages_under("messages", values), values, about)]


def read_prompt_only(values: RowValues, about: About) -> list[Record]:
    return [_task(asked(values.get("prompt"), values), values, about)]


def _task(prompt: tuple[Message, ...], values: RowValues, about: About) -> Task:
    fields, reference = fields_of(values), reference_of(values)
    return Task(prompt=prompt, reference=reference, fields=fields, tools=tools_of(values), source=about["source"])


def choices_of(values: RowValues) -> tuple[str, list[str], object] | None:
    """(question, choices, what names the right one) of a multiple-choice row, in the spellings of the usual
    benchmarks."""
    if "sol1" in values:
        found = values.get("goal"), [values["sol1"], values.get("sol2")], values.get("label")
    elif "option1" in values:
        found = values.get("sentence"), [values["option1"], values.get("option2")], values.get("answer")
    elif "endings" in values:
        found = values.get("ctx"), values["endings"], values.get("label")
    else:
        right = next((values[key] for key in ("answerKey", "answer", "label") if values.get(key) is not None), None)
        found = values.get("question"), values.get("choices"), right
    question, choices, right = found
    if isinstance(choices, dict):  # ARC: {"text": […], "label": […]}
        labels, choices = choices.get("label"), choices.get("text")
        right = labels.index(right) if isinstance(labels, list) and right in labels else None
    if not isinstance(question, str) or not isinstance(choices, Sequence) or isinstance(choices, str):
        return None
    if len(choices) < 2 or not all(isinstance(choice, str) for choice in choices):
        return None
    return question, list(choices), right


def is_choice(values: RowValues) -> bool:
    """Whether the row asks a question with choices and names the right one."""
    found = choices_of(values)
    return found is not None and _place(found[2], found[1], values) is not None


def read_choice(values: RowValues, about: About) -> list[Record]:
    found = choices_of(values)
    place = _place(found[2], found[1], values) if found else None
    if found is None or place is None:
        raise TurnError("the right choice is not named by its number or letter")
    question, choices, _ = found
    listed = "\n".join(f"{letter}. {choice}" for letter, choice in zip(ascii_uppercase, choices, strict=False))
    fields = {**about["meta"], "choices": choices, "right": place}
    prompt = (Message("user", f"{question}\n{listed}"),)
    return [Task(prompt=prompt, reference=ascii_uppercase[place], fields=fields, source=about["source"])]


def _place(right: object, choices: Sequence[str], values: RowValues) -> int | None:
    """The place of the right choice, from 0."""
    if isinstance(right, str) and len(right) == 1 and right.upper() in ascii_uppercase:
        right = ascii_uppercase.index(right.upper())
    elif isinstance(right, str) and right.isdecimal():
        right = int(right) - ("option1" in values)  # WinoGrande counts from 1
    if isinstance(right, bool) or not isinstance(right, int):
        return None
    return right if 0 <= right < min(len(choices), len(ascii_uppercase)) else None


def is_function_calling(values: RowValues) -> bool:
    question = values.get("question")
    return isinstance(question, list) and bool(question) and isinstance(question[0], list)


def read_function_calling(values: RowValues, about: About) -> list[Record]:
    """Berkeley's function-calling sets: the turns of one exchange, and the functions that may be called."""
    turns = [turn for exchange in values["question"] for turn in exchange]
    prompt = messages_under("messages", {"messages": turns})
    fields = {key: value for key, value in values.items() if key not in ("question", "function")}
    return [Task(prompt=prompt, fields=fields, tools=read_functions(values.get("function")), source=about["source"])]


def read_text(values: RowValues, about: About) -> list[Record]:
    return [Text(text=exact_text(values.get("text")), **about)]


def read_own(values: RowValues, about: About) -> list[Record]:
    """A record as `records.to_dict` writes it; it comes from where it was read now."""
    try:
        record = from_dict(values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TurnError(f"it is no record that postgrad wrote ({type(error).__name__}: {error})") from error
    return [replace(record, source=about["source"])]
