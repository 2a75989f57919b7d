"""The shapes of training files that are known by their keys: OpenAI chat, ShareGPT, Alpaca, prompt-completion, Self-Instruct.

Each shape is one function from a row to its records and one line in `SHAPES`; what none of them knows is left to `guess`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from postgrad.data.cells import to_text
from postgrad.data.chat import TurnError, read_messages, read_tools
from postgrad.data.rows import Row
from postgrad.errors import DataError
from postgrad.records import Conversation, Message, Record, Source

Values = Mapping[str, Any]
SYSTEM_COLUMNS = ("system", "system_prompt")


@dataclass(frozen=True, slots=True)
class Shape:
    """A known shape.

    Attributes:
        name: What it is called towards the user.
        explanation: How it is read, in a sentence.
        uses: The columns it reads; all others become metadata.
        fits: Whether columns and a sample of rows are of this shape.
        read: One row → the messages of its records; may raise TurnError.
    """

    name: str
    explanation: str
    uses: tuple[str, ...]
    fits: Callable[[Sequence[str], Sequence[Values]], bool]
    read: Callable[[Values], list[tuple[Message, ...]]]


def recognise(rows: Sequence[Row], columns: Sequence[str]) -> Shape | None:
    """The first known shape that fits; None where columns must be chosen."""
    sample = [values for _, values in rows[:50]]
    return next((shape for shape in SHAPES if shape.fits(columns, sample)), None)


def refuse_unusable(rows: Sequence[Row], columns: Sequence[str], file: str) -> None:
    """Refuses shapes that hold no input with its one right answer, saying what they seem to be.

    Raises:
        DataError: Preference pairs, ratings or raw text.
    """
    known = {c.lower() for c in columns}
    if {"chosen", "rejected"} <= known or {"chosen_messages", "rejected_messages"} <= known:
        raise DataError(
            f"{file} holds preference pairs (columns chosen and rejected); this reader takes one right answer an example.",
            "To learn the chosen answers alone, give a file with the prompt and the chosen answer: "
            "--input prompt --output chosen.",
        )
    label = next((values.get("label") for _, values in rows if values.get("label") is not None), None)
    if isinstance(label, bool) and known & {"messages", "completion"}:
        raise DataError(
            f"{file} holds ratings (label true or false): answers rated false would be learned as if they were right.",
            "Give a file with the answers rated true alone, without the label column.",
        )
    if len(columns) == 1 and columns[0] not in ("messages", "conversations"):
        raise DataError(
            f"{file} has one column ({columns[0]!r}); learning needs an input and the right answer to it.",
            "Give a file with two columns, or chat messages that end with the assistant's answer.",
        )


def read_shape(shape: Shape, source: Source, values: Values) -> list[Record]:
    """The records of one row.

    Raises:
        TurnError: The row does not keep to the shape.
    """
    meta = {key: value for key, value in values.items() if key not in shape.uses}
    tools = read_tools(values.get("tools")) if "tools" in shape.uses else ()
    return [
        Conversation(messages=with_system(messages, values, shape.uses), tools=tools, source=source, meta=meta)
        for messages in shape.read(values)
    ]


def with_system(messages: tuple[Message, ...], values: Values, uses: Sequence[str]) -> tuple[Message, ...]:
    """Puts the text of a system column in front, where the messages have no system message of their own."""
    text = next((to_text(values[c]) for c in SYSTEM_COLUMNS if c in uses and values.get(c)), "")
    if not text or any(m.role == "system" for m in messages):
        return messages
    return (Message("system", text), *messages)


def _is_turns(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and isinstance(value[0], dict)
        and bool({"role", "from"} & set(value[0]))
    )


def _all_have(sample: Sequence[Values], key: str, test: Callable[[Any], bool]) -> bool:
    """Whether the key's values are of a kind; some bad rows do not hide a shape."""
    return sum(test(values.get(key)) for values in sample) > len(sample) / 2


def _fits_list(key: str) -> Callable[[Sequence[str], Sequence[Values]], bool]:
    def fits(columns: Sequence[str], sample: Sequence[Values]) -> bool:
        return key in columns and _all_have(sample, key, lambda v: _is_turns(v) or str(v).lstrip().startswith("[{"))

    return fits


def _fits_keys(*keys: str) -> Callable[[Sequence[str], Sequence[Values]], bool]:
    return lambda columns, sample: all(key in columns for key in keys)


def _read_list(key: str) -> Callable[[Values], list[tuple[Message, ...]]]:
    return lambda values: [read_messages(values.get(key))]


def _read_prompt_completion(values: Values) -> list[tuple[Message, ...]]:
    prompt, completion = values.get("prompt"), values.get("completion")
    asked = read_messages(prompt) if _is_turns(prompt) else (Message("user", to_text(prompt)),)
    said = read_messages(completion) if _is_turns(completion) else (Message("assistant", to_text(completion)),)
    return [(*asked, *said)]


def _read_alpaca(values: Values) -> list[tuple[Message, ...]]:
    parts = [to_text(values.get("instruction")), to_text(values.get("input"))]
    turns: list[Message] = []
    history = values.get("history") or []
    if not isinstance(history, list) or not all(isinstance(turn, list) and len(turn) == 2 for turn in history):
        raise TurnError("the history is not a list of [request, answer] pairs")
    for asked, answered in history:
        turns += [Message("user", to_text(asked)), Message("assistant", to_text(answered))]
    prompt = "\n\n".join(part for part in parts if part)
    return [(*turns, Message("user", prompt), Message("assistant", to_text(values.get("output"))))]


def _read_instances(values: Values) -> list[tuple[Message, ...]]:
    instances = values.get("instances")
    if not isinstance(instances, list) or not all(isinstance(item, dict) for item in instances):
        raise TurnError("the instances are not a list of objects")
    return [_read_alpaca({"instruction": values.get("instruction"), **item})[0] for item in instances]


SHAPES: tuple[Shape, ...] = (
    Shape(
        "OpenAI chat",
        "Each row is a conversation under 'messages'; the assistant's messages are what is learned.",
        ("messages", "tools", "functions", "parallel_tool_calls", *SYSTEM_COLUMNS),
        _fits_list("messages"),
        _read_list("messages"),
    ),
    Shape(
        "ShareGPT",
        "Each row is a conversation under 'conversations'; the turns from gpt (assistant) are what is learned.",
        ("conversations", "tools", *SYSTEM_COLUMNS),
        _fits_list("conversations"),
        _read_list("conversations"),
    ),
    Shape(
        "prompt-completion",
        "Input is 'prompt', output is 'completion'.",
        ("prompt", "completion", "tools", *SYSTEM_COLUMNS),
        _fits_keys("prompt", "completion"),
        _read_prompt_completion,
    ),
    Shape(
        "Alpaca",
        "Input is 'instruction', followed by 'input' where that is not empty; output is 'output'.",
        ("instruction", "input", "output", "history", *SYSTEM_COLUMNS),
        _fits_keys("instruction", "input", "output"),
        _read_alpaca,
    ),
    Shape(
        "Self-Instruct",
        "Each row is an 'instruction' with 'instances'; each instance gives one example: the instruction followed by its "
        "'input', and its 'output'.",
        ("instruction", "instances"),
        _fits_keys("instruction", "instances"),
        _read_instances,
    ),
)
