"""A chat request as the engine answers it: messages, tools, form of the answer and decoding, or the error that says why
not."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from postgrad.errors import DataError, ModelError
from postgrad.json_types import JsonObject
from postgrad.models.generation.generate import Decoding
from postgrad.models.generation.grammar import AfterThought, CompiledGrammar, calls_form, json_form
from postgrad.models.generation.logits import Steering
from postgrad.models.rendering.tools import ToolForm, tool_form
from postgrad.registry.catalogue import NotPromotedError
from postgrad.serving.inference.engine import Engine
from postgrad.serving.inference.prepared import PreparedRequest, Served
from postgrad.serving.wire.api_errors import ApiError, unknown_model
from postgrad.serving.wire.messages import messages_from
from postgrad.serving.wire.requests import REFUSED, ChatRequest, DecodingFields, NamedTool
from postgrad.serving.wire.strict_schema import closed, strict_fault
from postgrad.steps.openai_jobs.hyperparameters import is_openais

MOST_NEW_TOKENS = 2048
"""Longest answer where the request names no length; less where the context has less room."""
MAX_TOKENS = 131_072
"""Prompt and answers of one request together."""
_STAND_IN = "To let one of this server's models answer under that name, start it with --alias {}=MODEL."


@dataclass(frozen=True)
class Tools:
    """The functions that an answer may call.

    Attributes:
        names: Of the functions.
        form: How a call stands in the answer.
        several: Whether one answer may hold several calls.
        named: Whether the client named the one function to call.
    """

    names: frozenset[str]
    form: ToolForm
    several: bool
    named: bool


@dataclass(frozen=True)
class PreparedChat:
    """A request that was accepted."""

    prepared: PreparedRequest
    tools: Tools | None


def find_served(engine: Engine, name: str, project: str | None, organization: str | None = None) -> Served:
    """The model that a client named.

    Raises:
        ApiError: 404, there is none for this project.
    """
    try:
        return engine.find(name, project, organization)
    except NotPromotedError as error:
        raise ApiError(404, str(error), "model_not_found", "model") from None
    except ModelError:
        raise unknown_model(name, _STAND_IN.format(name) if is_openais(name) else "") from None


def decoding_of(body: DecodingFields, tokens: int) -> Decoding:
    """Omitted settings mean those of the evaluation: greedy. Sampling without a seed differs from call to call."""
    seed = body.seed if body.seed is not None else secrets.randbits(31)
    top_p = 1.0 if body.top_p is None else float(body.top_p)
    temperature = float(body.temperature or 0.0) if top_p else 0.0  # the likeliest token alone is left
    return Decoding(tokens, temperature, top_p or 1.0, seed, body.stops)


def biases(body: DecodingFields, size: int) -> Mapping[int, float]:
    """`logit_bias` by token id.

    Raises:
        ApiError: a key is no token of this model.
    """
    out: dict[int, float] = {}
    for key, value in (body.logit_bias or {}).items():
        if not (key.isascii() and key.isdigit() and len(key) < 10 and int(key) < size):
            raise ApiError(
                400,
                f"Invalid key in 'logit_bias': {key!r} is no token of this model (0 to {size - 1}).",
                "invalid_value",
                "logit_bias",
            )
        out[int(key)] = float(value)
    return out


def room_for_answer(context: int, prompt: int, wanted: int | None) -> int:
    """Tokens that the answer may take."""
    return wanted if wanted is not None else max(1, min(MOST_NEW_TOKENS, context - prompt))


def bounded(prepared: PreparedRequest) -> PreparedRequest:
    """The request, unless its answers together need too much memory.

    Raises:
        ApiError: they do.
    """
    if prepared.tokens > MAX_TOKENS:
        raise ApiError(
            400,
            f"'n' answers of this length need {prepared.tokens} tokens together; at most {MAX_TOKENS} are allowed.",
            "invalid_value",
            "n",
        )
    return prepared


def prepare_chat(
    engine: Engine, body: ChatRequest, project: str | None, organization: str | None = None
) -> PreparedChat:
    """The request as it will be answered.

    Raises:
        ApiError: a field cannot be followed, or the model is not there.
        DataError: the messages cannot be used.
    """
    _refuse(body)
    served = find_served(engine, body.model, project, organization)
    tools, offered = _tools(engine, served, body)
    wanted = body.max_completion_tokens if body.max_completion_tokens is not None else body.max_tokens
    prompt = engine.prompt(served, messages_from(body.messages), offered, wanted)
    decoding = decoding_of(body, room_for_answer(engine.room(served), len(prompt.ids), wanted))
    renderer = engine.renderer(served)
    decoding = decoding.for_chat(renderer)
    if body.logprobs:
        engine.vocabulary(served)  # read here, in a thread, and not while the answer is written down
    form = _form(engine, served, body, tools, offered)
    special = tools is not None and renderer.decode(renderer.encode(tools.form.opening)) != tools.form.opening
    steering = Steering(
        float(body.frequency_penalty or 0),
        float(body.presence_penalty or 0),
        biases(body, renderer.vocabulary),
        body.top_logprobs or 0,
        AfterThought.of(form, renderer) if form is not None else None,
        special,
    )
    prepared = engine.fitted(served, prompt.ids, decoding, steering, body.n or 1, prompt.as_evaluated)
    return PreparedChat(bounded(prepared), tools)


def _refuse(body: ChatRequest) -> None:
    for field, nothing in REFUSED.items():
        if getattr(body, field) not in nothing:
            raise ApiError(
                400,
                f"Unsupported parameter: {field!r} is not supported by this server.",
                "unsupported_parameter",
                field,
            )
    if body.top_logprobs and not body.logprobs:
        raise ApiError(400, "'top_logprobs' needs 'logprobs' to be true.", "invalid_value", "top_logprobs")
    if body.tool_choice not in (None, "none") and not body.tools:
        raise ApiError(400, "'tool_choice' is only allowed when 'tools' are given.", "invalid_value", "tool_choice")
    if body.function_call not in (None, "none") and not body.functions:
        raise ApiError(
            400, "'function_call' is only allowed when 'functions' are given.", "invalid_value", "function_call"
        )


def _tools(engine: Engine, served: Served, body: ChatRequest) -> tuple[Tools | None, list[JsonObject]]:
    """The tools, and those of them that are put before the model."""
    if not body.tools or body.tool_choice == "none":
        return None, []
    offered = [t.model_dump(exclude_none=True) for t in body.tools]
    for tool in body.tools:
        if tool.function.strict and (fault := strict_fault(tool.function.parameters or {"type": "object"})):
            message = f"Invalid schema for function {tool.function.name!r}: {fault}."
            raise ApiError(400, message, "invalid_function_parameters", "tools")
    names = [t.function.name for t in body.tools]
    if len(set(names)) < len(names):
        raise ApiError(400, "Two tools have the same name.", "invalid_value", "tools")
    named = isinstance(body.tool_choice, NamedTool)
    if isinstance(body.tool_choice, NamedTool) and body.tool_choice.function.name not in names:
        raise ApiError(
            400, f"Tool choice {body.tool_choice.function.name!r} not found in 'tools'.", "invalid_value", "tool_choice"
        )
    try:
        form = tool_form(engine.renderer(served).template)
    except DataError as error:
        raise ApiError(400, str(error), "unsupported_parameter", "tools") from None
    several = body.parallel_tool_calls is not False and not named
    return Tools(frozenset(names), form, several, named), offered


def _refuse_schema(message: str) -> None:
    raise ApiError(400, message, "invalid_json_schema", "response_format")


def _form(
    engine: Engine, served: Served, body: ChatRequest, tools: Tools | None, offered: list[JsonObject]
) -> CompiledGrammar | None:
    """What the answer is held to while it is generated."""
    wanted = body.response_format
    schema, strict = None, True
    if wanted is not None and wanted.type == "json_object":
        schema = {"type": "object"}
    elif wanted is not None and wanted.json_schema is not None:
        schema, strict = wanted.json_schema.schema_ or {}, bool(wanted.json_schema.strict)
        if strict and (fault := strict_fault(schema)):
            _refuse_schema(f"Invalid schema for response_format {wanted.json_schema.name!r}: {fault}.")
        schema = schema if strict else closed(schema)
    must = body.tool_choice == "required" or isinstance(body.tool_choice, NamedTool)
    if tools is not None and (must or schema is not None):
        chosen = offered
        if isinstance(body.tool_choice, NamedTool):
            chosen = [t for t in offered if t["function"]["name"] == body.tool_choice.function.name]
        try:
            return calls_form(
                engine.vocabulary(served), tools.form, chosen, several=tools.several, otherwise=None if must else schema
            )
        except DataError as error:
            raise ApiError(400, str(error), "invalid_function_parameters", "tools") from None
    if schema is None:
        return None
    try:
        return json_form(engine.vocabulary(served), schema, strict=strict)
    except DataError as error:
        raise ApiError(
            400, f"Invalid schema for response_format: {error}", "invalid_json_schema", "response_format"
        ) from None
