"""Planted keys and personal texts do not turn up in logs, metrics, the audit trail, events, or errors; a disk that is
full in the middle makes the server talk as much as it ever does."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import httpx
import openai
import pytest
from bench import faults

from postgrad.registry import Catalogue
from tests.needs import service_missing
from tests.serving.running import SOURCE, Process, examples
from tests.workflows.remote_server import Server

KEY, WRONG, HOOK = "sk-planted-key-1f0c", "sk-planted-wrong-77aa", "whsec_cGxhbnRlZC1ob29rLXNlY3JldC0xMjM0"
PERSONAL = ["planted.person@example.org", "DE44 5001 0517 5407 3249 31", "Planted Personsson"]
TEXT = f"I am {PERSONAL[2]}, write to {PERSONAL[0]}, my account is {PERSONAL[1]}."
PLANTED = [KEY, WRONG, HOOK, HOOK.removeprefix("whsec_"), *PERSONAL]


def found(text: str) -> list[str]:
    return [one for one in PLANTED if one in text or one.replace(" ", "") in text]


def spoken(home: Path) -> dict[str, str]:
    """Everything that the server says by itself: logs of all processes, and what it writes down of what was done."""
    out = {str(p.relative_to(home)): p.read_text(errors="replace") for p in home.rglob("*.log")}
    with contextlib.closing(sqlite3.connect(home / "catalogue.db")) as database:
        tables = [r[0] for r in database.execute("select name from sqlite_master where type = 'table'")]
        for table in tables:
            if re.search("audit|deed|event|key", table):
                out[f"table {table}"] = json.dumps(database.execute(f"select * from {table}").fetchall(), default=str)
    return out


def stirred(client: openai.OpenAI, address: str, tiny: str) -> list[str]:
    """Requests that go well and that do not, with personal texts in every place; gives the errors' words."""
    talk = [{"role": "user", "content": TEXT}]
    errors = []

    def fails(call, *args, **kwargs):
        with contextlib.suppress(openai.APIConnectionError):
            try:
                call(*args, **kwargs)
            except openai.APIStatusError as error:
                errors.append(error.response.text)

    with contextlib.suppress(openai.APIStatusError):
        client.chat.completions.create(model=tiny, messages=talk, max_tokens=4, user=PERSONAL[0])
    fails(client.chat.completions.create, model=tiny, messages=talk * 400, max_tokens=4)
    fails(client.chat.completions.create, model=tiny, messages=[{"role": TEXT, "content": "x"}])
    fails(client.chat.completions.create, model=tiny, messages=talk, extra_body={"metadata": {"a": [TEXT]}})
    fails(client.with_options(api_key=WRONG).chat.completions.create, model=tiny, messages=talk)
    fails(client.embeddings.create, model="none", input=TEXT)
    lines = examples(12).decode().replace("Where is my", TEXT + " Where is my")
    fails(client.files.create, file=io.BytesIO(lines.encode()), purpose="fine-tune")
    fails(client.files.create, file=io.BytesIO(f"{TEXT}\n".encode()), purpose="fine-tune")
    with contextlib.suppress(openai.APIStatusError):
        rows = f'{lines}\n{{"messages": [{{"role": "user", "content": "{TEXT}"}}]}}'
        for content in (lines, rows):
            file = client.files.create(file=io.BytesIO(content.encode()), purpose="fine-tune").id
            job = client.fine_tuning.jobs.create(model=tiny, training_file=file, hyperparameters={"n_epochs": 1}).id
            ended = time.monotonic() + 90
            while client.fine_tuning.jobs.retrieve(job).finished_at is None and time.monotonic() < ended:
                time.sleep(0.3)
            errors.append(client.fine_tuning.jobs.list_events(job).to_json())
            errors.append(client.fine_tuning.jobs.retrieve(job).to_json())
    for raw in (f'{{"model": "{TEXT}', f'{{"model": "{tiny}", "messages": "{TEXT}"}}', TEXT):
        headers = {"content-type": "application/json", "authorization": f"Bearer {KEY}"}
        with contextlib.suppress(httpx.TransportError):
            errors.append(httpx.post(f"{address}/chat/completions", content=raw, headers=headers).text)
    with contextlib.suppress(httpx.TransportError):
        errors.append(httpx.get(address.removesuffix("/v1") + "/metrics", headers=headers).text)
        errors.append(httpx.get(address.removesuffix("/v1") + "/health").text)
    return errors


@pytest.mark.parametrize("full", [False, True], ids=["usual", "full disk"])
def test_nothing_planted_is_spoken(tmp_path, tiny_folder, monkeypatch, full):
    if faults.compiler() is None:
        service_missing("no C compiler", "gcc")
    home = tmp_path / "served"
    home.mkdir()
    trouble = faults.Faults(tmp_path, home)
    told = {"POSTGRAD_API_KEY": KEY, "POSTGRAD_WEBHOOK_SECRET": HOOK, "POSTGRAD_WEBHOOK_URL": "http://127.0.0.1:9/x"}
    for name, value in {**told, **trouble.environment}.items():
        monkeypatch.setenv(name, value)
    server = Process(home, tiny_folder)
    server.start()
    try:
        client = openai.OpenAI(base_url=server.address, api_key=KEY, max_retries=0, timeout=120)
        errors = stirred(client, server.address, str(tiny_folder))
        if full:
            trouble.set(faults.FULL)
            errors += stirred(client, server.address, str(tiny_folder))
            trouble.set(faults.NOTHING)
        assert httpx.get(server.address.removesuffix("/v1") + "/health").json()["status"] in ("ok", "degraded")
    finally:
        monkeypatch.delenv("LD_PRELOAD")
        server.end()
    said = spoken(home)
    assert "server.log" in said and len(errors) > 8
    for place, text in said.items():
        assert not found(text), (place, found(text), text[-1500:])
    secret = [one for one in (KEY, WRONG, HOOK, HOOK.removeprefix("whsec_")) if any(one in e for e in errors)]
    assert not secret, "an error repeats a key"


def test_a_remote_models_key_is_never_repeated(tmp_path, tiny_folder):
    """A provider that fails and says the key back, in a run that asks it."""
    provider = Server(lambda _: "yes")
    provider.dies_after = 0
    (tmp_path / "d.csv").write_text(
        "text,label\n" + "\n".join(f"is it number {i}?,{'yes' if i % 2 else 'no'}" for i in range(80))
    )
    command = [
        "evaluate",
        "d.csv",
        "--model",
        str(tiny_folder),
        "--remote",
        f"{provider.url}#m",
        "--key-env",
        "PLANTED",
    ]
    environment = {**os.environ, "PLANTED": KEY, "PYTHONPATH": str(SOURCE), "POSTGRAD_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-m", "postgrad", *command, "--no-general", "--accept", "near_duplicates"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip
    provider.stop()
    everything = done.stdout + done.stderr
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.suffix in (".json", ".html", ".jsonl", ".log", ".db", ".txt"):
            everything += path.read_text(errors="replace")
    assert KEY not in everything and provider.asked


def test_values_of_a_failing_statement_are_not_told(own_home):
    """What the database's own library says of an error would show the row that could not be written."""
    with pytest.raises(Exception, match=r"no such table") as caught, Catalogue().session() as session:
        session.connection().exec_driver_sql("insert into nowhere values (?)", (TEXT,))
    chain, error = [], caught.value
    while error is not None:
        chain.append(str(error))
        error = error.__cause__ or error.__context__
    assert not found(" ".join(chain))
