"""What a finished job leaves behind: its report, its accuracies, a model that can be trained further; through the
SDK."""

import io
import json
import time

import httpx
import openai
import pytest

from postgrad.registry import Catalogue
from postgrad.registry.job_tables import JobRow
from postgrad.registry.keys import Keys
from postgrad.report.run_report import Report
from postgrad.serving.app import make_app
from postgrad.serving.inference.engine import Engine
from postgrad.serving.jobs.estimates import finish_of
from postgrad.serving.jobs.job_folder import host_id
from postgrad.serving.storage.store import Store
from tests.serving.loopback import ASK, register, running
from tests.serving.running import Process, examples, in_thread, until
from tests.serving.test_job_runs import messages, until_status
from tests.serving.test_jobs import row


@pytest.fixture(scope="module")
def server(tmp_path_factory, tiny_folder):
    process = Process(tmp_path_factory.mktemp("server") / "home", tiny_folder)
    process.start()
    yield process
    process.end()


@pytest.fixture
def client(server):
    return openai.OpenAI(base_url=server.address, api_key="x", max_retries=0, timeout=60)


def upload(client, data):
    return client.files.create(file=io.BytesIO(data), purpose="fine-tune").id


def create(client, **values):
    values.setdefault("hyperparameters", {"n_epochs": 3})
    values.setdefault("training_file", upload(client, examples(20)))
    return client.fine_tuning.jobs.create(**{"model": "gpt-4o-mini", **values})


def test_a_report_that_was_asked_for_and_the_model_trained_further(client, server):
    asked = {"extra_body": {"report": True}, "validation_file": upload(client, examples(12)), "metadata": {"team": "a"}}
    first = until_status(client, create(client, suffix="one", **asked), "succeeded")
    assert first.metadata == {"team": "a", "report": first.report}
    page = httpx.get(first.report)
    assert page.status_code == 200 and "fine-tuned" in page.text and "<script" not in page.text
    raw = httpx.get(first.report.replace(".html", ".json")).json()
    report = Report.model_validate(raw)
    assert {a.name for a in report.arms} == {"base", "fine_tuned"} and all(a.n == 12 for a in report.arms)
    assert report.comparisons[0].arm == "fine_tuned" and report.training.examples == 20
    assert any("validation file" in r for r in report.verdict.reasons) and report.data.test == 12
    assert str(server.home) not in json.dumps(raw)
    assert httpx.get(first.report.replace(first.id, "ftjob-other")).status_code == 404
    steps = [e.data for e in client.fine_tuning.jobs.list_events(first.id, limit=100) if e.type == "metrics"]
    assert all(0 <= d["train_mean_token_accuracy"] <= 1 for d in steps)
    last = client.fine_tuning.jobs.checkpoints.list(first.id).data[0].metrics
    assert 0 <= last.valid_mean_token_accuracy == last.full_valid_mean_token_accuracy <= 1
    table = client.files.content(first.result_files[0]).text.splitlines()
    assert all(line.split(",")[2] for line in table[1:]) and table[-1].split(",")[4]
    model = first.fine_tuned_model
    second = create(client, model=model, suffix="two", seed=1)
    assert any(f"continues from the weights of {model!r}" in m for m in messages(client, second))
    second = until_status(client, second, "succeeded")
    assert second.fine_tuned_model.startswith("ft:gpt-4o-mini:org-local:two:") and second.metadata is None
    plain = Report.model_validate(httpx.get(second.report.replace(".html", ".json")).json())
    assert plain.arms == [] and plain.verdict.recommendation == "cannot_tell" and plain.training.settings["start"]
    losses = [
        json.loads(e.to_json())["data"]["train_loss"]
        for e in list(client.fine_tuning.jobs.list_events(second.id, limit=100))[::-1]
        if e.type == "metrics"
    ]
    assert losses[0] < steps[-1]["train_loss"], "it begins where the first one ended, not where that one began"
    entry = Catalogue(f"sqlite:///{server.home / 'catalogue.db'}").get(second.fine_tuned_model)
    assert entry.details["trained_from"] == f"{model}@1" and entry.report
    for wrong in ({"lora_rank": 3}, {"method_type": "dora"}):
        with pytest.raises(openai.BadRequestError) as caught:
            create(client, model=model, extra_body=wrong)
        assert caught.value.param in wrong
    with pytest.raises(openai.NotFoundError):
        create(client, model="ft:gpt-4o-mini:org-local:three:abcdefgh")


