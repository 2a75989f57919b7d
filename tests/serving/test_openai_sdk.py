"""The unmodified `openai` SDK against the real server on loopback, with a tiny base and a tiny tuned model."""

import threading
import time
from dataclasses import replace

import httpx
import openai
import pytest
import torch
import uvicorn

from postgrad.blobs import Blobs
from postgrad.errors import DataError, ModelError
from postgrad.models.adapters.lora import attach, detach, taken
from postgrad.models.base_models import find_model
from postgrad.models.generation.generate import Decoding, complete
from postgrad.models.language_model import LanguageModel
from postgrad.records import Message
from postgrad.registry import Catalogue
from postgrad.serving.app import make_app
from postgrad.serving.inference.engine import Engine
from postgrad.serving.inference.prepared import Served


@pytest.fixture
def tuned(tiny, tiny_folder, tmp_path):
    """A registered model with an adapter that changes the answers; returns (entry, adapter)."""
    layers = attach(tiny.module, rank=4, alpha=8, seed=1)
    with torch.no_grad():
        for layer in layers.values():
            layer.lora_B.normal_(0, 0.3, generator=torch.Generator().manual_seed(5))
    adapter = taken(layers, 8)
    detach(tiny.module, layers)
    folder = tmp_path / "adapter"
    folder.mkdir()
    adapter.save(folder, str(tiny_folder))
    (folder / "passages.jsonl").write_text(
        '{"text": "The Haven sofa is 212 cm wide.", "origin": "a.md"}\n{"text": "Lamps are tested.", "origin":'
        ' "b.md"}\n'
    )
    entry = Catalogue().add(
        name="tuned",
        base=str(tiny_folder),
        base_hash="h",
        method="lora",
        blob=Blobs().put_folder(folder),
        template=tiny.renderer.fingerprint,
        data_hash="d",
        report=None,
        details={"system_prompt": "Be short.", "passages": 1},
        production="for a test",
    )
    return entry, adapter


