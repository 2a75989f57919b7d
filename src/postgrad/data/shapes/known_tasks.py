"""The known shapes without an answer to learn: tasks, raw text; and postgrad's own records."""

from __future__ import annotations

from postgrad.data.shapes.known_chats import ends_with_request
from postgrad.data.shapes.read_chats import RowValues, is_turns
from postgrad.data.shapes.read_tasks import (
    is_choice,
    is_function_calling,
    read_choice,
    read_function_calling,
    read_own,
    read_prompt_only,
    read_reinforcement,
    read_text,
)
from postgrad.data.shapes.shape import BESIDE, Shape
from postgrad.records import Record, Task, Text

_ANSWERS = frozenset(["completion", "response", "output", "chosen", "completions", "reply"])
_TASK_KEYS = frozenset(
    [
        "prompt",
        "id",
        "key",
        *BESIDE,
        "instruction_id_list",
        "kwargs",
        "data_source",
        "ability",
        "reward_model",
        "extra_info",
    ]
)
"""Beside a prompt of plain text only these leave no doubt that nothing else is the answer (IFEval, verl)."""
_TEXT_KEYS = frozenset(
    [
        "text",
        "id",
        "url",
        "timestamp",
        "date",
        "meta",
        "metadata",
        "lang",
        "language",
        "source",
        "added",
        "created",
        "version",
        "file",
        "path",
    ]
)
_OWN = {"conversation": "messages", "preference": "chosen", "rating": "completion", "task": "prompt", "text": "text"}


def _is_prompt_only(values: RowValues) -> bool:
    if is_turns(values["prompt"]):
        return not _ANSWERS & values.keys()
    return isinstance(values["prompt"], str) and values.keys() <= _TASK_KEYS


def _is_text(values: RowValues) -> bool:
    return values.keys() <= _TEXT_KEYS and isinstance(values["text"], str)


def _is_own(values: RowValues) -> bool:
    key = _OWN.get(values["shape"]) if isinstance(values["shape"], str) else None
    return key is not None and key in values and "source" in values


OWN: tuple[Shape, ...] = (
    Shape("postgrad records", Record, "records as postgrad writes them.", ("shape", "source"), (), _is_own, read_own),
)

TASKS: tuple[Shape, ...] = (
    Shape(
        "OpenAI reinforcement",
        Task,
        "each row is a request under 'messages' without an answer; the other keys are for the grader.",
        ("messages",),
        ("messages", "reference", *BESIDE),
        ends_with_request,
        read_reinforcement,
    ),
    *(
        Shape(
            "multiple choice",
            Task,
            f"each row is a question ({', '.join(map(repr, needs))}); the letter of the right choice is the reference.",
            needs,
            (*needs, "label", "answer", "answerKey"),
            is_choice,
            read_choice,
        )
        for needs in (
            ("question", "choices"),
            ("ctx", "endings"),
            ("goal", "sol1", "sol2"),
            ("sentence", "option1", "option2"),
        )
    ),
    Shape(
        "function calling",
        Task,
        "each row is a request under 'question' with the functions that may be called; there is no answer in it.",
        ("question", "function"),
        ("question", "function"),
        is_function_calling,
        read_function_calling,
    ),
    Shape(
        "prompt only",
        Task,
        "each row is a 'prompt' without an answer; the other keys are for the grader.",
        ("prompt",),
        ("prompt", "reference", *BESIDE),
        _is_prompt_only,
        read_prompt_only,
    ),
    Shape(
        "text",
        Text,
        "each row is raw text, for --objective pretrain.",
        ("text",),
        ("text",),
        _is_text,
        read_text,
    ),
)
