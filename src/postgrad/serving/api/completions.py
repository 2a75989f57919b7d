"""`POST /v1/completions`: raw text in, raw text out, for base models and older programs. No template, no
instruction."""

from __future__ import annotations

import contextlib
import json
import math
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from postgrad.json_types import JsonObject
from postgrad.models.generation.decoding import Completion
from postgrad.models.generation.grammar import Vocabulary
from postgrad.models.generation.incremental import Piece
from postgrad.models.generation.logits import Steering, Token
from postgrad.serving.access.auth import Caller, caller_of
from postgrad.serving.access.limits import Meter, reserved
from postgrad.serving.inference.chat_preparation import biases, bounded, decoding_of, find_served, room_for_answer
from postgrad.serving.inference.engine import Engine
from postgrad.serving.inference.prepared import PreparedRequest, Served
from postgrad.serving.inference.streaming import Answer, Answering, EventStream, unless_left
from postgrad.serving.wire.api_errors import ApiError
from postgrad.serving.wire.requests import CompletionRequest
from postgrad.serving.wire.response_schemas import TextCompletion
from postgrad.serving.wire.responses import confidence, fingerprint, finite, token_text, usage
from postgrad.serving.wire.strict_json import ApiRouter

USUAL_NEW_TOKENS = 16
"""OpenAI's default here."""


@dataclass(frozen=True)
class _Asked:
    """All prompts of one request, and each one's text."""

    prepared: list[PreparedRequest]
    texts: list[str]


def completions_router(answering: Answering) -> ApiRouter:
    """The route.

    Args:
        answering: Gives the answers.
    """
    router = ApiRouter(tags=["Completions"])

    @router.post("/v1/completions", response_model=TextCompletion, operation_id="createCompletion")
    async def create(request: Request, body: CompletionRequest) -> Response:
        """Continues texts; with `stream` as server-sent events."""
        asked = await run_in_threadpool(_asked, answering.engine, body, caller_of(request))
        request.state.audit_object = body.model
        head = {
            "id": f"cmpl-{uuid.uuid4().hex}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": body.model,
            "system_fingerprint": fingerprint(asked.prepared[0].served),
        }
        with contextlib.ExitStack() as charged:
            meters = [charged.enter_context(reserved(request, one)) for one in asked.prepared]
            if body.stream:
                stack = contextlib.AsyncExitStack()
                stack.push(charged.pop_all().__exit__)
                lines = _lines(answering, asked, body, head, meters)
                try:
                    first = await unless_left(request, anext(lines))
                except BaseException:
                    await stack.aclose()
                    raise
                stack.push_async_callback(lines.aclose)
                return EventStream(_after(first, lines), stack)
            choices: list[JsonObject] = []
            for place, (one, meter) in enumerate(zip(asked.prepared, meters, strict=True)):
                prompt = await unless_left(request, _scored(answering, one, body))
                for answer in await unless_left(request, _answers(answering, one, body)):
                    meter.used([answer.completion])
                    choice = _Choice(answering.engine, asked, body, place, len(choices), prompt)
                    choices.append(choice.view(answer.completion.text, answer.tokens, answer.completion))
        return Response(
            json.dumps({**head, "choices": choices, "usage": _usage(meters)}), media_type="application/json"
        )

    return router


def _usage(meters: Sequence[Meter]) -> JsonObject:
    cached = sum(min((c.recalled for c in m.completions), default=0) for m in meters)
    return usage([c for m in meters for c in m.completions], sum(m.prompt for m in meters), cached)


async def _after(first: str, lines: AsyncIterator[str]) -> AsyncIterator[str]:
    yield first
    async for line in lines:
        yield line


async def _lines(
    answering: Answering, asked: _Asked, body: CompletionRequest, head: JsonObject, meters: list[Meter]
) -> AsyncGenerator[str, None]:
    rest: JsonObject = {"usage": None} if body.wants_usage else {}
    count = body.n or 1
    for place, (prepared, meter) in enumerate(zip(asked.prepared, meters, strict=True)):
        prompt = await _scored(answering, prepared, body)
        choices = [_Choice(answering.engine, asked, body, place, place * count + i, prompt) for i in range(count)]
        if body.max_tokens == 0:
            for choice, answer in zip(choices, await _answers(answering, prepared, body), strict=True):
                meter.used([answer.completion])
                yield json.dumps({**head, "choices": [choice.view("", (), answer.completion)], **rest})
            continue
        async with answering.pieces(prepared) as pieces:
            async for piece in pieces:
                meter.grew(piece)
                if piece.text or piece.done or piece.tokens:
                    view = choices[piece.index].view(piece.text, piece.tokens, piece)
                    yield json.dumps({**head, "choices": [view], **rest})
    if body.wants_usage:
        yield json.dumps({**head, "choices": [], "usage": _usage(meters)})


