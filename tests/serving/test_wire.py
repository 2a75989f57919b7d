"""The wire itself: errors in OpenAI's form whatever comes, completions, embeddings, the page at /docs, bounds of
bodies."""

import base64
import json

import httpx
import numpy as np
import openai
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postgrad.models.embeddings import embed
from postgrad.models.generation.generate import Decoding, complete
from postgrad.registry import Catalogue
from postgrad.serving.access.limits import MAX_BODY
from postgrad.serving.app import make_app
from postgrad.serving.inference.engine import Engine
from tests.serving.loopback import ASK, counted, running


@pytest.fixture
def address(tiny_folder):
    with running(make_app(Engine(Catalogue(), [str(tiny_folder)], {"org/tiny": str(tiny_folder)}))) as address:
        yield address


@pytest.fixture
def client(address):
    return openai.OpenAI(base_url=address, api_key="none", max_retries=0)


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("GET", "/models/nobody", {}, 404, "model_not_found"),
        ("DELETE", "/models/nobody%2Felse", {"headers": JSON}, 404, "model_not_found"),
        ("DELETE", "/models/org%2Ftiny", {"headers": JSON}, 403, "insufficient_permissions"),
        ("GET", "/nothing", {}, 404, "unknown_url"),
        ("PUT", "/models", {}, 405, "method_not_supported"),
        ("POST", "/chat/completions", {"headers": JSON}, 400, "missing_required_parameter"),
        ("POST", "/chat/completions", {"headers": JSON, "content": "{"}, 400, None),
        ("POST", "/chat/completions", {"headers": JSON, "content": "[1]"}, 400, "invalid_value"),
        ("POST", "/chat/completions", {"content": "hello"}, 400, "invalid_value"),
        ("POST", "/chat/completions", {"json": {"model": "org/tiny"}}, 400, "missing_required_parameter"),
        ("POST", "/chat/completions", {"json": {"model": "nobody", "messages": ASK}}, 404, "model_not_found"),
        ("POST", "/chat/completions", {"json": {"model": "../../etc/passwd", "messages": ASK}}, 404, "model_not_found"),
        (
            "POST",
            "/chat/completions",
            {"json": {"model": "org/tiny", "messages": ASK, "x": 1}},
            400,
            "unknown_parameter",
        ),
        ("POST", "/completions", {"json": {"model": "org/tiny", "prompt": [99999]}}, 400, "invalid_value"),
        (
            "POST",
            "/completions",
            {"json": {"model": "org/tiny", "prompt": "a", "suffix": "b"}},
            400,
            "unsupported_parameter",
        ),
        ("POST", "/embeddings", {"json": {"model": "nobody", "input": "x"}}, 404, "model_not_found"),
        ("POST", "/embeddings", {"json": {"model": "wordllama-256", "input": [1, 2]}}, 400, "unsupported_value"),
        ("POST", "/embeddings", {"json": {"model": "wordllama-256", "input": ""}}, 400, "invalid_value"),
        (
            "POST",
            "/embeddings",
            {"json": {"model": "wordllama-256", "input": "x", "dimensions": 257}},
            400,
            "invalid_value",
        ),
        (
            "POST",
            "/embeddings",
            {"json": {"model": "wordllama-256", "input": "w " * 4000}},
            400,
            "context_length_exceeded",
        ),
    ],
)
def test_every_error_has_openais_body_and_an_id(address, method, path, options, status, code):
    answer = httpx.request(method, address + path, **options)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert set(error) == {"message", "type", "param", "code"} and error["message"]
    assert answer.headers["x-request-id"].startswith("req_")


def test_a_name_with_a_slash(client, address):
    assert client.models.retrieve("org/tiny").id == "org/tiny"
    assert httpx.get(f"{address}/models/org%2Ftiny").json()["id"] == "org/tiny"
    assert client.chat.completions.create(model="org/tiny", messages=ASK, max_tokens=1).model == "org/tiny"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
FIELDS = [
    "messages",
    "temperature",
    "top_p",
    "n",
    "stop",
    "seed",
    "tools",
    "tool_choice",
    "response_format",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "stream",
    "stream_options",
    "max_tokens",
    "parallel_tool_calls",
    "postgrad",
    "frequency_penalty",
    "metadata",
]


@pytest.fixture(scope="module")
def app_once(tiny_folder, tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('db') / 'catalogue.db'}"
    with running(make_app(Engine(Catalogue(url), [str(tiny_folder)], {"tiny": str(tiny_folder)}))) as address:
        yield address


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(fields=st.dictionaries(st.sampled_from(FIELDS), anything, max_size=3))
def test_whatever_comes_no_fault_is_the_servers(app_once, fields):
    body = {"model": "tiny", "messages": ASK, "max_tokens": 2, **fields}
    answer = httpx.post(
        f"{app_once}/chat/completions", content=json.dumps(body).encode("utf-8", "replace"), headers=JSON, timeout=60
    )
    assert answer.status_code in (200, 400, 404), (fields, answer.text)
    if answer.status_code != 200:
        assert answer.json()["error"]["message"]


