"""Chat as OpenAI's unmodified SDK asks for it: log-probabilities, tools, forms, streams, several answers, one that is
left."""

import asyncio
import json
import math
import shutil
import time

import httpx
import openai
import pytest
from pydantic import BaseModel, Field

from postgrad.models.base_models import find_model
from postgrad.models.generation.generate import Decoding
from postgrad.models.generation.logits import Steering
from postgrad.models.language_model import LanguageModel
from postgrad.records import Message
from postgrad.registry import Catalogue
from postgrad.serving.app import make_app
from postgrad.serving.inference.engine import Engine
from postgrad.serving.wire.strict_schema import closed, strict_fault
from tests.models.test_steps import grown
from tests.serving.loopback import ASK, counted, running


@pytest.fixture(scope="session")
def wide_folder(tiny_folder, tmp_path_factory):
    """The tiny model with a context in which tools have room."""
    folder = shutil.copytree(tiny_folder, tmp_path_factory.mktemp("wide") / "wide")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 2048}))
    return folder


@pytest.fixture
def engine(tiny_folder, wide_folder):
    aliases = {"gpt-4o-mini": str(tiny_folder), "gpt-4o": str(wide_folder)}
    return Engine(Catalogue(), list(aliases.values()), aliases)


@pytest.fixture
def address(engine):
    with running(make_app(engine)) as address:
        yield address


@pytest.fixture
def client(address):
    return openai.OpenAI(base_url=address, api_key="none", max_retries=0, timeout=60)


def ask(client, **options):
    model = "gpt-4o" if {"tools", "functions"} & options.keys() else "gpt-4o-mini"
    return client.chat.completions.create(**{"model": model, "messages": ASK, "max_tokens": 16, **options})


def test_log_probabilities_are_those_of_the_tokens_taken(client, tiny_folder):
    model = LanguageModel(find_model(str(tiny_folder)))
    prompt = model.renderer.prompt_ids([Message("user", ASK[0]["content"])])
    _, (taken,), _ = grown(model, prompt, Decoding(16, 1.0, seed=5), Steering(alternatives=3))
    answer = ask(client, logprobs=True, top_logprobs=3, temperature=1.0, seed=5)
    shown = answer.choices[0].logprobs.content
    assert [t.logprob for t in shown] == pytest.approx([t.logprob for t in taken], abs=1e-4)
    for token, own in zip(shown, taken, strict=True):
        assert [t.logprob for t in token.top_logprobs] == pytest.approx([p for _, p in own.alternatives], abs=1e-4)
    assert b"".join(bytes(t.bytes) for t in shown).decode("utf-8", "replace") == answer.choices[0].message.content


def test_confidence_is_the_mean_probability_of_the_tokens(client):
    answer = ask(client, logprobs=True, extra_body={"postgrad": {"confidence": True}})
    choice = answer.choices[0]
    if choice.finish_reason == "length":  # else the end mark counts too, which logprobs do not show
        mean = sum(t.logprob for t in choice.logprobs.content) / len(choice.logprobs.content)
        assert choice.postgrad["confidence"] == pytest.approx(math.exp(mean), abs=1e-4)
    assert 0 < choice.postgrad["confidence"] <= 1
    assert "postgrad" not in ask(client).choices[0].model_extra
    last = [c for c in ask(client, stream=True, extra_body={"postgrad": {"confidence": True}}) if c.choices][-1]
    assert last.choices[0].postgrad["confidence"] == pytest.approx(choice.postgrad["confidence"], abs=1e-4)


def test_a_stream_says_what_the_whole_answer_says(client):
    options = {
        "n": 3,
        "temperature": 1.3,
        "seed": 11,
        "stop": ["7", "zz", "Ha", "q"],
        "logprobs": True,
        "top_logprobs": 1,
    }
    whole = ask(client, **options, max_tokens=40)
    chunks = list(ask(client, **options, max_tokens=40, stream=True, stream_options={"include_usage": True}))
    for index, choice in enumerate(whole.choices):
        mine = [c.choices[0] for c in chunks if c.choices and c.choices[0].index == index]
        assert mine[0].delta.role == "assistant"
        assert "".join(c.delta.content or "" for c in mine) == choice.message.content
        assert [c.finish_reason for c in mine if c.finish_reason] == [choice.finish_reason]
        streamed = [t.token for c in mine if c.logprobs for t in c.logprobs.content]
        assert streamed == [t.token for t in choice.logprobs.content]
        assert not any(stop in choice.message.content for stop in options["stop"])
    assert counted(chunks[-1].usage) == counted(whole.usage) and not chunks[-1].choices
    assert all(c.usage is None for c in chunks[:-1])
    assert len({c.id for c in chunks}) == 1


