"""What stands between a call of a tool and the answer to its result, as the template writes it."""

from __future__ import annotations

from collections.abc import Sequence

from postgrad.errors import DataError
from postgrad.models.rendering.render import Renderer
from postgrad.records import Conversation, Message, ToolDefinition


def ids_after_call(
    renderer: Renderer, called: Message, results: Sequence[Message], tools: Sequence[ToolDefinition]
) -> list[int]:
    """Ids from behind the end mark of an answer that called tools up to the place where the next answer begins.

    A conversation of its own is rendered for it, so that what the model sampled before stays as it was sampled.

    Args:
        called: The assistant's message with its calls.
        results: Of the calls, each a message of the role tool.

    Raises:
        DataError: the template writes an answer otherwise once a result follows it.
    """
    messages = (Message("user", "?"), called, *results)
    whole = renderer.render(Conversation(messages=messages, tools=tuple(tools)))
    upto = 1 + max(place for place, weight in enumerate(whole.weights) if weight)
    asked = renderer.prompt_ids(messages, tools)
    if list(whole.ids[:upto]) != asked[:upto]:
        raise DataError(
            "This model's chat template writes a call otherwise once its result follows, so a conversation with tools"
            " cannot be gone on with.",
            "Take another base model, or leave training.environment out.",
        )
    return asked[upto:]
