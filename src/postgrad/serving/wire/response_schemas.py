"""The shapes of answers, for the page at `/docs` and for clients made from it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from postgrad.json_types import JsonObject


class Open(BaseModel):
    """An answer that may have further fields."""

    model_config = ConfigDict(extra="allow")


class Fault(Open):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorAnswer(Open):
    """Every error's body."""

    error: Fault


class Usage(Open):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class FunctionCall(Open):
    name: str
    arguments: str


class ToolCall(Open):
    id: str
    type: Literal["function"]
    function: FunctionCall


class AnswerMessage(Open):
    role: Literal["assistant"]
    content: str | None
    refusal: str | None
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: FunctionCall | None = None


class ChatChoice(Open):
    index: int
    message: AnswerMessage
    logprobs: JsonObject | None
    finish_reason: Literal["stop", "length", "tool_calls", "function_call"]
    postgrad: dict[str, float | bool | None] | None = None


class PromptIds(Open):
    """What the model was asked with, where the request wanted to know."""

    prompt_token_ids: list[int]
    as_evaluated: bool


class ChatCompletion(Open):
    """The answer of `/v1/chat/completions`; a stream sends its pieces as `chat.completion.chunk`."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage
    postgrad: PromptIds | None = None


class TextChoice(Open):
    index: int
    text: str
    logprobs: JsonObject | None
    finish_reason: Literal["stop", "length"]


class TextCompletion(Open):
    """The answer of `/v1/completions`."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[TextChoice]
    usage: Usage


class Embedding(Open):
    index: int
    object: Literal["embedding"]
    embedding: list[float] | str


class EmbeddingUsage(Open):
    prompt_tokens: int
    total_tokens: int


class Embeddings(Open):
    """The answer of `/v1/embeddings`."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage


class Model(Open):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(Open):
    object: Literal["list"]
    data: list[Model]


class Deleted(Open):
    id: str
    object: str
    deleted: bool


class Health(Open):
    status: Literal["ok", "degraded"]
    workers: dict[str, str]
    version: str
    model: str | None
    inside: int
    out_of_service: dict[str, str]
