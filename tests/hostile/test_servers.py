"""A database that is started again under load, and two servers on one home: nothing is lost, nothing is done twice."""

from __future__ import annotations

import io
import os
import threading
import time
from collections import Counter

import httpx
import openai
import pytest

from tests.postgres import fresh_database, restartable_server
from tests.serving.loopback import ASK
from tests.serving.running import Process, examples, until


def job(client, model, epochs=2):
    file = client.files.create(file=io.BytesIO(examples(12)), purpose="fine-tune").id
    return client.fine_tuning.jobs.create(model=model, training_file=file, hyperparameters={"n_epochs": epochs}).id


def ended(client, one):
    def look():
        try:
            now = client.fine_tuning.jobs.retrieve(one)
        except openai.APIStatusError:
            return None
        return now if now.finished_at else None

    return until(look, 180, 0.3)


def once(client, one):
    """That a job succeeded, and told every step once and in order."""
    done = ended(client, one)
    assert done.status == "succeeded", done.error
    events = list(client.fine_tuning.jobs.list_events(one, limit=100))
    steps = [e.data["step"] for e in events if e.type == "metrics"][::-1]
    assert steps == sorted(set(steps)) and steps
    assert sum(e.message == "The job has successfully completed" for e in events) == 1


def test_a_database_that_restarts_under_load(tmp_path, tiny_folder):
    with restartable_server() as database, fresh_database(database.address) as url:
        os.environ["DATABASE_URL"] = url
        server = Process(tmp_path / "home", tiny_folder)
        server.start()
        seen, over = Counter(), threading.Event()
        try:
            client = openai.OpenAI(base_url=server.address, api_key="x", max_retries=0, timeout=60)
            jobs = [job(client, str(tiny_folder), 20), job(client, str(tiny_folder))]

            def load():
                own = openai.OpenAI(base_url=server.address, api_key="x", max_retries=0, timeout=60)
                calls = (
                    lambda: own.chat.completions.create(model=str(tiny_folder), messages=ASK, max_tokens=4),
                    own.fine_tuning.jobs.list,
                    own.models.list,
                    lambda: own.files.create(file=io.BytesIO(examples(12)), purpose="fine-tune"),
                )
                while not over.is_set():
                    for call in calls:
                        try:
                            call()
                            seen[200] += 1
                        except openai.APIStatusError as error:
                            seen[error.status_code] += 1

            threads = [threading.Thread(target=load) for _ in range(3)]
            for thread in threads:
                thread.start()
            for _ in range(3):
                time.sleep(2)
                database.stop()
                time.sleep(1.5)
                database.start()
            time.sleep(2)
            over.set()
            for thread in threads:
                thread.join()
            assert set(seen) <= {200, 503} and seen[200] > 20, seen
            for one in jobs:
                once(client, one)
            health = server.address.removesuffix("/v1") + "/health"
            until(lambda: httpx.get(health).json()["status"] == "ok", 30, 0.3)
        finally:
            over.set()
            del os.environ["DATABASE_URL"]
            server.end()


@pytest.mark.parametrize("killed", [False, True], ids=["both stay", "one is killed"])
def test_two_servers_on_one_home(tmp_path, tiny_folder, killed):
    servers = [Process(tmp_path / "home", tiny_folder) for _ in range(2)]
    for server in servers:
        server.start()
    try:
        clients = [openai.OpenAI(base_url=s.address, api_key="x", max_retries=3, timeout=60) for s in servers]
        jobs = [job(client, str(tiny_folder), 3) for client in clients]
        for client in clients:
            assert {j.id for j in client.fine_tuning.jobs.list()} == set(jobs), "each sees all"
            assert client.chat.completions.create(model=str(tiny_folder), messages=ASK, max_tokens=4).choices
        if killed:
            servers[0].kill()
        for one in jobs:
            once(clients[1], one)
        names = [m.id for m in clients[1].models.list() if m.id.startswith("ft:") and "@" not in m.id]
        assert len([n for n in names if "ckpt" not in n]) == len(jobs)
    finally:
        for server in servers:
            server.end()