@pytest.fixture
def address(tuned, tiny_folder):
    config = uvicorn.Config(make_app(Engine(Catalogue(), [str(tiny_folder)]), "secret"), port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1"
    server.should_exit = True
    thread.join()


@pytest.fixture
def client(address):
    return openai.OpenAI(base_url=address, api_key="secret", max_retries=0)


ASK = [{"role": "user", "content": "Where is my Haven sofa?"}]


def test_served_answers_are_the_evaluated_ones(client, tuned, tiny_folder):
    _, adapter = tuned
    model = LanguageModel(find_model(str(tiny_folder)))
    prompt = model.renderer.prompt_ids([Message("system", "Be short."), Message("user", ASK[0]["content"])])
    model.use(adapter, "x")
    expected = next(iter(complete(model, [prompt], Decoding(24))))[1]
    answer = client.chat.completions.create(model="tuned", messages=ASK, max_tokens=24)
    assert answer.choices[0].message.content == expected.text
    assert answer.usage.prompt_tokens == len(prompt) and answer.usage.completion_tokens == expected.completion_tokens
    base = client.chat.completions.create(model=str(tiny_folder), messages=ASK, max_tokens=24)
    assert base.choices[0].message.content != answer.choices[0].message.content
    again = client.chat.completions.create(model="tuned@1", messages=ASK, max_tokens=24)
    assert again.choices[0].message.content == answer.choices[0].message.content


def test_streaming_gives_the_same_text_and_usage(client):
    whole = client.chat.completions.create(model="tuned", messages=ASK, max_tokens=24)
    chunks = list(
        client.chat.completions.create(
            model="tuned", messages=ASK, max_tokens=24, stream=True, stream_options={"include_usage": True}
        )
    )
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == whole.choices[0].finish_reason
    assert chunks[-1].usage.total_tokens == whole.usage.total_tokens


def test_documents_are_put_before_the_request(client):
    plain = client.chat.completions.create(model="tuned", messages=ASK, max_tokens=4)
    grounded = client.chat.completions.create(model="tuned+rag", messages=ASK, max_tokens=4)
    assert grounded.usage.prompt_tokens > plain.usage.prompt_tokens + 10


def test_models_are_listed_and_retrieved(client, tiny_folder):
    names = [m.id for m in client.models.list()]
    assert {"tuned", "tuned@1", "tuned+rag", str(tiny_folder), "smollm2-135m-instruct"} <= set(names)
    assert client.models.retrieve("tuned").object == "model"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nobody")


def test_n_seed_temperature_and_stop(client):
    def ask(**options):
        return client.chat.completions.create(model="tuned", messages=ASK, max_tokens=16, **options)

    texts = [c.message.content for c in ask(n=3, temperature=1.5, seed=4).choices]
    assert len(set(texts)) > 1 and texts == [c.message.content for c in ask(n=3, temperature=1.5, seed=4).choices]
    greedy = ask().choices[0].message.content
    assert ask(stop=[greedy[3:5]]).choices[0].message.content == greedy[: greedy.index(greedy[3:5])]


@pytest.mark.parametrize(
    ("change", "kind", "code"),
    [
        ({"model": "nobody"}, openai.NotFoundError, "model_not_found"),
        ({"messages": []}, openai.BadRequestError, "invalid_value"),
        ({"messages": [{"role": "robot", "content": "x"}]}, openai.BadRequestError, None),
        ({"messages": [{"role": "user", "content": "word " * 600}]}, openai.BadRequestError, "context_length_exceeded"),
        ({"max_tokens": 0}, openai.BadRequestError, "invalid_value"),
        ({"temperature": 3.0}, openai.BadRequestError, "invalid_value"),
        ({"reasoning_effort": "high"}, openai.BadRequestError, "unsupported_parameter"),
        ({"response_format": {"type": "json_schema"}}, openai.BadRequestError, "invalid_value"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            openai.BadRequestError,
            None,
        ),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_are_openais(client, change, kind, code, stream):
    request = {"model": "tuned", "messages": ASK, "max_tokens": 8, "stream": stream, **change}
    with pytest.raises(kind) as caught:
        client.chat.completions.create(**request)
    assert caught.value.body["message"] and caught.value.request_id.startswith("req_")
    if code:
        assert caught.value.code == code


def test_a_request_is_judged_while_another_has_the_turn(tuned, tiny_folder):
    engine = Engine(Catalogue(), [str(tiny_folder)])
    served = engine.find("tuned")
    pieces = engine.stream(engine.prepare(served, [Message("user", "Where?")], Decoding(8)))
    next(pieces)
    with pytest.raises(DataError, match="maximum context length"):
        engine.prepare(served, [Message("user", "word " * 600)], Decoding(8))
    pieces.close()


def test_a_base_that_changed_since_the_training_is_refused(tuned, tiny_folder):
    entry, _ = tuned
    engine = Engine(Catalogue(), [str(tiny_folder)])
    with pytest.raises(ModelError, match="another tokenizer or chat template"):
        engine.prepare(
            Served("tuned", entry.base, replace(entry, template="other")), [Message("user", "Hi")], Decoding(8)
        )


def test_an_error_in_mid_stream_is_said_in_the_stream(client, own_home):
    for path in (own_home / "blobs").rglob("*"):
        if path.is_file():
            path.write_bytes(b"damaged")
    with pytest.raises(openai.APIError, match="is damaged"):
        list(client.chat.completions.create(model="tuned", messages=ASK, max_tokens=8, stream=True))


def test_a_wrong_key_is_refused(address):
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=address, api_key="guess", max_retries=0).models.list()
    assert httpx.get(address.removesuffix("/v1") + "/health").status_code == 200


def test_requests_for_two_models_at_once_do_not_mix(address, tiny_folder):
    client = openai.OpenAI(base_url=address, api_key="secret", max_retries=0, timeout=60)

    def ask(name):
        return client.chat.completions.create(model=name, messages=ASK, max_tokens=12).choices[0].message.content

    expected = {name: ask(name) for name in ("tuned", str(tiny_folder))}
    got = []
    threads = [threading.Thread(target=lambda n=n: got.append((n, ask(n)))) for n in list(expected) * 4]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(got) == 8 and all(text == expected[name] for name, text in got)


def test_a_client_that_leaves_in_mid_stream_frees_the_server(client):
    stream = client.chat.completions.create(model="tuned", messages=ASK, max_tokens=200, stream=True)
    next(iter(stream))
    stream.close()
    assert client.chat.completions.create(model="tuned", messages=ASK, max_tokens=4, timeout=30).choices
