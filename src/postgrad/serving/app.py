"""The HTTP interface: `/v1/models` and `/v1/chat/completions` as OpenAI's SDK expects them, errors included."""

from __future__ import annotations

import contextlib
import hmac
import json
import time
import uuid
from collections.abc import Generator
from typing import Annotated, Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import postgrad
from postgrad.errors import DataError, ModelError, PostgradError, StorageError
from postgrad.models.generate import Completion, Decoding
from postgrad.serving import fine_tuning
from postgrad.serving.engine import Engine, Prepared, Served, messages_from
from postgrad.serving.errors import ApiError, install

DEFAULT_NEW_TOKENS = 512


class StreamOptions(BaseModel):
    """OpenAI's `stream_options`."""

    include_usage: bool = False


class ChatRequest(BaseModel):
    """The fields of OpenAI's chat request that are acted on; others are refused when they would change the answer."""

    model_config = ConfigDict(extra="allow")

    model: str
    messages: Annotated[list[dict[str, Any]], Field(min_length=1)]
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    n: Annotated[int, Field(ge=1, le=16)] | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    def decoding(self) -> Decoding:
        """Omitted settings mean those of the evaluation: greedy."""
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return Decoding(
            self.max_completion_tokens or self.max_tokens or DEFAULT_NEW_TOKENS, self.temperature or 0.0, self.top_p or 1.0,
            self.seed if self.seed is not None else 0, tuple(s for s in stop if s),
        )  # fmt: skip


_UNSUPPORTED = (
    "tools",
    "functions",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "frequency_penalty",
    "presence_penalty",
    "audio",
    "modalities",
)


def make_app(engine: Engine, api_key: str | None = None) -> FastAPI:
    """The application.

    Args:
        engine: Answers.
        api_key: Required as a bearer token when given.
    """
    app = FastAPI(
        title="postgrad", version=postgrad.__version__, description="OpenAI-compatible chat for base and tuned models."
    )
    install(app)
    fine_tuning.install(app, engine)

    app.add_middleware(_KeyAndId, api_key=api_key)

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok", "version": postgrad.__version__}

    @app.get("/v1/models")
    def models() -> dict[str, Any]:
        return {"object": "list", "data": [_model(*item) for item in engine.names()]}

    @app.get("/v1/models/{name:path}")
    def model(name: str) -> dict[str, Any]:
        found = next((item for item in engine.names() if item[0] == name), None)
        if found is None:
            raise _unknown_model(name)
        return _model(*found)

    @app.post("/v1/chat/completions", response_model=None)
    def chat(request: ChatRequest) -> dict[str, Any] | StreamingResponse:
        prepared = _accepted(engine, request)
        if request.stream:
            usage = bool(request.stream_options and request.stream_options.include_usage)
            return _EventStream(_stream(prepared.served.name, engine.stream(prepared), usage))
        return _chat_answer(prepared.served, engine.complete(prepared, request.n or 1))

    return app


def _accepted(engine: Engine, request: ChatRequest) -> Prepared:
    """The request as the engine answers it, or the error that says why not."""
    extra = request.model_extra or {}
    if odd := [k for k in _UNSUPPORTED if extra.get(k)]:
        raise ApiError(
            400,
            f"Unsupported parameter: {odd[0]!r} is not supported by this server yet.",
            "unsupported_parameter",
            odd[0],
        )
    form = extra.get("response_format")
    if isinstance(form, dict) and form.get("type", "text") != "text":
        raise ApiError(
            400,
            "Unsupported value: 'response_format' other than text is not supported by this server yet.",
            "unsupported_value",
            "response_format",
        )
    if request.stream and (request.n or 1) > 1:
        raise ApiError(400, "'n' above 1 cannot be streamed by this server.", "unsupported_value", "n")
    try:
        served = engine.find(request.model)
    except ModelError:
        raise _unknown_model(request.model) from None
    return engine.prepare(served, messages_from(request.messages), request.decoding())


def _model(name: str, created: int, owner: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": owner}


def _unknown_model(name: str) -> ApiError:
    return ApiError(
        404, f"The model {name!r} does not exist or you do not have access to it.", "model_not_found", "model"
    )


def _usage(completions: list[Completion]) -> dict[str, int]:
    prompt, new = completions[0].prompt_tokens, sum(c.completion_tokens for c in completions)
    return {"prompt_tokens": prompt, "completion_tokens": new, "total_tokens": prompt + new}


def _chat_answer(served: Served, completions: list[Completion]) -> dict[str, Any]:
    choices = [
        {
            "index": i,
            "message": {"role": "assistant", "content": c.text, "refusal": None},
            "logprobs": None,
            "finish_reason": c.finish,
        }
        for i, c in enumerate(completions)
    ]
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}", "object": "chat.completion", "created": int(time.time()), "model": served.name,
        "choices": choices, "usage": _usage(completions),
    }  # fmt: skip


def _stream(name: str, pieces: Generator[str | Completion, None, None], usage: bool) -> Generator[str, None, None]:
    """Server-sent events as OpenAI sends them."""
    head = {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": name,
    }

    def line(choices: list[dict[str, Any]], **more: Any) -> str:
        return f"data: {json.dumps({**head, 'choices': choices, **more})}\n\n"

    def delta(content: dict[str, Any], finish: str | None = None) -> str:
        return line(
            [{"index": 0, "delta": content, "logprobs": None, "finish_reason": finish}],
            **({"usage": None} if usage else {}),
        )

    yield delta({"role": "assistant", "content": ""})
    with contextlib.closing(pieces):
        try:
            for piece in pieces:
                if isinstance(piece, Completion):
                    yield delta({}, piece.finish)
                    if usage:
                        yield line([], usage=_usage([piece]))
                else:
                    yield delta({"content": piece})
        except PostgradError as error:  # 200 has been sent: the error can only be said in the stream
            yield f"data: {json.dumps(_foreseen(error).body)}\n\n"
    yield "data: [DONE]\n\n"


class _EventStream(StreamingResponse):
    """Server-sent events whose generator is closed at once when the client leaves: it holds the model's turn."""

    def __init__(self, lines: Generator[str, None, None]) -> None:
        super().__init__(lines, media_type="text/event-stream")
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._lines.close()


class _KeyAndId:
    """Demands the key where one is set, and gives every answer an id; plain ASGI, so that it does not hold streams back."""

    def __init__(self, app: ASGIApp, api_key: str | None) -> None:
        self.app, self.key = app, api_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = f"req_{uuid.uuid4().hex}".encode()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id)]
            await send(message)

        given = dict(scope["headers"]).get(b"authorization", b"").removeprefix(b"Bearer ")
        if (
            self.key is not None
            and scope["path"].startswith("/v1/")
            and not hmac.compare_digest(given, self.key.encode())
        ):
            error = ApiError(401, "Incorrect API key provided.", "invalid_api_key")
            await JSONResponse(error.body, 401)(scope, receive, send_with_id)
            return
        await self.app(scope, receive, send_with_id)


def _foreseen(error: PostgradError) -> ApiError:
    if isinstance(error, DataError):
        code = "context_length_exceeded" if "context length" in error.message else None
        return ApiError(400, str(error), code, "messages")
    return ApiError(503 if isinstance(error, StorageError) else 500, str(error), kind="server_error")
