"""The bodies of chat, completion and embedding requests: OpenAI's fields, their bounds, and which of them are refused.

A field is acted on, or ignored because OpenAI's own service may ignore it without another answer, or refused by name.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    WithJsonSchema,
    model_validator,
)

from postgrad.json_types import JsonObject
from postgrad.serving.wire.strict import Strict

MAX_STOPS = 4


def _whole(value: Any) -> Any:
    """JSON does not tell 3.0 from 3."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
Temperature = Annotated[StrictFloat, Field(ge=0, le=2)]
Share = Annotated[StrictFloat, Field(ge=0, le=1)]
Penalty = Annotated[StrictFloat, Field(ge=-2, le=2)]
Count = Annotated[StrictInt, Field(ge=1, le=128), WHOLE]
Tokens = Annotated[StrictInt, Field(ge=1), WHOLE]
Seed = Annotated[StrictInt, Field(ge=-(2**63), lt=2**63), WHOLE]
Stops = StrictStr | Annotated[list[StrictStr], Field(max_length=MAX_STOPS)]


class Ours(Strict):
    """postgrad's own options, sent with `extra_body={"postgrad": {…}}`."""

    confidence: StrictBool = False
    """Adds to every choice the geometric mean of its tokens' probabilities, from 0 to 1, and whether to escalate."""


class OursOfChat(Ours):
    """postgrad's own options for chat."""

    prompt_ids: StrictBool = False
    """Adds to the response the token ids of the prompt, its instruction and passages included, and
    whether that is how it was evaluated."""


class StreamOptions(Strict):
    """OpenAI's `stream_options`."""

    include_usage: StrictBool | None = None
    include_obfuscation: StrictBool | None = None


