"""A remote model against a real server on loopback that rate-limits, fails, answers garbage, and counts what it was
asked."""

from __future__ import annotations

import json
import logging
import threading
import time

import pytest
import uvicorn
from fastapi import FastAPI, Request, Response

from postgrad.errors import Interrupted, ModelError, UsageError
from postgrad.models.remote.client import Asking, Budget, RemoteModel, TokenPrice, parse_remote
from postgrad.models.remote.rules import clean, wait_before
from postgrad.records import Message

KEY = "sk-very-secret-4711"


class Server:
    """An OpenAI-compatible server whose next answers are planned: `plan` holds functions from a prompt to a
    response."""

    def __init__(self) -> None:
        self.asked: list[dict] = []
        self.plan: list = []
        self.under_way = self.most_under_way = 0
        self.delay = 0.0
        app = FastAPI()

        @app.post("/v1/chat/completions")
        async def completions(request: Request):
            import asyncio

            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            body = await request.json()
            self.asked.append(body)
            await asyncio.sleep(self.delay)
            self.under_way -= 1
            text = body["messages"][-1]["content"]
            if self.plan and (planned := self.plan.pop(0)) is not None:
                return planned(request, body)
            return answered(f"echo {text}")

        self.server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        self.url = f"http://127.0.0.1:{self.server.servers[0].sockets[0].getsockname()[1]}/v1"

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(5)


def answered(text: str) -> dict:
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }


def failing(status: int, message: str = "no", headers: dict | None = None, **error):
    body = json.dumps({"error": {"message": message, **error}})
    return lambda request, _: Response(body, status, headers=headers or {}, media_type="application/json")


def raw(text: str, media: str):
    return lambda *_: Response(text, 200, media_type=media)


@pytest.fixture
def server():
    running = Server()
    yield running
    running.stop()


def ask(model: RemoteModel, texts, asking=None, stopped=lambda: False):
    work, events = model.answer([[Message("user", t)] for t in texts], asking, stopped), []
    while True:
        try:
            events.append(next(work))
        except StopIteration as done:
            return done.value, events


def texts(count: int) -> list[str]:
    return [f"question {i}" for i in range(count)]


def test_many_are_answered_in_order_and_never_paid_twice(server):
    server.delay = 0.02
    model = RemoteModel(server.url, "m", concurrency=4)
    answers, events = ask(model, [*texts(20), "question 3"])
    assert [a.text for a in answers] == [f"echo question {i}" for i in [*range(20), 3]]
    assert len(server.asked) == 20 and 2 <= server.most_under_way <= 4
    assert (model.usage.asked, model.usage.prompt_tokens, model.usage.completion_tokens) == (20, 200, 100)
    assert events[-1].done == events[-1].total == 21 and "300 tokens" in events[-1].note
    again = RemoteModel(server.url, "m")
    assert [a.text for a in ask(again, texts(21))[0]][:20] == [a.text for a in answers[:20]]
    assert len(server.asked) == 21 and again.usage.asked == 1 and again.usage.kept == 20
    ask(again, texts(1), Asking(max_new_tokens=7))
    assert len(server.asked) == 22 and server.asked[-1]["max_tokens"] == 7, "another asking is another answer"


def test_passing_failures_are_waited_out(server):
    broken = [
        failing(429, headers={"retry-after": "0.3"}),
        failing(500),
        failing(503),
        raw('{"choices": [{"mess', "application/json"),
        raw("<html>busy</html>", "text/html"),
        raw('{"choices": []}', "application/json"),
        raw('{"choices": [{"message": "hello"}]}', "application/json"),
    ]
    server.plan = [None, *broken]
    model = RemoteModel(server.url, "m", concurrency=2, retries=8)
    start = time.monotonic()
    answers, _ = ask(model, texts(6))
    assert all(a.text.startswith("echo") for a in answers)
    assert model.usage.retries == 7 and time.monotonic() - start > 0.3


def test_endless_failure_ends_and_keeps_what_was_answered(server):
    server.plan = [None, None, *[failing(500, headers={"retry-after": "0.01"})] * 3]
    with pytest.raises(ModelError, match="failed 3 times in a row: status 500"):
        ask(RemoteModel(server.url, "m", concurrency=1, retries=2), texts(5))
    model = RemoteModel(server.url, "m")
    assert all(ask(model, texts(5))[0]) and model.usage.asked == 3 and model.usage.kept == 2


def test_a_server_that_is_not_there():
    with pytest.raises(ModelError, match=r"127\.0\.0\.1:9/v1#m failed 1 times"):
        ask(RemoteModel("http://127.0.0.1:9/v1", "m", retries=0), texts(1))


