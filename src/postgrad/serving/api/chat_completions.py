"""`POST /v1/chat/completions`: whole answers and streams, in OpenAI's shape."""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from postgrad.json_types import JsonObject
from postgrad.models.generation.incremental import Piece, held_back
from postgrad.models.rendering.tools import Call, read_calls
from postgrad.serving.access.auth import caller_of
from postgrad.serving.access.limits import Meter, reserved
from postgrad.serving.inference.chat_preparation import PreparedChat, Tools, prepare_chat
from postgrad.serving.inference.confidence import confidence_fields
from postgrad.serving.inference.streaming import Answer, Answering, EventStream, unless_left
from postgrad.serving.wire.requests import ChatRequest
from postgrad.serving.wire.response_schemas import ChatCompletion
from postgrad.serving.wire.responses import chat_logprobs, fingerprint, usage
from postgrad.serving.wire.strict_json import ApiRouter


def chat_router(answering: Answering) -> ApiRouter:
    """The route.

    Args:
        answering: Gives the answers.
    """
    router = ApiRouter(tags=["Chat"])

    @router.post("/v1/chat/completions", response_model=ChatCompletion, operation_id="createChatCompletion")
    async def chat(request: Request, body: ChatRequest) -> Response:
        """Answers a conversation; with `stream` as server-sent events."""
        caller = caller_of(request)
        asked = await run_in_threadpool(prepare_chat, answering.engine, body, caller.project, caller.organization)
        request.state.audit_object = body.model
        with contextlib.ExitStack() as charged:
            meter = charged.enter_context(reserved(request, asked.prepared))
            if body.stream:
                return await _streamed(request, answering, asked, body, meter, charged.pop_all())
            answers = await unless_left(request, answering.whole(asked.prepared))
            meter.used([a.completion for a in answers])
        return Response(json.dumps(_whole(answering, asked, body, answers)), media_type="application/json")

    return router


def _prompt_ids(asked: PreparedChat, body: ChatRequest) -> JsonObject:
    """What the model was asked with, where the request wants to know."""
    if not (body.postgrad and body.postgrad.prompt_ids):
        return {}
    prepared = asked.prepared
    return {"postgrad": {"prompt_token_ids": list(prepared.prompt), "as_evaluated": prepared.as_evaluated}}


def _head(answering: Answering, asked: PreparedChat, kind: str, name: str) -> JsonObject:
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": kind,
        "created": int(time.time()),
        "model": name,
        "system_fingerprint": fingerprint(asked.prepared.served),
    }


def _whole(answering: Answering, asked: PreparedChat, body: ChatRequest, answers: list[Answer]) -> JsonObject:
    choices: list[JsonObject] = []
    for index, answer in enumerate(answers):
        text, calls = _read(answer.completion.text, asked.tools, answer.completion.finish)
        message: JsonObject = {"role": "assistant", "content": text, "refusal": None}
        if calls:
            message |= {"content": text or None, **_calls_view(calls, body)}
        if answer.completion.thought:
            message["reasoning_content"] = answer.completion.thought
        choice = {
            "index": index,
            "message": message,
            "logprobs": None,
            "finish_reason": _finish(answer.completion.finish, bool(calls), asked.tools, body),
        }
        if body.logprobs:
            vocabulary = answering.engine.vocabulary(asked.prepared.served)
            choice["logprobs"] = chat_logprobs(vocabulary, answer.tokens)
        if body.wants_confidence:
            choice["postgrad"] = confidence_fields(asked.prepared, answer.completion)
        choices.append(choice)
    head = _head(answering, asked, "chat.completion", body.model)
    used = usage([a.completion for a in answers])
    return {**head, "choices": choices, "usage": used, **_prompt_ids(asked, body)}


def _read(text: str, tools: Tools | None, finish: str) -> tuple[str, list[Call]]:
    """The text and the calls of an answer; of a call that was cut by the length, nothing."""
    if tools is None:
        return text, []
    beside, calls = read_calls(text, tools.form, tools.names)
    if finish == "length" and tools.form.opening.strip():
        mark = tools.form.mark
        begun = beside.find(mark) if mark in beside else len(beside) - held_back(beside, [mark])
        beside = beside[:begun].rstrip() if begun < len(beside) else beside
    return beside, calls if tools.several else calls[:1]


def _call_view(call: Call) -> JsonObject:
    return {
        "id": f"call_{uuid.uuid4().hex[:24]}",
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }


