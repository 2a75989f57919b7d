"""What programs and pages of others may send: refused at the door, on every route, and never stored half."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import time

import httpx
import openai
import pytest

from postgrad.registry import Catalogue
from postgrad.registry.keys import Keys
from postgrad.serving.access import connections
from postgrad.serving.app import make_app
from postgrad.serving.inference.engine import Engine
from postgrad.serving.inference.scheduler import FullError, Scheduler
from postgrad.serving.storage.file_contents import MAX_LINE
from postgrad.serving.wire.strict_json import MOST_PARTS, WholeJson, read_json
from tests.serving.loopback import ASK, deployed, running
from tests.serving.running import examples

SCHEMA = {"type": "object", "properties": {"right": {"type": "string"}}}
GRADER = {
    "type": "string_check",
    "name": "same",
    "operation": "eq",
    "input": "{{sample.output_text}}",
    "reference": "x",
}
EVAL = {"data_source_config": {"type": "custom", "item_schema": SCHEMA}, "testing_criteria": [GRADER], "name": "e"}
BODIES = {
    "/chat/completions": {
        "model": "tiny",
        "messages": [{"role": "user", "content": "hello"}],
        "max_tokens": 2,
        "stop": ["x"],
        "temperature": 0.5,
        "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"title": "t"}}}],
    },
    "/completions": {"model": "tiny", "prompt": "hello", "max_tokens": 2, "suffix": None},
    "/embeddings": {"model": "wordllama-256", "input": ["hello", "there"]},
    "/evals": EVAL,
    "/fine_tuning/alpha/graders/validate": {"grader": GRADER},
    "/fine_tuning/alpha/graders/run": {"grader": GRADER, "model_sample": "x", "item": {"a": "b"}},
    "/fine_tuning/jobs": {
        "model": "tiny",
        "training_file": "FILE",
        "suffix": "mine",
        "metadata": {"a": "b"},
        "integrations": [{"type": "wandb", "wandb": {"project": "p", "tags": ["t"]}}],
        "hyperparameters": {"learning_rate_multiplier": 1.0},
        "system_prompt": "be good",
    },
    "/uploads": {"filename": "a.jsonl", "purpose": "fine-tune", "bytes": 5, "mime_type": "text/jsonl"},
}


@pytest.fixture
def address(tiny_folder):
    with running(make_app(Engine(Catalogue(), [str(tiny_folder)], {"tiny": str(tiny_folder)}))) as address:
        yield address


def places(value, path=()):
    """Every text and number of a body, by the path to it."""
    if isinstance(value, dict):
        for key, inside in value.items():
            yield from places(inside, (*path, key))
    elif isinstance(value, list):
        for n, inside in enumerate(value):
            yield from places(inside, (*path, n))
    elif isinstance(value, str | int | float):
        yield path, value


def put(body, path, value):
    copy = json.loads(json.dumps(body))
    part = copy
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    return copy


def test_no_route_takes_what_could_not_be_sent_back(address):
    client = openai.OpenAI(base_url=address, api_key="x", max_retries=0)
    file = client.files.create(file=io.BytesIO(examples()), purpose="fine-tune")
    tried = 0
    for path, body in BODIES.items():
        body = put(body, ("training_file",), file.id) if "training_file" in body else body
        for place, value in places(body):
            odd = ['"\\ud800"', '"a\\udfffb"'] if isinstance(value, str) else ["1e999", "-1e999", "NaN", "9" * 5000]
            for text in odd:
                raw = json.dumps(put(body, place, "@@")).replace('"@@"', text)
                answer = httpx.post(address + path, content=raw, headers={"content-type": "application/json"})
                assert answer.status_code == 400, (path, place, text[:20], answer.status_code, answer.text[:300])
                assert answer.json()["error"]["message"], path
                tried += 1
    assert tried > 100
    assert client.fine_tuning.jobs.list().data == [] and client.evals.list().data == [], "nothing was stored"


def test_a_body_of_millions_of_parts_is_refused_before_it_is_read(address):
    raw = b'{"model":"tiny","messages":[' + b"{}," * MOST_PARTS + b"{}]}"
    answer = httpx.post(f"{address}/chat/completions", content=raw, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")
    deep = httpx.post(f"{address}/chat/completions", content=b"[" * 100_000, headers={"content-type": "text/json"})
    assert deep.status_code == 400


@pytest.mark.parametrize(
    "line", [b'{"a": "' + b"x" * MAX_LINE + b'"}', b'{"a": [' + b"[]," * MOST_PARTS + b"[]]}"], ids=["long", "parts"]
)
def test_one_endless_line_of_an_upload_is_refused_before_it_is_parsed(address, line):
    client = openai.OpenAI(base_url=address, api_key="x", max_retries=0)
    with pytest.raises(openai.BadRequestError, match=r"Line 3 (is longer|holds more)"):
        client.files.create(file=io.BytesIO(b'{"a": 1}\n\n' + line + b"\n"), purpose="fine-tune")
    assert client.files.list().data == []
    within = b'{"a": "' + b"x" * (1 << 20) + b'"}\n'
    assert client.files.create(file=io.BytesIO(within * 3), purpose="fine-tune").id


def test_a_stored_oddity_does_not_break_a_list():
    shown = json.loads(WholeJson([{"a": "x\ud800", "b": [float("inf"), 1]}, {"a": "fine"}]).body)
    assert shown == [{"a": "x?", "b": [None, 1]}, {"a": "fine"}]
    assert read_json(b'{"a": "\\ud83d\\ude00"}') == {"a": "\U0001f600"}, "a whole pair is a character"


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"origin": "http://localhost:3000"}, True),
        ({"origin": "http://127.0.0.1:9"}, True),
        ({"origin": "http://[::1]:9"}, True),
        ({"origin": "http://app.localhost"}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"origin": "http://203.0.113.7"}, False),
        ({"origin": "http://intranet"}, False),
        ({"origin": "file://"}, False),
        ({"origin": "chrome-extension://abcdef"}, False),
        ({"origin": "null"}, False),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "http://localhost.evil.example"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"host": "evil.example"}, False),
    ],
)
def test_pages_of_other_places_send_nothing_to_a_server_without_keys(address, headers, allowed):
    files = {"file": ("a.jsonl", examples(), "application/jsonl"), "purpose": (None, "fine-tune")}
    answer = httpx.post(f"{address}/files", files=files, headers=headers)
    assert (answer.status_code == 200) == allowed, answer.text
    if not allowed:
        assert answer.json()["error"]["code"] == "not_local"


def test_browsers_are_told_to_load_nothing(address):
    for path in ("/v1/models", "/health", "/docs"):
        answer = httpx.get(address.removesuffix("/v1") + path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "script-src" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_one_owner_does_not_shut_out_another():
    turns = Scheduler(places=12)
    with contextlib.ExitStack() as stack:
        count = 0
        with pytest.raises(FullError):
            while True:
                stack.enter_context(turns.place("b", "", 1, "greedy"))
                count += 1
        assert count == 12, "alone it has all places"
        stack.enter_context(turns.place("b", "", 1, "modest"))
        stack.enter_context(turns.place("b", "", 1, "third"))
    with contextlib.ExitStack() as stack:
        held = {"a": 0, "b": 0}
        for _ in range(20):
            for owner in held:
                with contextlib.suppress(FullError):
                    stack.enter_context(turns.place("b", "", 1, owner))
                    held[owner] += 1
        assert abs(held["a"] - held["b"]) <= 1 and held["a"] >= 5, held
        stack.enter_context(turns.place("b", "", 1, "newcomer"))


def test_embeddings_count_against_a_keys_tokens(address):
    secret, _ = Keys(Catalogue()).create("small", tokens_per_minute=100, tokens_per_month=160)
    time.sleep(2.1)
    client = openai.OpenAI(base_url=address, api_key=secret, max_retries=0)
    used = client.embeddings.create(model="wordllama-256", input="word " * 80).usage.total_tokens
    assert 70 < used <= 100
    with pytest.raises(openai.RateLimitError) as caught:
        client.embeddings.create(model="wordllama-256", input="word " * 80)
    assert caught.value.code == "rate_limit_exceeded"
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model="tiny", messages=ASK, max_tokens=90)


def test_health_says_what_every_worker_does(address):
    told = httpx.get(address.removesuffix("/v1") + "/health").json()
    assert told["status"] == "ok" and told["workers"] == {"file checks": "ok", "trainings": "ok", "evaluations": "ok"}


def test_connections_that_never_ask_are_closed_and_others_not(tiny_folder, monkeypatch):
    monkeypatch.setattr(connections, "HEADERS_S", 0.5)
    app = make_app(Engine(Catalogue(), [str(tiny_folder)], {"tiny": str(tiny_folder)}))
    with deployed(app) as port:
        held = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        held[1].sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nx-slow: ")
        held[2].sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\nGET /heal")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/v1", timeout=60) as client:
            asked = {"model": "tiny", "messages": ASK, "max_tokens": 400, "temperature": 0}
            assert client.post("/chat/completions", json=asked).status_code == 200, "long answers are no silence"
            for connection in held:
                connection.settimeout(10)
                while connection.recv(4096):  # until the server closes it
                    pass
                connection.close()
            assert client.get("/models").status_code == 200


def test_a_run_that_ends_its_servers_is_given_up(address, tiny_folder):
    """Three servers fall silent over it: the fourth says so instead of trying."""
    from postgrad.registry.eval_tables import EvalRow
    from postgrad.serving.jobs.eval_queue import MOST_DEATHS, SILENCE, EvalQueue, new_run
    from postgrad.serving.storage.store import Store, new_id, now

    store = Store(Catalogue(f"sqlite:///{tiny_folder.parent}/other-{time.time_ns()}.db"))
    queue = EvalQueue(store, "here")
    of = EvalRow(
        id=new_id("eval_"), organization="o", project="p", created_at=now(), updated_at=now(), name="e",
        config={}, criteria=[GRADER],
    )  # fmt: skip
    run = new_run(of, "here", key_id=None, name="r", model="m", data_source={}, labels=None)
    run_id = run.id
    with store.writing() as session:
        session.add(of)
    queue.add(run)

    def silent():
        with store.writing() as session:
            session.connection().exec_driver_sql(f"update eval_runs set heartbeat = {time.time() - 2 * SILENCE}")

    for _ in range(MOST_DEATHS):
        assert queue.claim() is not None
        silent()
    assert queue.claim() is None and queue.claim() is None
    with store.reading() as session:
        row = session.connection().exec_driver_sql("select status, error from eval_runs").one()
    assert row[0] == "failed" and "given up" in row[1] and run_id
    orderly = new_run(of, "here", key_id=None, name="r2", model="m", data_source={}, labels=None)
    orderly_id = orderly.id
    queue.add(orderly)
    for _ in range(MOST_DEATHS + 2):
        claimed = queue.claim()
        assert claimed is not None, "a server that stops in order is no death"
        queue.let_go(orderly_id, claimed[2])