def test_when_a_waiting_job_will_be_done(own_home):
    store = Store(Catalogue())
    host = host_id()
    past = {"host": host, "base": "m", "status": "succeeded", "begun_at": 1000, "finished_at": 1100, "work": 1000}
    waiting = {"host": host, "base": "m", "status": "queued", "work": 500}
    with store.writing() as session:
        session.add(unknown := row("u", **{**waiting, "base": "other"}))
        session.add_all(row(str(i), **past) for i in range(3))
        session.add(row("slow", **{**past, "finished_at": 9000}))
        going = row("going", host=host, base="m", status="running", estimated_finish=int(time.time()) + 60, device="d")
        session.add(going)
        session.add(first := row("a", **waiting))
        session.add(second := row("b", **waiting))
    with store.reading() as session:
        now = time.time()
        assert finish_of(session, first, lambda _: 1) == pytest.approx(now + 60 + 50 + 50, abs=3), "the unknown one too"
        assert finish_of(session, second, lambda _: 1) == pytest.approx(now + 60 + 50 + 50 + 50, abs=3)
        assert finish_of(session, second, lambda _: 2) == pytest.approx(now + 80 + 50, abs=3)
        assert finish_of(session, unknown, lambda _: 1) is None
        assert finish_of(session, going, lambda _: 1) == going.estimated_finish


def test_a_waiting_job_shows_it(own_home, tiny_folder):
    store = Store(Catalogue())
    base = str(tiny_folder)
    with store.writing() as session:
        busy = {"device": f"{host_id()}/cpu", "lease": "somebody", "heartbeat": time.time(), "status": "running"}
        session.add(
            row(
                "busy",
                host=host_id(),
                base=base,
                estimated_finish=int(time.time()) + 100,
                begun_at=int(time.time()) - 100,
                work=1000,
                **busy,
            )
        )
    with in_thread(make_app(Engine(store.catalogue, [base]))) as address:
        client = openai.OpenAI(base_url=address, api_key="x")
        job = create(client)
        job = until(lambda: (j := client.fine_tuning.jobs.retrieve(job.id)).status == "queued" and j, 20)
        assert job.estimated_finish > time.time() + 100
        with store.reading() as session:
            kept = session.query(JobRow).filter_by(id=job.id).one()
            assert kept.work == 3 * len(examples(20)) and kept.estimated_finish is None


def test_another_projects_model_is_used_with_leave_alone(tiny, tiny_folder, tmp_path):
    name = "ft:tiny:org-local:theirs:abcdefgh"
    register(tiny, tmp_path / "a", tiny_folder, name, 1, project="shop", organization="org-local")
    keys = Keys(Catalogue())
    owner, office, elsewhere = (
        keys.create("k", project=p, organization=o)[0]
        for p, o in (("shop", "org-local"), ("office", "org-local"), ("shop", "org-else"))
    )
    store = Store(Catalogue())
    with store.writing() as session:
        session.add(row("theirs", project="shop", fine_tuned_model=name, status="succeeded"))
    with running(make_app(Engine(Catalogue(), [str(tiny_folder)]))) as address:

        def ask(key):
            return openai.OpenAI(base_url=address, api_key=key, max_retries=0).chat.completions.create(
                model=name, messages=ASK, max_tokens=2
            )

        assert ask(owner).choices
        for key in (office, elsewhere):
            with pytest.raises(openai.NotFoundError):
                ask(key)
        permissions = openai.OpenAI(base_url=address, api_key=owner).fine_tuning.checkpoints.permissions
        permissions.create(name, project_ids=["office", "shop"])
        assert ask(office).choices
        theirs = openai.OpenAI(base_url=address, api_key=office, max_retries=0)
        assert name in {m.id for m in theirs.models.list()}
        with pytest.raises(openai.PermissionDeniedError):
            theirs.models.delete(name)
        with pytest.raises(openai.NotFoundError):
            ask(elsewhere)  # of the same project's name in another organisation
        given = permissions.list(name, project_id="office").data[0]
        permissions.delete(given.id, fine_tuned_model_checkpoint=name)
        with pytest.raises(openai.NotFoundError):
            ask(office)
