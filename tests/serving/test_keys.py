"""Keys, roles, limits, the trail: who may do what, how often, and what is remembered of it."""

import json
import sqlite3
import time

import httpx
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postgrad.cli import main
from postgrad.errors import UsageError
from postgrad.registry import Catalogue
from postgrad.registry.keys import Audit, Keys
from postgrad.serving.access.limits import Bucket, duration
from postgrad.serving.app import make_app
from postgrad.serving.inference.engine import Engine
from tests.serving.loopback import ASK, register, running


@pytest.fixture
def address(tiny_folder):
    with running(make_app(Engine(Catalogue(), [str(tiny_folder)], {"tiny": str(tiny_folder)}))) as address:
        yield address


def client(address, key, **options):
    return openai.OpenAI(base_url=address, api_key=key, max_retries=0, **options)


def ask(address, key, **options):
    return client(address, key).chat.completions.create(
        **{"model": "tiny", "messages": ASK, "max_tokens": 4, **options}
    )


def test_a_key_is_kept_as_a_hash_alone(own_home):
    secret, key = Keys(Catalogue()).create("laptop")
    assert len(secret) >= 45 and key.hint.rstrip("…") == secret[:8]
    for path in own_home.glob("catalogue.db*"):
        assert secret.encode() not in path.read_bytes() and secret[8:].encode() not in path.read_bytes()
    with sqlite3.connect(own_home / "catalogue.db") as db:
        assert len(db.execute("select digest from api_keys").fetchone()[0]) == 64
    assert Keys(Catalogue()).find(secret) == key
    assert Keys(Catalogue()).find(secret[:-1]) is None