def test_a_body_is_bounded_while_it_comes_in(address):
    def endless():
        for _ in range(MAX_BODY // 65536 + 10):
            yield b" " * 65536

    for content in (endless(), b" " * (MAX_BODY + 1)):
        try:
            answer = httpx.post(f"{address}/chat/completions", content=content, headers=JSON, timeout=30)
        except httpx.WriteError:
            continue  # the server said no and hung up before all was sent
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")


def test_completions_continue_texts_and_ids(client, tiny):
    ids = tiny.renderer.encode("The Haven sofa")
    expected = next(iter(complete(tiny, [ids], Decoding(12))))[1]
    answer = client.completions.create(model="org/tiny", prompt="The Haven sofa", max_tokens=12, logprobs=2)
    assert answer.choices[0].text == expected.text and answer.usage.prompt_tokens == len(ids)
    shown = answer.choices[0].logprobs
    assert len(shown.tokens) == len(shown.token_logprobs) == len(shown.top_logprobs) == len(shown.text_offset)
    assert all(len(top) <= 2 for top in shown.top_logprobs)
    for prompt in (ids, [ids]):
        assert (
            client.completions.create(model="org/tiny", prompt=prompt, max_tokens=12).choices[0].text == expected.text
        )
    many = client.completions.create(model="org/tiny", prompt=["The Haven sofa", "Lamp"], n=2, max_tokens=12, echo=True)
    assert [c.index for c in many.choices] == [0, 1, 2, 3]
    assert many.choices[1].text == "The Haven sofa" + expected.text and many.choices[3].text.startswith("Lamp")
    streamed = ["", "", "", ""]
    options = {"model": "org/tiny", "prompt": ["The Haven sofa", "Lamp"], "n": 2, "max_tokens": 12, "echo": True}
    chunks = list(client.completions.create(**options, stream=True, stream_options={"include_usage": True}))
    for chunk in chunks:
        for choice in chunk.choices:
            streamed[choice.index] += choice.text
    assert streamed == [c.text for c in many.choices] and counted(chunks[-1].usage) == counted(many.usage)
    assert len(client.completions.create(model="org/tiny", prompt="", max_tokens=200).choices) == 1


@pytest.mark.parametrize("tokens", [0, 4])
@pytest.mark.parametrize("count", [2, 40, 150])
def test_echo_with_log_probabilities_scores_the_prompt(client, tiny, monkeypatch, tokens, count):
    """As programs that compare texts ask (`echo`, `logprobs`, no or one new token): the model's own numbers."""
    monkeypatch.setenv("POSTGRAD_DTYPE", "float32")
    ids = torch.randint(3, 250, (count,), generator=torch.Generator().manual_seed(count)).tolist()
    asked = {"model": "org/tiny", "prompt": ids, "max_tokens": tokens, "echo": True, "logprobs": 2, "temperature": 0}
    answer = client.completions.create(**asked)
    shown, choice = answer.choices[0].logprobs, answer.choices[0]
    with torch.inference_mode():
        truth = torch.log_softmax(tiny.head(tiny.body(input_ids=torch.tensor([ids]))[0][0]), -1)
    assert shown.token_logprobs[0] is None and shown.top_logprobs[0] is None
    assert shown.token_logprobs[1:count] == pytest.approx([float(truth[i, t]) for i, t in enumerate(ids[1:])], abs=1e-3)
    for place, top in enumerate(shown.top_logprobs[1:count]):
        assert max(top.values()) == pytest.approx(float(truth[place].max()), abs=1e-3)
    assert len(shown.tokens) == count + answer.usage.completion_tokens - (choice.finish_reason == "stop")
    assert answer.usage.prompt_tokens == count and (tokens or answer.usage.completion_tokens == 0)
    pieces = [c.choices[0] for c in client.completions.create(**asked, stream=True) if c.choices]
    assert "".join(p.text for p in pieces) == choice.text and pieces[-1].finish_reason == choice.finish_reason
    assert [t for p in pieces for t in p.logprobs.tokens] == shown.tokens
    plain = client.completions.create(**{**asked, "logprobs": None})
    assert plain.choices[0].text == choice.text and plain.choices[0].logprobs is None


def test_embeddings_in_both_spellings_and_shorter(client, address):
    texts = ["a red sofa", "ein rotes Sofa", "tax law"]
    answer = client.embeddings.create(model="wordllama-256", input=texts)
    got = np.array([d.embedding for d in answer.data])
    assert np.allclose(got, embed(texts), atol=1e-6) and answer.usage.prompt_tokens >= 6
    plain = client.embeddings.create(model="wordllama-256", input=texts, encoding_format="float")
    assert np.allclose([d.embedding for d in plain.data], got, atol=1e-6)
    raw = httpx.post(
        f"{address}/embeddings", json={"model": "wordllama-256", "input": "x", "encoding_format": "base64"}
    ).json()
    assert len(base64.b64decode(raw["data"][0]["embedding"])) == 1024
    short = np.array(
        [d.embedding for d in client.embeddings.create(model="wordllama-256", input=texts, dimensions=64).data]
    )
    assert short.shape == (3, 64) and np.allclose(np.linalg.norm(short, axis=1), 1, atol=1e-5)


def test_the_page_describes_what_is_served(address):
    page = httpx.get(address.replace("/v1", "/openapi.json")).json()
    text = httpx.get(address.replace("/v1", "/docs")).text
    assert "POST /v1/chat/completions" in text and "lora_rank" in text and "top_logprobs" in text
    assert "<script" not in text and "src=" not in text and "https://" not in text, "nothing from anywhere else"
    chat = page["paths"]["/v1/chat/completions"]["post"]
    fields = page["components"]["schemas"]["ChatRequest"]["properties"]
    assert {"messages", "tools", "response_format", "logprobs", "postgrad"} <= set(fields)
    assert "422" not in chat["responses"] and "text/event-stream" in chat["responses"]["200"]["content"]
    for operations in page["paths"].values():
        for operation in operations.values():
            assert operation["operationId"] and operation["responses"]["4XX"]


def test_counters(client, address):
    client.chat.completions.create(model="org/tiny", messages=ASK, max_tokens=3)
    text = httpx.get(address.replace("/v1", "/metrics")).text
    assert 'postgrad_requests_total{route="/v1/chat/completions",status="200"} 1' in text
    assert float(text.split("postgrad_completion_tokens_total ")[1].split()[0]) <= 3
