"""Tools as plain text, for templates that know none: in the words that most open models have seen."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from postgrad.records import Message, ToolDefinition


@dataclass(frozen=True, slots=True)
class ToolForm:
    """How a call stands in an answer: `opening`, a JSON object with a name and arguments, `closing`.

    Attributes:
        opening: Text before the object, "" where there is none.
        closing: Text after it, end mark left out.
        name: Key of the function's name in the object.
        arguments: Key of its arguments.
        listed: Whether the object stands in a list, with further calls in the same list.
    """

    opening: str
    closing: str
    name: str = "name"
    arguments: str = "arguments"
    listed: bool = False

    @property
    def mark(self) -> str:
        """The text at which an answer shows itself to be a call."""
        return self.opening.strip() or ("[" if self.listed else "{")


TOOLS_BEFORE = "You may call these functions:\n<tools>\n"
TOOLS_AFTER = (
    '</tools>\nTo call one, answer with\n<tool_call>\n{"name": <function name>,'
    ' "arguments": <arguments as a JSON object>}\n</tool_call>'
)
"""What stands around the tools, one a line."""
WRITTEN_OUT = ToolForm("<tool_call>\n", "\n</tool_call>")


def written_out(messages: Sequence[Message], tools: Sequence[ToolDefinition]) -> list[Message]:
    """The conversation with its tools in the instruction and its calls in the answers, as plain text."""
    out = [_call_text(m) for m in messages]
    if not tools:
        return out
    text = TOOLS_BEFORE + "".join(json.dumps(dict(tool), ensure_ascii=False) + "\n" for tool in tools) + TOOLS_AFTER
    if out and out[0].role == "system":
        return [replace(out[0], content=f"{out[0].content}\n\n{text}"), *out[1:]]
    return [Message("system", text), *out]


def _call_text(message: Message) -> Message:
    if not message.tool_calls:
        return message
    calls = []
    for call in message.tool_calls:
        function = call.get("function") or {}
        given = function.get("arguments")
        if isinstance(given, str):
            with contextlib.suppress(ValueError):
                given = json.loads(given)
        body = json.dumps({"name": function.get("name"), "arguments": given}, ensure_ascii=False)
        calls.append(WRITTEN_OUT.opening + body + WRITTEN_OUT.closing)
    return replace(message, content="\n".join([*([message.content] if message.content else []), *calls]), tool_calls=())