def test_a_server_without_keys_is_open_to_its_own_machine_alone(address):
    assert ask(address, "anything").choices
    for headers in ({"host": "evil.example"}, {"origin": "https://evil.example"}, {"origin": "null"}):
        answer = httpx.post(f"{address}/chat/completions", json={"model": "tiny", "messages": ASK}, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_local")
    assert httpx.get(f"{address}/models", headers={"origin": "http://localhost:3000"}).status_code == 200


def test_the_first_key_closes_the_door_and_revoking_it_does_not_open_it(address):
    secret, key = Keys(Catalogue()).create("first")
    time.sleep(2.1)
    with pytest.raises(openai.AuthenticationError) as caught:
        ask(address, "pg-wrong")
    assert caught.value.code == "invalid_api_key" and caught.value.request_id
    assert httpx.get(f"{address}/models").headers["www-authenticate"] == "Bearer"
    assert httpx.get(address.replace("/v1", "/health")).status_code == 200
    assert httpx.get(address.replace("/v1", "/metrics")).status_code == 401
    assert ask(address, secret).choices
    Keys(Catalogue()).revoke(key.id)
    time.sleep(2.1)
    with pytest.raises(openai.AuthenticationError):
        ask(address, secret)


def test_roles(address, tiny, tiny_folder, tmp_path):
    register(tiny, tmp_path / "a", tiny_folder, "everybodys", 1)
    register(tiny, tmp_path / "b", tiny_folder, "mine", 2, project="shop")
    keys = Keys(Catalogue())
    reader, _ = keys.create("r", "read-only", "shop")
    user, _ = keys.create("u", "user", "shop")
    other, _ = keys.create("o", "user", "office")
    admin, _ = keys.create("a", "admin", "shop")
    assert {"everybodys", "mine"} <= {m.id for m in client(address, reader).models.list()}
    assert "mine" not in {m.id for m in client(address, other).models.list()}, "another project's"
    for call in (lambda: ask(address, reader), lambda: client(address, reader).models.delete("mine")):
        with pytest.raises(openai.PermissionDeniedError) as caught:
            call()
        assert caught.value.code == "insufficient_permissions"
    for call in (lambda: ask(address, other, model="mine"), lambda: client(address, other).models.delete("mine")):
        with pytest.raises(openai.NotFoundError):
            call()
    with pytest.raises(openai.PermissionDeniedError):
        client(address, user).models.delete("everybodys")
    with pytest.raises(openai.PermissionDeniedError):
        client(address, admin).models.delete("tiny")
    assert client(address, user).models.delete("mine").deleted
    with pytest.raises(openai.BadRequestError, match="in use as 'production'"):
        client(address, admin).models.delete("everybodys")
    Catalogue().withdraw("everybodys")
    assert client(address, admin).models.delete("everybodys@1").deleted
    with pytest.raises(openai.NotFoundError):
        ask(address, user, model="mine")


def test_requests_a_minute(address):
    secret, _ = Keys(Catalogue()).create("slow", requests_per_minute=3)
    first = client(address, secret).models.with_raw_response.list()
    assert first.headers["x-ratelimit-limit-requests"] == "3"
    assert first.headers["x-ratelimit-remaining-requests"] == "2"
    assert first.headers["x-ratelimit-reset-requests"].endswith("s")
    for _ in range(2):
        client(address, secret).models.list()
    with pytest.raises(openai.RateLimitError) as caught:
        client(address, secret).models.list()
    assert caught.value.code == "rate_limit_exceeded" and caught.value.type == "requests"
    assert 1 <= int(caught.value.response.headers["retry-after"]) <= 20
    assert caught.value.response.headers["x-ratelimit-remaining-requests"] == "0"
    another, _ = Keys(Catalogue()).create("quick")
    assert client(address, another).models.list().data, "another key has its own"


def test_tokens_a_minute_count_what_was_used(address):
    secret, _ = Keys(Catalogue()).create("slow", tokens_per_minute=400)
    raw = client(address, secret).chat.completions.with_raw_response
    answer = raw.create(model="tiny", messages=ASK, max_tokens=300)
    used = answer.parse().usage.total_tokens
    left = int(
        httpx.get(f"{address}/models", headers={"authorization": f"Bearer {secret}"}).headers[
            "x-ratelimit-remaining-tokens"
        ]
    )
    assert abs(400 - used - left) < 40, "what was reserved and not used came back"
    with pytest.raises(openai.RateLimitError) as caught:
        for _ in range(8):
            ask(address, secret, max_tokens=300, stream=True).close()
            ask(address, secret, max_tokens=300)
    assert caught.value.type == "tokens" and int(caught.value.response.headers["retry-after-ms"]) > 0
    with pytest.raises(openai.RateLimitError):
        ask(address, secret, messages=[{"role": "user", "content": "w " * 210}])


def test_the_environments_key_goes_on_working(tiny_folder):
    with running(make_app(Engine(Catalogue(), [str(tiny_folder)], {"tiny": str(tiny_folder)}), "secret")) as address:
        assert ask(address, "secret").choices
        with pytest.raises(openai.AuthenticationError):
            ask(address, "secreT")
        secret, _ = Keys(Catalogue()).create("more")
        assert ask(address, secret).choices


def test_the_trail_says_who_did_what_and_never_what_was_said(address, tiny, tiny_folder, tmp_path, own_home):
    register(tiny, tmp_path / "a", tiny_folder, "gone", 1)
    secret, key = Keys(Catalogue()).create("auditor", "admin")
    time.sleep(2.1)
    request_id = ask(address, secret, messages=[{"role": "user", "content": "my secret sofa"}])._request_id
    Catalogue().withdraw("gone")
    client(address, secret).models.delete("gone@1")
    client(address, secret).models.list()
    for _ in range(30):
        httpx.get(f"{address}/models", headers={"authorization": "Bearer pg-guess"})
    trail = Audit(Catalogue())
    start = time.monotonic()
    while not any(d.status == 401 for d in trail.newest()):
        assert time.monotonic() - start < 10
        time.sleep(0.1)
    deeds = trail.newest(100)
    known = [(d.action, d.object_id, d.status, d.key_id) for d in reversed(deeds) if d.status != 401]
    assert known == [
        ("POST /v1/chat/completions", "tiny", 200, key.id),
        ("DELETE /v1/models/{model:path}", "gone@1", 200, key.id),
    ]
    assert next(d for d in deeds if d.object_id == "tiny").request_id == request_id
    refused = [d for d in deeds if d.status == 401]
    assert 1 <= len(refused) < 30 and all(d.key_id is None and d.address == "127.0.0.1" for d in refused)
    everything = b"".join(p.read_bytes() for p in own_home.glob("catalogue.db*"))
    assert b"secret sofa" not in everything and b"pg-guess" not in everything and secret.encode() not in everything


def postgrad(capsys, *arguments):
    """(exit code, stdout, stderr) of a command."""
    capsys.readouterr()
    code = main(list(arguments))
    said = capsys.readouterr()
    return code, said.out, said.err.replace("\n", " ")


def test_the_commands(capsys):
    _, out, _ = postgrad(capsys, "keys", "create", "ci", "--role", "read-only", "--requests-per-minute", "9", "--json")
    key = json.loads(out)
    assert key["key"].startswith("pg-") and key["requests_per_minute"] == 9
    _, out, error = postgrad(capsys, "keys", "create", "other")
    assert out.strip().startswith("pg-") and "only once" in error
    _, out, _ = postgrad(capsys, "keys", "list")
    assert key["id"] in out and key["key"] not in out and "9 requests/min" in out
    assert postgrad(capsys, "keys", "revoke", "ci")[0] == 0
    code, _, error = postgrad(capsys, "keys", "revoke", "ci")
    assert code == 2 and "no valid key 'ci'" in error
    trail = json.loads(postgrad(capsys, "keys", "audit", "--json")[1])
    assert [d["action"] for d in trail] == ["keys revoke", "keys create", "keys create"]
    code, _, error = postgrad(capsys, "keys", "create", "x", "--role", "king")
    assert code == 2 and "admin, user, read-only" in error


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--host", "0.0.0.0"], "postgrad keys create"),
        (["--certfile", "missing.pem"], "missing.pem"),
        (["--certfile", __file__], "both"),
        (["--alias", "gpt-4o=nobody"], "nobody"),
        (["--alias", "gpt-4o"], "NAME=MODEL"),
    ],
)
def test_a_server_that_makes_no_sense_is_not_started(capsys, arguments, says):
    code, _, error = postgrad(capsys, "serve", *arguments)
    assert code == 2 and says in error


