"""One function a shape: a record → the row that the shape's users expect. What a row cannot hold is refused, with the
reason."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from postgrad.data.shapes.cells import to_json
from postgrad.data.shapes.read_tasks import READ, reference_of
from postgrad.data.shapes.row_errors import Inexpressible
from postgrad.json_types import JsonMapping, JsonObject
from postgrad.records import Conversation, Message, Preference, Rating, Record, Task, Text, ToolDefinition, to_dict

WrittenRow = JsonObject
_FROM = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}


def openai_chat(record: Conversation) -> WrittenRow:
    _weights(record.messages)
    _answered(record)
    return {"messages": _turns(record.messages), **_tools(record.tools)}


def openai_preference(record: Preference) -> WrittenRow:
    """One assistant message on each side, as OpenAI asks for; `parallel_tool_calls` goes where it came from."""
    for side, messages in (("better", record.chosen), ("worse", record.rejected)):
        if len(messages) != 1 or messages[0].role != "assistant":
            raise Inexpressible(f"its {side} answer is not one message of the assistant")
    if not record.prompt or record.prompt[-1].role == "assistant":
        raise Inexpressible("its prompt is empty or ends with the assistant")
    _unweighted((*record.prompt, *record.chosen, *record.rejected))
    parallel = record.meta.get("parallel_tool_calls")
    given = {"messages": _turns(record.prompt), **_tools(record.tools)}
    return {
        "input": given if parallel is None else {**given, "parallel_tool_calls": parallel},
        "preferred_output": _turns(record.chosen),
        "non_preferred_output": _turns(record.rejected),
    }


def openai_reinforcement(record: Task) -> WrittenRow:
    if not record.prompt or record.prompt[-1].role != "user":
        raise Inexpressible("its prompt does not end with the user")
    return {"messages": _turns(record.prompt), **_task(record)}


def trl_prompt_only(record: Task) -> WrittenRow:
    return {"prompt": _turns(record.prompt), **_task(record)}


def completions(record: Conversation) -> WrittenRow:
    prompt, answer = _one_exchange(record)
    return {"prompt": prompt, "completion": answer}


def table(record: Conversation) -> WrittenRow:
    """Like completions; an instruction has a column of its own."""
    system, rest = _system_apart(record.messages)
    prompt, answer = _one_exchange(Conversation(messages=rest, tools=record.tools))
    return {"prompt": prompt, "completion": answer, "system": system}


def together(record: Record) -> WrittenRow:
    """Together takes OpenAI's spelling of conversations and preferences, and raw text."""
    if isinstance(record, Preference):
        return openai_preference(record)
    if isinstance(record, Text):
        return text(record)
    return openai_chat(_as(Conversation, record))