def test_what_patience_does_not_mend(server, monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    for status, words in ((401, "MY_KEY"), (404, "no model 'm'"), (429, "refused the request")):
        server.plan = [failing(status, f"bad {KEY}", code="insufficient_quota")]
        with pytest.raises(ModelError, match=words) as caught:
            ask(RemoteModel(server.url, "m", key_env="MY_KEY"), texts(1))
        assert KEY not in str(caught.value) and "***" in str(caught.value)
    assert len(server.asked) == 3


def test_one_refused_prompt_does_not_stop_the_others_but_all_refused_do(server):
    server.plan = [None, failing(400, "content filter")]
    answers, _ = ask(RemoteModel(server.url, "m", concurrency=1), texts(4))
    assert [a.finish for a in answers] == ["stop", "refused", "stop", "stop"] and answers[1].note
    server.plan = [failing(400, "no such field")] * 9
    with pytest.raises(ModelError, match="refuses every request"):
        ask(RemoteModel(server.url, "other", concurrency=1), texts(9))


def test_parameters_that_a_server_does_not_take(server):
    server.plan = [
        failing(400, "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."),
        failing(400, "Unsupported value: 'temperature' does not support 0"),
    ]
    answers, _ = ask(RemoteModel(server.url, "m", concurrency=1), texts(2))
    assert all(a.text for a in answers) and len(server.asked) == 4
    assert server.asked[-1].keys() == {"messages", "model", "max_completion_tokens"}


@pytest.mark.parametrize("concurrency", [1, 8])
def test_the_budget_holds(server, concurrency):
    price = TokenPrice(1000.0, 2000.0)
    budget = Budget(max_usd=0.2, price=price)
    model = RemoteModel(server.url, "m", budget=budget, concurrency=concurrency)
    answers, _ = ask(model, texts(30), Asking(max_new_tokens=20))
    assert 0 < sum(a is not None for a in answers) < 30
    assert model.usd is not None and model.usd <= 0.2 and model.usage.unasked == sum(a is None for a in answers)
    tokens = RemoteModel(server.url, "n", budget=Budget(max_tokens=60))
    assert sum(a is not None for a in ask(tokens, texts(30), Asking(max_new_tokens=5))[0]) <= 4
    with pytest.raises(UsageError, match="--price"):
        Budget(max_usd=1.0)


def test_ctrl_c_keeps_what_was_answered(server):
    server.delay = 0.05
    model = RemoteModel(server.url, "m", concurrency=2)
    with pytest.raises(Interrupted, match="answers of"):
        ask(model, texts(30), stopped=lambda: len(server.asked) >= 6)
    assert len(server.asked) < 12
    again = RemoteModel(server.url, "m")
    ask(again, texts(30))
    assert len(server.asked) == 30 and again.usage.kept >= 6


def test_the_key_goes_to_the_server_and_nowhere_else(server, monkeypatch, caplog, own_home):
    monkeypatch.setenv("MY_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    seen = []
    server.plan = [lambda request, _: seen.append(request.headers["authorization"]) or answered("ok")]
    model = RemoteModel(server.url, "m", key_env="MY_KEY")
    _, events = ask(model, texts(1))
    assert seen == [f"Bearer {KEY}"]
    stored = "".join(p.read_text() for p in own_home.rglob("*") if p.is_file())
    assert "echo" in stored or "ok" in stored
    assert KEY not in stored + caplog.text + repr(model) + repr(events)
    monkeypatch.delenv("MY_KEY")
    with pytest.raises(UsageError, match="MY_KEY is not set"):
        RemoteModel(server.url, "m", key_env="MY_KEY")


def test_waiting_is_what_the_server_asks_for():
    assert wait_before(0, {"retry-after": "3"}) == 3 and wait_before(0, {"retry-after-ms": "250"}) == 0.25
    assert wait_before(0, {"retry-after": "9999"}) == 60
    assert wait_before(0, {"retry-after": "Tue, 03 Nov 2026 00:00:10 GMT"}, now=1793664000) == 10
    assert 0.4 <= wait_before(0, {}) <= 0.6 and 3.2 <= wait_before(3, {}) <= 4.8 and wait_before(30, {}) <= 36


def test_addresses():
    assert parse_remote("http://127.0.0.1:8000#tickets") == ("http://127.0.0.1:8000/v1", "tickets")
    assert parse_remote("https://x.org/api/v3/#a/b") == ("https://x.org/api/v3", "a/b")
    for wrong in ("tickets", "http://x.org", "ftp://x#m", "https://me:secret@x.org/v1#m"):
        with pytest.raises(UsageError) as caught:
            parse_remote(wrong)
        assert "secret" not in str(caught.value)
    assert clean(f"a {KEY} at https://me:pw@x.org", KEY) == "a *** at https://***@x.org"


def test_our_own_server_answers(tiny_folder):
    from postgrad.registry import Catalogue
    from postgrad.serving.app import make_app
    from postgrad.serving.inference.engine import Engine

    app = make_app(Engine(Catalogue(), [str(tiny_folder)]), None)
    running = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        time.sleep(0.02)
    url = f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}/v1"
    answers, _ = ask(RemoteModel(url, str(tiny_folder)), ["Where is it?", "hello"], Asking(max_new_tokens=4))
    running.should_exit = True
    thread.join(10)
    assert all(a and a.prompt_tokens > 0 and a.completion_tokens <= 4 for a in answers)