@pytest.mark.parametrize(
    "change", [{"role": "king"}, {"project": "a/b"}, {"organization": ""}, {"tokens_per_minute": 0}]
)
def test_a_key_that_makes_no_sense_is_refused(change):
    with pytest.raises(UsageError):
        Keys(Catalogue()).create("x", **change)


@given(st.integers(1, 1000), st.lists(st.tuples(st.floats(0, 30), st.integers(1, 50)), max_size=40))
def test_a_bucket_never_gives_more_than_its_limit_and_refill(limit, asked):
    bucket, now, given_ = Bucket(limit), 100.0, 0
    for pause, amount in asked:
        now += pause
        if bucket.take(amount, now):
            given_ += amount
        elif amount <= limit:
            assert bucket.take(amount, now + bucket.wait(amount, now) + 1e-3), "the wait that is said is long enough"
            return
    assert given_ <= limit + limit * (now - 100.0) / 60 + 1e-6


def test_durations_are_openais():
    assert [duration(s) for s in (0, 0.35, 1, 12.2, 60, 89.5)] == ["0ms", "350ms", "1s", "13s", "1m0s", "1m30s"]


def test_a_database_from_before_keys_is_upgraded(own_home):
    Catalogue()
    with sqlite3.connect(own_home / "catalogue.db") as db:
        tables = {row[0] for row in db.execute("select name from sqlite_master where type = 'table'")}
        for table in tables - {"models", "aliases", "alembic_version", "sqlite_sequence"}:
            db.execute(f"drop table {table}")
        for column in ("undone", "reason", "evidence"):
            db.execute(f"alter table aliases drop column {column}")
        db.execute("update alembic_version set version_num = '0001'")
    assert Audit(Catalogue()).newest() == [] and not Keys(Catalogue()).any()
