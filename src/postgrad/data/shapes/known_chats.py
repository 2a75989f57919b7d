"""The known shapes that hold conversations with their answers."""

from __future__ import annotations

from collections.abc import Callable

from postgrad.data.shapes.chat_messages import is_role
from postgrad.data.shapes.read_chats import (
    RowValues,
    is_turns,
    read_alpaca,
    read_chat,
    read_instances,
    read_prompt_completion,
    read_sharegpt,
)
from postgrad.data.shapes.shape import ALPACA, BESIDE, Shape, filled
from postgrad.records import Conversation


def _turns(key: str) -> Callable[[RowValues], bool]:
    return lambda values: is_turns(values.get(key))


def _is_bedrock(values: RowValues) -> bool:
    return str(values.get("schemaVersion")).startswith("bedrock") and isinstance(values.get("messages"), list)


def ends_with_request(values: RowValues) -> bool:
    """Whether the last turn is the user's: then there is no answer to learn."""
    turns = values.get("messages")
    return isinstance(turns, list) and is_turns(turns) and is_role(turns[-1], "user")


CHATS: tuple[Shape, ...] = (
    Shape(
        "Bedrock conversation",
        Conversation,
        "each row is a conversation under 'messages' with a list 'system'; the assistant's messages are what is"
        " learned.",
        ("schemaVersion", "messages"),
        ("schemaVersion", "messages", *BESIDE),
        _is_bedrock,
        read_chat,
    ),
    Shape(
        "OpenAI chat",
        Conversation,
        "each row is a conversation under 'messages'; the assistant's messages are trained on.",
        ("messages",),
        ("messages", *BESIDE),
        lambda values: is_turns(values["messages"]) and not ends_with_request(values),
        read_chat,
        absorbs="OpenAI reinforcement",
    ),
    Shape(
        "ShareGPT",
        Conversation,
        "each row is a conversation under 'conversations'; the turns from gpt (assistant) are trained on.",
        ("conversations",),
        ("conversations", *BESIDE),
        _turns("conversations"),
        read_sharegpt,
    ),
    Shape(
        "prompt-completion",
        Conversation,
        "input is 'prompt', output is 'completion'.",
        ("prompt", "completion"),
        ("prompt", "completion", *BESIDE),
        filled("prompt"),
        read_prompt_completion,
        pair=("prompt", "completion"),
    ),
    Shape(
        "Alpaca",
        Conversation,
        "input is 'instruction', followed by 'input' where that is not empty; output is 'output'.",
        ("instruction", "output"),
        ALPACA,
        lambda values: values.get("instruction") is not None and ("input" in values or "history" in values),
        read_alpaca,
    ),
    Shape(
        "Self-Instruct",
        Conversation,
        "each row is an 'instruction' with 'instances'; each instance gives one example: the instruction followed by"
        " its 'input', and its 'output'.",
        ("instruction", "instances"),
        ("instruction", "instances"),
        filled("instruction"),
        read_instances,
    ),
)
