"""The shapes of training files that are known by their keys and values; what none of them knows is left to `guess`.

Each shape is one reading function (in `read_chats`, `read_pairs`, `read_tasks`) and one entry in `SHAPES`. The first entry
that fits a row is the row's shape, so what says more stands before what says less.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from postgrad.data.chat import is_role
from postgrad.data.read_chats import (
    SYSTEM_COLUMNS,
    TOOL_COLUMNS,
    About,
    Values,
    is_turns,
    read_alpaca,
    read_chat,
    read_instances,
    read_prompt_completion,
    read_sharegpt,
)
from postgrad.data.read_pairs import (
    PROMPT_COLUMNS,
    has_votes,
    is_verdict,
    one_text,
    prompt_columns,
    rated_completion,
    rating,
    read_chosen_messages,
    read_implicit,
    read_openai_preference,
    read_preference,
    read_votes,
)
from postgrad.data.read_tasks import (
    is_choice,
    is_function_calling,
    read_choice,
    read_function_calling,
    read_own,
    read_prompt_only,
    read_reinforcement,
    read_text,
)
from postgrad.records import Conversation, Preference, Rating, Record, Task, Text

_BESIDE = (*SYSTEM_COLUMNS, *TOOL_COLUMNS, "images")
_PAIR = ("chosen", "rejected", "instruction", "history", "messages", "conversations", *PROMPT_COLUMNS, *_BESIDE)
_ALPACA = ("instruction", "input", "output", "history", *_BESIDE)
_ANSWERS = frozenset(["completion", "response", "output", "chosen", "completions", "reply"])
_TASK_KEYS = frozenset(
    ["prompt", "id", "key", "images", *_BESIDE, "instruction_id_list", "kwargs", "data_source", "ability", "reward_model", "extra_info"]
)  # fmt: skip
"""Beside a prompt of plain text only these leave no doubt that nothing else is the answer (IFEval, verl)."""
_TEXT_KEYS = frozenset(
    ["text", "id", "url", "timestamp", "date", "meta", "metadata", "lang", "language", "source", "added", "created", "version", "file", "path"]
)  # fmt: skip
_OWN = {"conversation": "messages", "preference": "chosen", "rating": "completion", "task": "prompt", "text": "text"}

KINDS: dict[type[Record], str] = {
    Conversation: "conversations",
    Preference: "preference pairs",
    Rating: "ratings",
    Task: "tasks without an answer to learn",
    Text: "raw text",
}
"""What a set of records is called towards the user."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A known shape.

    Attributes:
        name: What it is called towards the user.
        kind: The class of its records; None where it cannot be read, and `explanation` says why.
        explanation: How it is read, in a sentence.
        needs: The keys that every row has.
        uses: The keys that it reads; all others become metadata (or a task's fields).
        fits: Whether a row that has the keys is of this shape.
        read: One row → its records; may raise TurnError or LeftOut.
        absorbs: A shape whose rows count as this one's where they are the fewer.
    """

    name: str
    kind: type[Record] | None
    explanation: str
    needs: tuple[str, ...]
    uses: tuple[str, ...]
    fits: Callable[[Values], bool]
    read: Callable[[Values, About], list[Record]]
    absorbs: str = ""


def shape_of(values: Values) -> Shape | None:
    """The first known shape that fits a row; None where columns must be chosen."""
    for shape in _candidates(tuple(values)):
        if shape.fits(values):
            return shape
    return None


@functools.lru_cache(maxsize=4096)
def _candidates(keys: tuple[str, ...]) -> tuple[Shape, ...]:
    return tuple(shape for shape in SHAPES if set(shape.needs) <= set(keys))


def _filled(*keys: str) -> Callable[[Values], bool]:
    return lambda values: all(values.get(key) is not None for key in keys)


def _turns(key: str) -> Callable[[Values], bool]:
    return lambda values: is_turns(values.get(key))


def _rated(key: str, turns: str) -> Callable[[Values], bool]:
    return lambda values: is_verdict(values.get(key)) and (not turns or is_turns(values.get(turns)))


def _is_openai_preference(values: Values) -> bool:
    given = values.get("input")
    return isinstance(given, dict) and "messages" in given


def _is_bedrock(values: Values) -> bool:
    return str(values.get("schemaVersion")).startswith("bedrock") and isinstance(values.get("messages"), list)


def _ends_with_request(values: Values) -> bool:
    turns = values.get("messages")
    return isinstance(turns, list) and is_turns(turns) and is_role(turns[-1], "user")


def _is_stepwise(values: Values) -> bool:
    return isinstance(values["completions"], list) and isinstance(values["labels"], list)


def _is_prompt_only(values: Values) -> bool:
    if is_turns(values["prompt"]):
        return not _ANSWERS & values.keys()
    return one_text(values["prompt"]) and values.keys() <= _TASK_KEYS


def _is_text(values: Values) -> bool:
    return values.keys() <= _TEXT_KEYS and isinstance(values["text"], str)


def _is_own(values: Values) -> bool:
    key = _OWN.get(values["shape"]) if isinstance(values["shape"], str) else None
    return key is not None and key in values and "source" in values


def _unreadable(values: Values, about: About) -> list[Record]:
    raise NotImplementedError("a shape without a kind is refused before it is read")


def _chosen_alone(values: Values) -> bool:
    return values.get("chosen") is not None and values.get("rejected") is not None


_RATING_SAID = "Each row is an answer that somebody called good or bad"
_PAIR_SAID = "Each row is a request with a better and a worse answer"

SHAPES: tuple[Shape, ...] = (
    Shape("postgrad records", Record, "Records as postgrad writes them.", ("shape", "source"), (), _is_own, read_own),
    *(
        Shape(
            "OpenAI preference",
            Preference,
            f"{_PAIR_SAID}: 'input', '{better}', '{worse}'.",
            ("input", better, worse),
            ("input", better, worse, "tools"),
            _is_openai_preference,
            read_openai_preference,
        )
        for better, worse in (
            ("preferred_output", "non_preferred_output"),
            ("preferred_completion", "non_preferred_completion"),
        )
    ),
    Shape(
        "preference conversations",
        Preference,
        f"{_PAIR_SAID}: the ends of 'chosen_messages' and 'rejected_messages'; what they share is the request.",
        ("chosen_messages", "rejected_messages"),
        ("chosen_messages", "rejected_messages", *_BESIDE),
        _filled("chosen_messages", "rejected_messages"),
        read_chosen_messages,
    ),
    Shape(
        "preference",
        Preference,
        f"{_PAIR_SAID}, 'chosen' and 'rejected'.",
        ("chosen", "rejected"),
        _PAIR,
        lambda values: _chosen_alone(values) and prompt_columns(values),
        read_preference,
    ),
    Shape(
        "preference with implicit prompt",
        Preference,
        f"{_PAIR_SAID}: what 'chosen' and 'rejected' share at their beginning is the request, the rest are the answers.",
        ("chosen", "rejected"),
        _PAIR,
        _chosen_alone,
        read_implicit,
    ),
    Shape(
        "votes on two answers",
        Preference,
        f"{_PAIR_SAID}: 'response1' or 'response2', as most annotators say.",
        ("response1", "response2"),
        ("response1", "response2", "instruction", "history", *PROMPT_COLUMNS, *_BESIDE),
        has_votes,
        read_votes,
    ),
    Shape(
        "stepwise supervision",
        None,
        "Each row calls every step of an answer right or wrong ('completions' with 'labels'). A record of postgrad judges "
        "whole answers, and no objective learns from single steps.",
        ("completions", "labels"),
        (),
        _is_stepwise,
        _unreadable,
    ),
    *(
        Shape(
            name,
            Rating,
            f"{_RATING_SAID} ('{key}').",
            (turns, key),
            (*uses, key),
            _rated(key, "" if turns == "output" else turns),
            rating(key, read),
        )
        for key in ("kto_tag", "label")
        for name, turns, uses, read in (
            ("KTO", "messages", ("messages", *_BESIDE), read_chat),
            ("KTO, ShareGPT", "conversations", ("conversations", *_BESIDE), read_sharegpt),
            ("KTO, Alpaca", "output", _ALPACA, read_alpaca),
        )
        if not (key == "label" and turns == "output")
    ),
    Shape(
        "unpaired preference",
        Rating,
        f"{_RATING_SAID}: 'prompt', 'completion', 'label'.",
        ("prompt", "completion", "label"),
        ("prompt", "completion", "label", *_BESIDE),
        _rated("label", ""),
        rated_completion,
    ),
    Shape(
        "Bedrock conversation",
        Conversation,
        "Each row is a conversation under 'messages' with a list 'system'; the assistant's messages are what is learned.",
        ("schemaVersion", "messages"),
        ("schemaVersion", "messages", *_BESIDE),
        _is_bedrock,
        read_chat,
    ),
    Shape(
        "OpenAI reinforcement",
        Task,
        "Each row is a request under 'messages' without an answer; the other keys are what a grader may ask for.",
        ("messages",),
        ("messages", "reference", *_BESIDE),
        _ends_with_request,
        read_reinforcement,
    ),
    Shape(
        "OpenAI chat",
        Conversation,
        "Each row is a conversation under 'messages'; the assistant's messages are what is learned.",
        ("messages",),
        ("messages", *_BESIDE),
        _turns("messages"),
        read_chat,
        absorbs="OpenAI reinforcement",
    ),
    Shape(
        "ShareGPT",
        Conversation,
        "Each row is a conversation under 'conversations'; the turns from gpt (assistant) are what is learned.",
        ("conversations",),
        ("conversations", *_BESIDE),
        _turns("conversations"),
        read_sharegpt,
    ),
    Shape(
        "prompt-completion",
        Conversation,
        "Input is 'prompt', output is 'completion'.",
        ("prompt", "completion"),
        ("prompt", "completion", *_BESIDE),
        _filled("prompt"),
        read_prompt_completion,
    ),
    Shape(
        "Alpaca",
        Conversation,
        "Input is 'instruction', followed by 'input' where that is not empty; output is 'output'.",
        ("instruction", "output"),
        _ALPACA,
        lambda values: values.get("instruction") is not None and ("input" in values or "history" in values),
        read_alpaca,
    ),
    Shape(
        "Self-Instruct",
        Conversation,
        "Each row is an 'instruction' with 'instances'; each instance gives one example: the instruction followed by its "
        "'input', and its 'output'.",
        ("instruction", "instances"),
        ("instruction", "instances"),
        _filled("instruction"),
        read_instances,
    ),
    *(
        Shape(
            "multiple choice",
            Task,
            f"Each row is a question ({', '.join(map(repr, needs))}); the letter of the right choice is the reference.",
            needs,
            (*needs, "label", "answer", "answerKey"),
            is_choice,
            read_choice,
        )
        for needs in (("question", "choices"), ("ctx", "endings"), ("goal", "sol1", "sol2"), ("sentence", "option1", "option2"))
    ),
    Shape(
        "function calling",
        Task,
        "Each row is a request under 'question' with the functions that may be called; there is no answer in it.",
        ("question", "function"),
        ("question", "function"),
        is_function_calling,
        read_function_calling,
    ),
    Shape(
        "prompt only",
        Task,
        "Each row is a 'prompt' without an answer; the other keys are what a grader may ask for.",
        ("prompt",),
        ("prompt", "reference", *_BESIDE),
        _is_prompt_only,
        read_prompt_only,
    ),
    Shape(
        "text",
        Text,
        "Each row is a text to go on reading from, for --objective pretrain.",
        ("text",),
        ("text",),
        _is_text,
        read_text,
    ),
)  # fmt: skip


def kind_named(records: Sequence[Any]) -> str:
    """`preference pairs`, `raw text` …, of the first record."""
    return KINDS[type(records[0])] if records else "records"