def test_sampling_without_a_seed_differs_and_with_one_repeats(client):
    assert len({ask(client, temperature=2.0).choices[0].message.content for _ in range(4)}) > 1
    assert len({ask(client, temperature=2.0, seed=-3).choices[0].message.content for _ in range(3)}) == 1
    assert len({ask(client).choices[0].message.content for _ in range(2)}) == 1, "greedy where no temperature is named"


class Order(BaseModel):
    number: int = Field(ge=0, le=999)
    late: bool
    intent: str = Field(max_length=5)


def test_an_answer_is_parsed_into_a_model(client):
    for seed in range(3):
        done = client.chat.completions.parse(
            model="gpt-4o-mini", messages=ASK, response_format=Order, temperature=1.5, seed=seed, max_tokens=120
        )
        assert isinstance(done.choices[0].message.parsed, Order)


def test_a_json_object_and_a_bad_schema(client):
    text = ask(client, response_format={"type": "json_object"}, max_tokens=60).choices[0].message.content
    assert text.startswith("{")
    form = {"type": "object", "properties": {}, "additionalProperties": False, "not": {"type": "null"}}
    schema = {"name": "x", "strict": True, "schema": form}
    with pytest.raises(openai.BadRequestError, match="not") as caught:
        ask(client, response_format={"type": "json_schema", "json_schema": schema})
    assert (caught.value.code, caught.value.param) == ("invalid_json_schema", "response_format")


TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {
                "type": "object",
                "properties": {"place": {"enum": ["home", "work"]}},
                "required": ["place"],
                "additionalProperties": False,
            },
        },
    }
    for name in ("go", "look")
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("choice", "finish", "names"),
    [
        ("required", "tool_calls", {"go", "look"}),
        ({"type": "function", "function": {"name": "look"}}, "stop", {"look"}),
    ],
)
def test_a_tool_is_called_where_one_must_be(client, choice, finish, names, stream):
    options = {"tools": TOOLS, "tool_choice": choice, "temperature": 1.2, "seed": 3, "max_tokens": 150}
    whole = ask(client, **options).choices[0]
    calls = whole.message.tool_calls
    if stream:
        with client.chat.completions.stream(model="gpt-4o", messages=ASK, **options) as events:
            for _ in events:
                pass
            said = events.get_final_completion().choices[0]
        assert [(c.function.name, c.function.arguments) for c in said.message.tool_calls] == [
            (c.function.name, c.function.arguments) for c in calls
        ]
        whole = said
    assert whole.finish_reason == finish and not whole.message.content
    assert {c.function.name for c in calls} <= names
    assert all(json.loads(c.function.arguments)["place"] in ("home", "work") for c in calls)
    assert len({c.id for c in calls}) == len(calls)


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_that_is_cut_by_the_length_leaks_no_markup(client, stream):
    options = {"tools": TOOLS, "tool_choice": "required", "max_tokens": 6, "seed": 3}
    if stream:
        chunks = list(ask(client, stream=True, **options))
        text, finish = "".join(c.choices[0].delta.content or "" for c in chunks), chunks[-1].choices[0].finish_reason
    else:
        choice = ask(client, **options).choices[0]
        text, finish = choice.message.content or "", choice.finish_reason
    assert (text, finish) == ("", "length")


def test_the_likeliest_token_alone_is_left_by_top_p_0(client):
    greedy = ask(client, temperature=0).choices[0].message.content
    assert ask(client, temperature=1.9, top_p=0, seed=5).choices[0].message.content == greedy