async def _scored(answering: Answering, prepared: PreparedRequest, body: CompletionRequest) -> list[Token]:
    """The prompt's tokens with their log-probabilities, where they are to be shown; of the first there is none."""
    if not body.echo or body.logprobs is None:
        return []
    return [Token(prepared.prompt[0], math.nan), *await answering.scored(prepared)]


async def _answers(answering: Answering, prepared: PreparedRequest, body: CompletionRequest) -> list[Answer]:
    """The answers; where no token of them is wanted, nothing is computed."""
    if body.max_tokens != 0:
        return await answering.whole(prepared)
    return [Answer(Completion("", "length", len(prepared.prompt), 0, 0.0, 0.0), ())] * prepared.count


def _asked(engine: Engine, body: CompletionRequest, caller: Caller) -> _Asked:
    """The request as it will be answered.

    Raises:
        ApiError: a field cannot be followed.
    """
    if body.suffix:
        raise ApiError(
            400, "Unsupported parameter: 'suffix' is not supported by this server.", "unsupported_parameter", "suffix"
        )
    if body.best_of is not None and body.best_of != (body.n or 1):
        raise ApiError(400, "'best_of' must equal 'n' on this server.", "unsupported_value", "best_of")
    served = find_served(engine, body.model, caller.project, caller.organization)
    renderer = engine.renderer(served)
    if body.logprobs is not None:
        engine.vocabulary(served)  # read here, in a thread
    prompts = _prompts(engine, served, body)
    steering = Steering(
        float(body.frequency_penalty or 0),
        float(body.presence_penalty or 0),
        biases(body, renderer.vocabulary),
        body.logprobs or 0,
    )
    prepared = []
    for ids in prompts:
        wanted = body.max_tokens if body.max_tokens is not None else USUAL_NEW_TOKENS
        decoding = decoding_of(body, room_for_answer(engine.room(served), len(ids), wanted))
        prepared.append(bounded(engine.fitted(served, ids, decoding, steering, body.n or 1)))
    return _Asked(prepared, [renderer.decode(ids) for ids in prompts])


def _prompts(engine: Engine, served: Served, body: CompletionRequest) -> list[list[int]]:
    """The prompts as ids; a text gets the model's beginning-of-text mark, where it has one."""
    renderer = engine.renderer(served)
    begin, end = renderer.frame_ids
    given: list[Any] = body.prompt if isinstance(body.prompt, list) else [body.prompt or ""]
    if given and isinstance(given[0], int):
        given = [given]
    out: list[list[int]] = []
    for item in given:
        ids = [*begin, *renderer.encode(item)] if isinstance(item, str) else list(item)
        if any(not 0 <= i < renderer.vocabulary for i in ids):
            raise ApiError(
                400,
                f"'prompt' holds ids that are no tokens of this model (0 to {renderer.vocabulary - 1}).",
                "invalid_value",
                "prompt",
            )
        out.append(ids or begin or end or [next(iter(renderer.end_ids))])
    return out


class _Choice:
    """Writes one choice, whole or piece by piece."""

    def __init__(
        self, engine: Engine, asked: _Asked, body: CompletionRequest, place: int, index: int, prompt: Sequence[Token]
    ) -> None:
        self._body, self._index, self._prompt = body, index, prompt
        self._echo = asked.texts[place] if body.echo else ""
        self._vocabulary = engine.vocabulary(asked.prepared[place].served) if body.logprobs is not None else None
        self._offset = 0

    def view(self, text: str, tokens: Sequence[Token], done: Completion | Piece | None) -> JsonObject:
        """A choice with this text; `done` is the completion, or the piece that may bring it."""
        completion = done.done if isinstance(done, Piece) else done
        out: JsonObject = {
            "index": self._index,
            "text": self._echo + text,
            "logprobs": None,
            "finish_reason": completion.finish if completion else None,
        }
        self._echo = ""
        if self._vocabulary is not None:
            out["logprobs"] = self._logprobs(self._vocabulary, [*self._prompt, *tokens])
            self._prompt = ()
        if completion is not None and self._body.wants_confidence:
            out["postgrad"] = {"confidence": confidence(completion)}
        return out

    def _logprobs(self, vocabulary: Vocabulary, tokens: Sequence[Token]) -> JsonObject:
        texts = [token_text(vocabulary.bytes_of(t.id)) for t in tokens]
        offsets = []
        for text in texts:
            offsets.append(self._offset)
            self._offset += len(text)
        top = [
            None
            if math.isnan(t.logprob)
            else {token_text(vocabulary.bytes_of(i)): finite(p) for i, p in t.alternatives}
            for t in tokens
        ]
        return {
            "tokens": texts,
            "token_logprobs": [None if math.isnan(t.logprob) else finite(t.logprob) for t in tokens],
            "top_logprobs": top if self._body.logprobs else None,
            "text_offset": offsets,
        }