def _calls_view(calls: list[Call], body: ChatRequest, streamed: bool = False) -> JsonObject:
    """The calls of an answer, as the client spelled its tools."""
    if body.functions is not None:
        return {"function_call": {"name": calls[0].name, "arguments": calls[0].arguments}}
    return {"tool_calls": [{**({"index": i} if streamed else {}), **_call_view(call)} for i, call in enumerate(calls)]}


def _finish(finish: str, called: bool, tools: Tools | None, body: ChatRequest) -> str:
    """OpenAI says `tool_calls` (`function_call`), but `stop` where the client named the function."""
    if not (called and finish == "stop" and tools is not None) or tools.named:
        return finish
    return "tool_calls" if body.functions is None else "function_call"


async def _streamed(
    request: Request,
    answering: Answering,
    asked: PreparedChat,
    body: ChatRequest,
    meter: Meter,
    charged: contextlib.ExitStack,
) -> EventStream:
    """The stream; what goes wrong before its first piece is still answered with a status."""
    stack = contextlib.AsyncExitStack()
    stack.push(charged.__exit__)
    try:
        pieces = await stack.enter_async_context(answering.pieces(asked.prepared))
        first = await unless_left(request, anext(pieces, None))
    except BaseException:
        await stack.aclose()
        raise
    return EventStream(_lines(answering, asked, body, meter, first, pieces), stack)


async def _lines(
    answering: Answering,
    asked: PreparedChat,
    body: ChatRequest,
    meter: Meter,
    first: Piece | None,
    pieces: AsyncIterator[Piece],
) -> AsyncIterator[str]:
    """The data of the events, one JSON document each."""
    head = _head(answering, asked, "chat.completion.chunk", body.model)
    rest: JsonObject = {"usage": None} if body.wants_usage else {}
    choices = [_Choice(answering, asked, body, index) for index in range(asked.prepared.count)]
    beginning = {"role": "assistant", "content": "", "refusal": None}
    for choice in choices:
        yield json.dumps({**head, "choices": [choice.delta(beginning)], **rest, **_prompt_ids(asked, body)})
    piece = first
    while piece is not None:
        meter.grew(piece)
        for delta in choices[piece.index].deltas(piece):
            yield json.dumps({**head, "choices": [delta], **rest})
        piece = await anext(pieces, None)
    if body.wants_usage:
        yield json.dumps({**head, "choices": [], "usage": usage(meter.completions)})


class _Choice:
    """One answer of a stream; holds back what may be the beginning of a call."""

    def __init__(self, answering: Answering, asked: PreparedChat, body: ChatRequest, index: int) -> None:
        self._answering, self._asked, self._body, self._index = answering, asked, body, index
        self._text, self._sent = "", 0
        self._tokens: list[Any] = []

    def delta(self, content: JsonObject, finish: str | None = None) -> JsonObject:
        logprobs = None
        if self._body.logprobs and self._tokens:
            logprobs = chat_logprobs(self._answering.engine.vocabulary(self._asked.prepared.served), self._tokens)
            self._tokens = []
        return {"index": self._index, "delta": content, "logprobs": logprobs, "finish_reason": finish}

    def deltas(self, piece: Piece) -> Iterator[JsonObject]:
        """What is to be sent of a new piece."""
        if piece.thought:
            yield self.delta({"reasoning_content": piece.thought})
        self._text += piece.text
        self._tokens += piece.tokens
        calls: list[Call] = []
        upto = len(self._text)
        if (tools := self._asked.tools) is not None:
            if piece.done is not None:
                beside, calls = _read(self._text, tools, piece.done.finish)
                upto = self._sent if calls else max(self._sent, len(beside))
                if calls and (more := beside[self._sent :].strip()):
                    yield self.delta({"content": more})
            else:
                at = self._text.find(tools.form.mark)
                upto = at if at >= 0 else upto - held_back(self._text, [tools.form.mark])
        if upto > self._sent:
            fresh, self._sent = self._text[self._sent : upto], upto
            yield self.delta({"content": fresh})
        if calls:
            yield self.delta(_calls_view(calls, self._body, streamed=True))
        if piece.done is not None:
            last = self.delta({}, _finish(piece.done.finish, bool(calls), tools, self._body))
            if self._body.wants_confidence:
                last["postgrad"] = confidence_fields(self._asked.prepared, piece.done)
            yield last