def test_strict_refuses_open_objects_as_openai_does(client):
    inner = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
    for schema, says in (
        ({"type": "array"}, 'type: "object"'),
        ({"type": "object", "properties": {}}, "'additionalProperties' is required"),
        ({"type": "object", "properties": {"x": inner}, "required": ["x"], "additionalProperties": False}, "'a'"),
    ):
        form = {"type": "json_schema", "json_schema": {"name": "f", "strict": True, "schema": schema}}
        with pytest.raises(openai.BadRequestError) as caught:
            ask(client, response_format=form)
        assert caught.value.code == "invalid_json_schema" and says in caught.value.message
        tool = {"type": "function", "function": {"name": "f", "strict": True, "parameters": schema}}
        with pytest.raises(openai.BadRequestError) as caught:
            ask(client, tools=[tool])
        assert caught.value.code == "invalid_function_parameters" and says in caught.value.message


def test_what_combines_schemas_is_not_closed():
    base = {"type": "object", "properties": {"a": {"type": "boolean"}}}
    for schema in (
        {"$defs": {"base": base}, "allOf": [{"$ref": "#/$defs/base"}, {"properties": {"b": {}}}]},
        {"properties": {"a": {}}, "anyOf": [{"properties": {"b": {}}}]},
        {"properties": {"a": {}}, "required": ["a", "c"]},
        {"type": "object"},
    ):
        assert closed(schema) == schema
    assert closed({"items": base}) == {"items": {**base, "additionalProperties": False}}
    assert "must be" in strict_fault({"type": "object", "properties": 5, "additionalProperties": False})


def test_other_schemas_come_to_an_end(client):
    schema = {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}
    form = {"type": "json_schema", "json_schema": {"name": "f", "schema": schema}}
    for seed in range(4):
        choice = ask(client, response_format=form, temperature=1.5, seed=seed, max_tokens=60).choices[0]
        assert choice.finish_reason == "stop" and set(json.loads(choice.message.content)) == {"a"}


def test_the_older_spelling_of_tools(client):
    functions = [tool["function"] for tool in TOOLS]
    for older, newer in ((None, None), ({"name": "look"}, {"type": "function", "function": {"name": "look"}})):
        common = {"temperature": 1.2, "seed": 3, "max_tokens": 150}
        tools = ask(
            client, tools=TOOLS, parallel_tool_calls=False, **common, **({"tool_choice": newer} if newer else {})
        )
        said = ask(client, functions=functions, **common, **({"function_call": older} if older else {}))
        call, expected = said.choices[0].message.function_call, tools.choices[0].message.tool_calls
        assert counted(said.usage) == counted(tools.usage) and said.choices[0].message.tool_calls is None
        assert (call is None) == (not expected)
        if newer:
            assert (call.name, call.arguments) == ("look", expected[0].function.arguments)
            assert said.choices[0].finish_reason == "stop"
    stream = ask(client, functions=functions, **common, function_call={"name": "look"}, stream=True)
    sent = [c.choices[0].delta.function_call for c in stream if c.choices and c.choices[0].delta.function_call]
    assert [(s.name, s.arguments) for s in sent] == [(call.name, call.arguments)]
    seen = {"role": "function", "name": "look", "content": "a red sofa"}
    answer = ask(client, messages=[*ASK, said.choices[0].message, seen], functions=functions, function_call="none")
    assert answer.choices[0].finish_reason in ("stop", "length")


def test_one_call_only_where_parallel_ones_are_not_wanted(client):
    for seed in range(4):
        answer = ask(
            client,
            tools=TOOLS,
            tool_choice="required",
            parallel_tool_calls=False,
            seed=seed,
            temperature=1.5,
            max_tokens=100,
        )
        assert len(answer.choices[0].message.tool_calls) == 1


def test_a_conversation_with_calls_goes_on(client):
    message = (
        ask(client, tools=TOOLS, tool_choice="required", parallel_tool_calls=False, max_tokens=300).choices[0].message
    )
    seen = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "a red sofa"}
    with_calls = ask(client, messages=[*ASK, message, seen], tools=TOOLS)
    without = ask(client, messages=[*ASK, message, seen], tools=TOOLS, tool_choice="none")
    assert without.usage.prompt_tokens < with_calls.usage.prompt_tokens, "tools are not shown where none may be called"
    assert ask(client, tools=TOOLS).choices[0].finish_reason in ("stop", "length", "tool_calls")