class FunctionDefinition(BaseModel):
    """A function that the model may call."""

    name: Annotated[StrictStr, Field(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9_.-]+$")]
    description: StrictStr | None = None
    parameters: JsonObject | None = None
    strict: StrictBool | None = None


class Tool(BaseModel):
    """A tool; only functions are supported."""

    type: Literal["function"]
    function: FunctionDefinition


class NamedFunction(Strict):
    name: StrictStr


class NamedTool(Strict):
    """The function that must be called."""

    type: Literal["function"]
    function: NamedFunction


class JsonSchema(Strict):
    """OpenAI's `response_format.json_schema`; strict refuses a schema that cannot be fully enforced."""

    name: Annotated[StrictStr, Field(min_length=1, max_length=64)]
    description: StrictStr | None = None
    schema_: Annotated[JsonObject | None, Field(alias="schema")] = None
    strict: StrictBool | None = None


class ResponseFormat(Strict):
    """The form of the answer."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None

    @model_validator(mode="after")
    def _schema_is_there(self) -> ResponseFormat:
        if self.type == "json_schema" and (self.json_schema is None or self.json_schema.schema_ is None):
            raise ValueError("json_schema with a schema is needed for the type json_schema")
        return self


class DecodingFields(Strict):
    """What chat and completions share."""

    model: Annotated[StrictStr, Field(min_length=1)]
    temperature: Temperature | None = None
    top_p: Share | None = None
    n: Count | None = None
    seed: Seed | None = None
    stop: Stops | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    logit_bias: (
        dict[Annotated[str, Field(pattern=r"^[0-9]+$")], Annotated[StrictFloat, Field(ge=-100, le=100)]] | None
    ) = None
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    user: StrictStr | None = None

    @property
    def stops(self) -> tuple[str, ...]:
        given = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return tuple(s for s in given if s)

    @property
    def wants_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)


NOTHING = WithJsonSchema({"type": "null"})
_TEXT = {"type": "string"}
_CALL = {
    "type": "object",
    "properties": {
        "id": _TEXT,
        "type": {"const": "function"},
        "function": {
            "type": "object",
            "properties": {"name": _TEXT, "arguments": _TEXT},
            "required": ["name", "arguments"],
        },
    },
    "required": ["id", "type", "function"],
}
_PART = {"type": "object", "properties": {"type": {"const": "text"}, "text": _TEXT}, "required": ["type", "text"]}
MESSAGE: JsonObject = {
    "type": "object",
    "properties": {
        "role": {"enum": ["system", "developer", "user", "assistant", "tool"]},
        "content": {"anyOf": [_TEXT, {"type": "array", "items": _PART}], "description": "An assistant's may be null."},
        "name": {"anyOf": [_TEXT, {"type": "null"}]},
        "tool_calls": {"anyOf": [{"type": "array", "items": _CALL}, {"type": "null"}]},
        "tool_call_id": {"anyOf": [_TEXT, {"type": "null"}]},
        "reasoning_content": {
            "anyOf": [_TEXT, {"type": "null"}],
            "description": "Of one that thinks (BASE+thinking); its template decides whether it is read again.",
        },
    },
    "required": ["role", "content"],
}
"""What the page at /docs says of a message; `messages.py` reads them, and says better what is wrong than a schema
would."""


class ChatRequest(DecodingFields):
    """OpenAI's chat request."""

    postgrad: OursOfChat | None = None
    messages: Annotated[list[Annotated[JsonObject, WithJsonSchema(MESSAGE)]], Field(min_length=1)]
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    logprobs: StrictBool | None = None
    top_logprobs: Annotated[StrictInt, Field(ge=0, le=20), WHOLE] | None = None
    tools: Annotated[list[Tool], Field(max_length=128)] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: StrictBool | None = None
    response_format: ResponseFormat | None = None
    functions: Annotated[list[FunctionDefinition], Field(min_length=1, max_length=128)] | None = None
    """OpenAI's older form of tools, answered with `function_call`."""
    function_call: Literal["none", "auto"] | NamedFunction | None = None
    # accepted and ignored: they change no answer
    metadata: JsonObject | None = None
    store: StrictBool | None = None
    service_tier: StrictStr | None = None
    safety_identifier: StrictStr | None = None
    prompt_cache_key: StrictStr | None = None
    prompt_cache_retention: StrictStr | None = None
    prediction: object = None
    # known and refused unless they ask for nothing
    audio: Annotated[object, NOTHING] = None
    modalities: Annotated[object, WithJsonSchema({"enum": [None, ["text"]]})] = None
    reasoning_effort: Annotated[object, WithJsonSchema({"enum": [None, "none"]})] = None
    verbosity: Annotated[object, WithJsonSchema({"enum": [None, "medium"]})] = None
    web_search_options: Annotated[object, NOTHING] = None

    @property
    def wants_confidence(self) -> bool:
        return self.postgrad is not None and self.postgrad.confidence

    @model_validator(mode="after")
    def _functions_are_tools(self) -> ChatRequest:
        if self.functions is None:
            return self
        if self.tools is not None or self.tool_choice is not None:
            raise ValueError("functions are tools in an older spelling; give either functions or tools")
        self.tools = [Tool(type="function", function=function) for function in self.functions]
        chosen = self.function_call
        self.tool_choice = NamedTool(type="function", function=chosen) if isinstance(chosen, NamedFunction) else chosen
        self.parallel_tool_calls = False
        return self


REFUSED: dict[str, tuple[object, ...]] = {
    "audio": (None,),
    "modalities": (None, ["text"]),
    "reasoning_effort": (None, "none"),
    "verbosity": (None, "medium"),
    "web_search_options": (None,),
}
"""Fields of chat that this server cannot follow, with the values that ask for nothing."""


class CompletionRequest(DecodingFields):
    """OpenAI's legacy completion request."""

    postgrad: Ours | None = None
    prompt: (
        StrictStr
        | Annotated[list[StrictStr], Field(min_length=1, max_length=64)]
        | Annotated[list[StrictInt], Field(min_length=1)]
        | Annotated[list[list[StrictInt]], Field(min_length=1, max_length=64)]
        | None
    ) = None
    max_tokens: Annotated[StrictInt, Field(ge=0), WHOLE] | None = None
    logprobs: Annotated[StrictInt, Field(ge=0, le=5), WHOLE] | None = None
    echo: StrictBool | None = None
    best_of: Count | None = None
    suffix: StrictStr | None = None

    @property
    def wants_confidence(self) -> bool:
        return self.postgrad is not None and self.postgrad.confidence


class EmbeddingRequest(Strict):
    """OpenAI's embedding request."""

    model: Annotated[StrictStr, Field(min_length=1)]
    input: (
        Annotated[StrictStr, Field(min_length=1)]
        | Annotated[list[Annotated[StrictStr, Field(min_length=1)]], Field(min_length=1, max_length=2048)]
        | Annotated[list[StrictInt], Field(min_length=1, max_length=2048)]
        | Annotated[list[list[StrictInt]], Field(min_length=1, max_length=2048)]
    )
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[StrictInt, Field(ge=1), WHOLE] | None = None
    user: StrictStr | None = None
