"""Webhooks: a real receiver, and the SDK itself checks the signature."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import openai
import pytest

from postgrad.errors import UsageError
from postgrad.registry import Catalogue
from postgrad.registry.job_tables import JobRow
from postgrad.serving.jobs.webhooks import PAUSES, Notifier, receiver
from postgrad.serving.storage.store import Store
from tests.serving.test_jobs import row

SECRET = "whsec_c2VjcmV0IG9mIHNvbWUgbGVuZ3Ro"


@pytest.fixture
def heard(monkeypatch):
    """A receiver; `answers` are the statuses it gives, the last one again and again."""
    got, answers = [], [200]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append((self.rfile.read(int(self.headers["content-length"])), dict(self.headers)))
            self.send_response(answers.pop(0) if len(answers) > 1 else answers[0])
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("POSTGRAD_WEBHOOK_URL", f"http://127.0.0.1:{server.server_port}/hook")
    monkeypatch.setenv("POSTGRAD_WEBHOOK_SECRET", SECRET)
    yield got, answers
    server.shutdown()
    server.server_close()


def add(store, **values):
    with store.writing() as session:
        session.add(job := row(finished_at=5, **values))
    return job.id


def test_every_end_is_told_once_and_the_sdk_takes_the_signature(heard, own_home):
    got, _ = heard
    store = Store(Catalogue())
    ids = [add(store, status=s, notice_due=0.0) for s in ("succeeded", "failed", "cancelled")]
    add(store, status="running", notice_due=0.0)
    add(store, status="succeeded", notice_due=None)
    notifier = Notifier(store, receiver())
    while notifier.send_next():
        pass
    client = openai.OpenAI(api_key="x", webhook_secret=SECRET)
    events = [client.webhooks.unwrap(body, headers) for body, headers in got]
    assert [(e.type, e.data.id, e.object, e.created_at) for e in events] == [
        (f"fine_tuning.job.{s}", i, "event", 5) for s, i in zip(("succeeded", "failed", "cancelled"), ids, strict=True)
    ]
    with pytest.raises(openai.InvalidWebhookSignatureError):
        client.webhooks.unwrap(got[0][0] + b" ", got[0][1])


def test_a_receiver_that_does_not_take_it_is_asked_again_with_the_same_id_and_given_up_at_last(heard, own_home):
    got, answers = heard
    answers[:] = [500]
    store = Store(Catalogue())
    job = add(store, status="succeeded", notice_due=0.0)
    notifier = Notifier(store, receiver())
    for _ in range(len(PAUSES) + 5):
        notifier.send_next()
        assert not notifier.send_next(), "not at once again"
        with store.writing() as session:
            session.query(JobRow).where(JobRow.id == job, JobRow.notice_due.is_not(None)).update({"notice_due": 0.0})
    assert (
        len(got) == len(PAUSES) + 1
        and len({{k.lower(): v for k, v in headers.items()}["webhook-id"] for _, headers in got}) == 1
    )


def test_settings_that_make_no_sense_are_refused(monkeypatch):
    assert receiver() is None
    monkeypatch.setenv("POSTGRAD_WEBHOOK_URL", "file:///etc/passwd")
    with pytest.raises(UsageError, match="no http"):
        receiver()
    monkeypatch.setenv("POSTGRAD_WEBHOOK_URL", "http://x")
    for secret, words in ((None, "without"), ("whsec_!", "no base64")):
        if secret:
            monkeypatch.setenv("POSTGRAD_WEBHOOK_SECRET", secret)
        with pytest.raises(UsageError, match=words):
            receiver()
