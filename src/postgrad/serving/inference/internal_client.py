"""Models of this server asked from its own threads, in the same turns as every client: for graders and evaluation
runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from postgrad.errors import Interrupted, ModelError
from postgrad.evaluation.graders import ModelCall, Reply
from postgrad.json_types import JsonMapping, JsonObject
from postgrad.models.generation.generate import Completion, Decoding
from postgrad.models.rendering.tools import read_calls
from postgrad.registry.keys import ApiKey
from postgrad.serving.access.limits import Bucket, refuse_overdrawn
from postgrad.serving.access.quotas import Quotas
from postgrad.serving.inference.chat_preparation import PreparedChat, prepare_chat
from postgrad.serving.inference.streaming import Answer, Answering
from postgrad.serving.storage.store import Owner
from postgrad.serving.wire.api_errors import ApiError
from postgrad.serving.wire.requests import ChatRequest

_LOOK_S = 0.5
PATIENCE_S = 60.0
"""A full server is asked again for so long."""


@dataclass(frozen=True)
class ModelReply:
    """One answer: its text, and the calls of tools in it as OpenAI spells them."""

    text: str
    calls: tuple[JsonObject, ...]
    completion: Completion
    decoding: Decoding


class InternalClient:
    """Asks for an owner; waits in the calling thread, which must not be the server's loop.

    Args:
        answering: Gives the answers.
        loop: The server's.
        owner: Whose models may be asked.
        quotas: Count the tokens of `key`.
        key: Whose quota is used.
        stopped: Asked while it waits.
        patience: Seconds for which a full server, or a minute whose tokens are used up, is waited for.
        minute: The key's tokens of a minute.
    """

    def __init__(
        self,
        answering: Answering,
        loop: asyncio.AbstractEventLoop,
        owner: Owner,
        quotas: Quotas,
        key: ApiKey | None = None,
        stopped: Callable[[], bool] = lambda: False,
        patience: float = PATIENCE_S,
        minute: Bucket | None = None,
    ) -> None:
        self._answering, self._loop, self._owner = answering, loop, owner
        self._quotas, self._key, self._stopped, self._patience = quotas, key, stopped, patience
        self._minute = minute

    def ask(self, model: str, messages: Sequence[JsonMapping], sampling: JsonMapping) -> ModelReply:
        """One answer.

        Args:
            sampling: Fields of a chat request.

        Raises:
            ApiError: the request cannot be answered, or the quota is used up.
            Interrupted: `stopped()` turned true.
        """
        body = chat_request(model, messages, sampling)
        self._quotas.check(self._key)
        asked = prepare_chat(self._answering.engine, body, self._owner.project, self._owner.organization)
        answer = self._patiently(asked)
        done = answer.completion
        if self._minute is not None:
            self._minute.level -= done.prompt_tokens + done.completion_tokens
        if self._key is not None and self._key.tokens_per_month is not None:
            self._quotas.used(self._key.id, done.prompt_tokens + done.completion_tokens)
        text, calls = done.text, ()
        if asked.tools is not None:
            text, found = read_calls(done.text, asked.tools.form, asked.tools.names)
            calls = tuple(
                {"id": f"call_{i}", "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
                for i, c in enumerate(found)
            )
        return ModelReply(text, calls, done, asked.prepared.decoding)

    def grading(self) -> ModelCall:
        """The same as graders ask."""

        def call(model: str, chat: Sequence[Mapping[str, str]], sampling: JsonMapping) -> Reply:
            fields = dict(sampling)
            if "max_completions_tokens" in fields:
                fields["max_completion_tokens"] = fields.pop("max_completions_tokens")
            try:
                said = self.ask(model, chat, fields)
            except ApiError as error:
                if error.body["error"]["code"] == "insufficient_quota":
                    raise
                raise ModelError(error.body["error"]["message"]) from error
            return Reply(said.text, said.completion.prompt_tokens, said.completion.completion_tokens, model=model)

        return call

    def _patiently(self, asked: PreparedChat) -> Answer:
        """The answer, however often the server was full before."""
        end = time.monotonic() + self._patience
        while True:
            try:
                refuse_overdrawn(self._minute)
                return self._waited(asked)
            except ApiError as error:
                code = error.body["error"]["code"]
                if code not in ("engine_overloaded", "rate_limit_exceeded") or time.monotonic() > end:
                    raise
                if self._stopped():
                    raise Interrupted("The run was stopped while it waited for a full server.") from None
                time.sleep(_LOOK_S)

    def _waited(self, asked: PreparedChat) -> Answer:
        future = asyncio.run_coroutine_threadsafe(self._answering.whole(asked.prepared), self._loop)
        while True:
            try:
                return future.result(_LOOK_S)[0]
            except TimeoutError:
                if future.done():
                    raise
                if self._stopped():
                    future.cancel()
                    raise Interrupted("The run was stopped in the middle of an answer.") from None


def chat_request(model: str, messages: Sequence[JsonMapping], sampling: JsonMapping) -> ChatRequest:
    """The chat request that asks a model with a run's or a grader's sampling parameters.

    Raises:
        ApiError: a parameter is out of bounds.
    """
    try:
        return ChatRequest.model_validate({**sampling, "model": model, "messages": [dict(m) for m in messages]})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ApiError(400, f"Invalid value for {where!r}: {first['msg']}.", "invalid_value", where) from error