def alpaca(record: Conversation) -> WrittenRow:
    _plain(record.messages, record.tools)
    system, rest = _system_apart(record.messages)
    roles = [m.role for m in rest]
    if not roles or roles != ["user", "assistant"] * (len(roles) // 2):
        raise Inexpressible("its messages are not requests and answers in turn")
    texts = [m.content for m in rest]
    history = [list(pair) for pair in zip(texts[:-2:2], texts[1:-2:2], strict=True)]
    row: WrittenRow = {"instruction": texts[-2], "input": "", "output": texts[-1]}
    return {**row, **({"history": history} if history else {}), **({"system": system} if system else {})}


def sharegpt(record: Conversation) -> WrittenRow:
    """Calls become turns from `function_call`; their ids are numbered anew on reading."""
    _unweighted(record.messages)
    _no_names(record.messages)
    system, rest = _system_apart(record.messages)
    row: WrittenRow = {"conversations": [_sharegpt_turn(message) for message in rest]}
    if system:
        row["system"] = system
    if record.tools:
        row["tools"] = to_json([dict(tool) for tool in record.tools])
    return row


def trl_messages(record: Conversation) -> WrittenRow:
    _unweighted(record.messages)
    _answered(record)
    return {"messages": _turns(record.messages), **_tools(record.tools)}


def trl_prompt_completion_chat(record: Conversation) -> WrittenRow:
    _unweighted(record.messages)
    if record.answer is None or len(record.messages) < 2:
        raise Inexpressible("it has no answer, or no request")
    return {"prompt": _turns(record.prompt), "completion": _turns([record.answer]), **_tools(record.tools)}


def trl_preference(record: Preference) -> WrittenRow:
    _no_tools(record.tools)
    return {
        "prompt": _text_of(record.prompt, "user", "prompt"),
        "chosen": _text_of(record.chosen, "assistant", "better answer"),
        "rejected": _text_of(record.rejected, "assistant", "worse answer"),
    }


def trl_preference_chat(record: Preference) -> WrittenRow:
    _unweighted((*record.prompt, *record.chosen, *record.rejected))
    sides = {"chosen": _turns(record.chosen), "rejected": _turns(record.rejected)}
    return {"prompt": _turns(record.prompt), **sides, **_tools(record.tools)}


def trl_unpaired(record: Rating) -> WrittenRow:
    _no_tools(record.tools)
    prompt = _text_of(record.prompt, "user", "prompt")
    completion = _text_of(record.completion, "assistant", "answer")
    return {"prompt": prompt, "completion": completion, "label": record.good}


def trl_unpaired_chat(record: Rating) -> WrittenRow:
    _unweighted((*record.prompt, *record.completion))
    sides = {"prompt": _turns(record.prompt), "completion": _turns(record.completion)}
    return {**sides, "label": record.good, **_tools(record.tools)}


def kto(record: Rating) -> WrittenRow:
    if len(record.completion) != 1:
        raise Inexpressible("its answer is more than one message")
    messages = (*record.prompt, *record.completion)
    _unweighted(messages)
    return {"messages": _turns(messages), "label": record.good, **_tools(record.tools)}


def bedrock(record: Conversation) -> WrittenRow:
    _plain(record.messages, record.tools)
    system, rest = _system_apart(record.messages)
    roles = [m.role for m in rest]
    if not roles or roles != ["user", "assistant"] * (len(roles) // 2):
        raise Inexpressible("its messages are not requests and answers in turn, the answer last")
    turns = [{"role": m.role, "content": [{"text": m.content}]} for m in rest]
    row: WrittenRow = {"schemaVersion": "bedrock-conversation-2024"}
    return {**row, **({"system": [{"text": system}]} if system else {}), "messages": turns}


def text(record: Text) -> WrittenRow:
    return {"text": record.text}


def own(record: Record) -> WrittenRow:
    return to_dict(record)


def _turns(messages: Sequence[Message]) -> list[WrittenRow]:
    return [message.to_dict() for message in messages]


def _tools(tools: Sequence[ToolDefinition]) -> WrittenRow:
    return {"tools": [dict(tool) for tool in tools]} if tools else {}


def _task(record: Task) -> WrittenRow:
    """Tools, fields and the reference, where no field says it already."""
    _unweighted(record.prompt)
    if taken := sorted(READ & record.fields.keys()):
        raise Inexpressible(f"it has a field with the name of the shape's own key {taken[0]!r}")
    stated = {} if reference_of(record.fields) == record.reference else {"reference": record.reference}
    return {**_tools(record.tools), **record.fields, **stated}


def _answered(record: Conversation) -> None:
    if not record.messages or record.messages[-1].role == "user":
        raise Inexpressible("it ends with a request without an answer; it would be read back as a task")


def _weights(messages: Sequence[Message]) -> None:
    if odd := next((m.weight for m in messages if m.weight not in (0, 1)), None):
        raise Inexpressible(f"a message has the weight {odd:g}; the shape has only 0 and 1")


def _unweighted(messages: Sequence[Message]) -> None:
    if any(m.weight != 1 for m in messages):
        raise Inexpressible("a message has a weight of its own, and the shape has none: it would be trained on")


def _no_tools(tools: Sequence[Any]) -> None:
    if tools:
        raise Inexpressible("it has tools")


def _no_names(messages: Sequence[Message]) -> None:
    if any(m.name is not None for m in messages):
        raise Inexpressible("a message names its speaker")
    _no_parts(messages)


def _no_parts(messages: Sequence[Message]) -> None:
    if any(m.parts for m in messages):
        raise Inexpressible("a message holds images or other content that is no text")
    if any(m.reasoning for m in messages):
        raise Inexpressible("an answer holds reasoning before it")


def _plain(messages: Sequence[Message], tools: Sequence[Any] = ()) -> None:
    """Nothing but texts."""
    _no_tools(tools)
    _unweighted(messages)
    _no_names(messages)
    if any(m.tool_calls or m.tool_call_id or m.role == "tool" for m in messages):
        raise Inexpressible("it has tool calls")


def _system_apart(messages: Sequence[Message]) -> tuple[str, tuple[Message, ...]]:
    """The instruction at the beginning, and the rest."""
    system = messages[0].content if messages and messages[0].role == "system" else ""
    if messages and messages[0].role == "system" and not system:
        raise Inexpressible("its system message is empty")
    rest = tuple(messages[1:] if system else messages)
    if any(m.role == "system" for m in rest):
        raise Inexpressible("it has a system message that is not the first, or several")
    return system, rest


def _text_of(messages: Sequence[Message], role: str, what: str) -> str:
    _plain(messages)
    if [m.role for m in messages] != [role]:
        roles = ", ".join(m.role for m in messages) or "nothing"
        raise Inexpressible(f"its {what} is more than one text ({roles})")
    return messages[0].content


def _one_exchange(record: Conversation) -> tuple[str, str]:
    _plain(record.messages, record.tools)
    roles = [m.role for m in record.messages]
    if roles[:1] == ["system"]:
        raise Inexpressible("it has a system message")
    if roles != ["user", "assistant"]:
        turns = sum(role == "user" for role in roles)
        raise Inexpressible(f"it has {turns} requests" if turns > 1 else "it is not one request with one answer")
    return record.messages[0].content, record.messages[1].content


def _sharegpt_turn(message: Message) -> WrittenRow:
    if not message.tool_calls:
        return {"from": _FROM[message.role], "value": message.content}
    if message.content:
        raise Inexpressible("a message has both a text and tool calls")
    calls = [_bare_call(call) for call in message.tool_calls]
    return {"from": "function_call", "value": to_json(calls[0] if len(calls) == 1 else calls)}


def _bare_call(call: JsonMapping) -> WrittenRow:
    function = call.get("function")
    if not isinstance(function, Mapping) or "name" not in function:
        raise Inexpressible("a tool call has no function with a name")
    arguments = function.get("arguments", {})
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError as error:
            raise Inexpressible("the arguments of a tool call are not JSON") from error
    return {"name": function["name"], "arguments": arguments}


def _as(kind: type[Any], record: Record) -> Any:
    if not isinstance(record, kind):
        raise Inexpressible(f"it is no {kind.__name__.lower()}")
    return record