def test_penalties_and_biases_change_the_answer(client, tiny_folder):
    token = find_token(tiny_folder, " sofa")
    answer = ask(client, logit_bias={str(token): 100}, max_tokens=3)
    assert answer.choices[0].message.content == " sofa sofa sofa"
    other = ask(client, logit_bias={str(token): 30}, frequency_penalty=2, presence_penalty=2, max_tokens=60)
    assert other.choices[0].message.content.count(" sofa") < 60
    with pytest.raises(openai.BadRequestError, match="no token of this model") as caught:
        ask(client, logit_bias={"999999": 1})
    assert caught.value.param == "logit_bias"


def find_token(folder, text):
    from tokenizers import Tokenizer

    ids = Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text).ids
    assert len(ids) == 1
    return ids[0]


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"n": 129}, "n"),
        ({"top_logprobs": 21, "logprobs": True}, "top_logprobs"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"frequency_penalty": 3}, "frequency_penalty"),
        ({"functions": []}, "functions"),
        ({"functions": [{"name": "f"}], "tools": TOOLS}, None),
        ({"function_call": "auto"}, "function_call"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "fly"}}}, "tool_choice"),
        ({"tools": [TOOLS[0], TOOLS[0]]}, "tools"),
        ({"extra_body": {"top_k": 3}}, "top_k"),
        ({"extra_body": {"postgrad": {"confidense": True}}}, "postgrad.confidense"),
        ({"temperature": "warm"}, "temperature"),
        ({"messages": [{"role": "user"}]}, "messages"),
    ],
)
def test_what_cannot_be_followed_is_refused_by_name(client, change, param):
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, **change)
    assert caught.value.param == param


@pytest.mark.parametrize("field", ["user", "service_tier", "safety_identifier", "prompt_cache_key"])
def test_what_changes_no_answer_is_accepted(client, field):
    assert ask(client, max_tokens=1, **{field: "x"}).choices
    assert ask(client, max_tokens=1, metadata={"a": "b"}, store=False, modalities=["text"]).choices


def test_the_asynchronous_client(address):
    async def work():
        async with openai.AsyncOpenAI(base_url=address, api_key="none", max_retries=0) as client:
            alike = [client.chat.completions.create(model="gpt-4o-mini", messages=ASK, max_tokens=8) for _ in range(4)]
            texts = {a.choices[0].message.content for a in await asyncio.gather(*alike)}
            stream = await client.chat.completions.create(model="gpt-4o-mini", messages=ASK, max_tokens=8, stream=True)
            return texts, "".join([c.choices[0].delta.content or "" async for c in stream])

    texts, streamed = asyncio.run(work())
    assert texts == {streamed}


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_nobody_waits_for_is_given_up(engine, stream):
    app = make_app(engine)
    with running(app) as address:
        client = openai.OpenAI(base_url=address, api_key="none", max_retries=0, timeout=0.5)
        options = {
            "model": "gpt-4o-mini",
            "messages": ASK,
            "n": 64,
            "max_tokens": 400,
            "temperature": 2.0,
            "logit_bias": {"2": -100},
        }
        with pytest.raises(openai.APITimeoutError):
            for _ in (
                client.chat.completions.create(**options, stream=True)
                if stream
                else [client.chat.completions.create(**options)]
            ):
                time.sleep(0.6)
                raise openai.APITimeoutError(httpx.Request("POST", address))
        client.close()
        health = address.replace("/v1", "/health")
        start = time.monotonic()
        while httpx.get(health).json()["inside"]:
            assert time.monotonic() - start < 10, "the answer goes on although its client has left"
            time.sleep(0.05)


def test_both_ends_of_the_room(client):
    long = [{"role": "user", "content": "a " * 440}]
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=long)
    assert answer.usage.total_tokens <= 512, "without max_tokens the answer takes the room there is"
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="gpt-4o-mini", messages=long, max_tokens=400)
    assert caught.value.code == "context_length_exceeded"
