"""Fine-tuning jobs through the unmodified SDK, as far as they need no training: requests, lists, errors,
permissions."""

import asyncio
import io
import json
import time

import httpx
import openai
import pytest
from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent

from postgrad.registry import Catalogue
from postgrad.registry.job_tables import CheckpointRow, JobRow
from postgrad.registry.keys import ORGANIZATION, PROJECT
from postgrad.serving.app import make_app
from postgrad.serving.inference.engine import Engine
from postgrad.serving.jobs.job_folder import JobFolder, host_id
from postgrad.serving.storage.store import Store, new_id
from tests.serving.running import examples, in_thread, until


@pytest.fixture
def store(own_home):
    return Store(Catalogue())


@pytest.fixture
def address(store, tiny_folder):
    """A server whose device is taken, so that jobs wait in the queue."""
    fake = {"device": f"{host_id()}/cpu", "lease": "somebody", "heartbeat": time.time(), "status": "running"}
    with store.writing() as session:
        session.add(row("busy", organization="another", host=host_id(), **fake))
    with in_thread(make_app(Engine(store.catalogue, [str(tiny_folder), "org/other"]))) as url:
        yield url


@pytest.fixture
def client(address):
    return openai.OpenAI(base_url=address, api_key="x", max_retries=0)


GRADER = {
    "type": "string_check",
    "name": "same",
    "input": "{{sample.output_text}}",
    "reference": "{{item.n}}",
    "operation": "eq",
}


def row(name="x", **values):
    fixed = {
        "id": new_id("ftjob-"),
        "organization": ORGANIZATION,
        "project": PROJECT,
        "created_at": 1,
        "model": "m",
        "base": "m",
        "result_name": f"ft:m:o:{name}:x",
        "status": "paused",
        "training_file": "file-a",
        "seed": 1,
        "hyperparameters": {},
        "method": {"type": "supervised", "supervised": {"hyperparameters": {}}},
        "extra": {},
        "integrations": [],
        "request_hash": "h",
        "host": "h",
    }
    return JobRow(**{**fixed, **values})


def upload(client, data=None, purpose="fine-tune"):
    return client.files.create(file=io.BytesIO(examples() if data is None else data), purpose=purpose).id


def create(client, **values):
    values.setdefault("training_file", None)
    values["training_file"] = values["training_file"] or upload(client)
    return client.fine_tuning.jobs.create(**{"model": "gpt-4o-mini-2024-07-18", **values})


def settled(client, job):
    return until(lambda: (j := client.fine_tuning.jobs.retrieve(job.id)).status != "validating_files" and j, 20, 0.05)


def messages(client, job):
    return [e.message for e in client.fine_tuning.jobs.list_events(job.id)][::-1]


def test_a_job_as_the_sdk_reads_it(client, tiny_folder):
    job = create(client, suffix="mine", seed=7, metadata={"team": "a"}, hyperparameters={"n_epochs": 2})
    assert job.status in ("validating_files", "queued") and job.seed == 7 and job.metadata == {"team": "a"}
    assert job.hyperparameters.n_epochs == 2 and job.hyperparameters.batch_size == "auto"
    assert job.method.supervised.hyperparameters.n_epochs == 2 and job.error is None and job.result_files == []
    done = settled(client, job)
    FineTuningJob.model_validate(done.model_dump(warnings=False), strict=True)
    assert done.status == "queued"
    assert messages(client, job)[:4] == [
        f"Created fine-tuning job: {job.id}",
        f"Validating training file: {job.training_file}",
        (
            f"The model 'gpt-4o-mini-2024-07-18' is not on this server; its base model {str(tiny_folder)!r} is trained"
            " instead."
        ),
        "Files validated, moving job to queued state",
    ]
    for event in client.fine_tuning.jobs.list_events(job.id):
        FineTuningJobEvent.model_validate(event.model_dump(), strict=True)


def test_every_documented_field_is_taken(client, tiny_folder):
    file = upload(client)
    job = create(
        client,
        model=str(tiny_folder),
        training_file=file,
        validation_file=upload(client),
        suffix=None,
        seed=0,
        metadata=None,
        integrations=[{"type": "wandb", "wandb": {"project": "p", "tags": ["a"]}}],
        method={
            "type": "supervised",
            "supervised": {"hyperparameters": {"batch_size": 256, "learning_rate_multiplier": 0.1, "n_epochs": "auto"}},
        },
        extra_body={
            "lora_rank": 4,
            "method_type": "dora",
            "max_length": 64,
            "learning_rate": 0.01,
            "base": str(tiny_folder),
        },
    )
    assert job.integrations[0].wandb.project == "p" and job.metadata is None
    assert any("Weights & Biases" in m for m in messages(client, job))


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"suffix": "s" * 65}, "suffix"),
        ({"suffix": ""}, "suffix"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**31}, "seed"),
        ({"metadata": {str(i): "x" for i in range(17)}}, "metadata"),
        ({"metadata": {"k" * 65: "x"}}, None),
        ({"metadata": {"k": "x" * 513}}, "metadata"),
        ({"hyperparameters": {"n_epochs": 51}}, "n_epochs"),
        ({"hyperparameters": {"n_epochs": 0}}, "n_epochs"),
        ({"hyperparameters": {"batch_size": 257}}, "batch_size"),
        ({"hyperparameters": {"learning_rate_multiplier": 0}}, "learning_rate_multiplier"),
        ({"hyperparameters": {"n_epochs": "many"}}, "n_epochs"),
        ({"method": {"type": "magic"}}, "method"),
        ({"method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 2.1}}}}, "beta"),
        ({"method": {"type": "reinforcement"}}, "method"),
        ({"integrations": [{"type": "wandb", "wandb": {"project": "p"}}] * 6}, "integrations"),
        ({"integrations": [{"type": "mlflow"}]}, "integrations"),
        ({"extra_body": {"lora_rank": 0}}, "lora_rank"),
        ({"extra_body": {"colour": "red"}}, "colour"),
        ({"training_file": "file-nobody"}, "training_file"),
        ({"validation_file": "file-nobody"}, "validation_file"),
    ],
)
def test_what_is_out_of_bounds_is_refused_by_name(client, change, param):
    with pytest.raises(openai.BadRequestError) as caught:
        create(client, **change)
    assert caught.value.type == "invalid_request_error" and caught.value.message
    assert param is None or param in str(caught.value.param) + caught.value.message


@pytest.mark.parametrize(
    ("change", "kind", "code"),
    [
        ({"model": "nobody/nothing"}, openai.NotFoundError, "model_not_found"),
        ({"model": "/etc"}, openai.NotFoundError, "model_not_found"),
        ({"extra_body": {"base": "../../x"}}, openai.NotFoundError, "model_not_found"),
        ({"model": "ft:m:o::abcdefgh"}, openai.NotFoundError, "model_not_found"),
    ],
)
def test_a_model_that_cannot_be_trained(client, change, kind, code):
    with pytest.raises(kind) as caught:
        create(client, **change)
    assert caught.value.code == code and caught.value.param == "model"


def test_a_file_of_another_purpose(client):
    with pytest.raises(openai.BadRequestError, match="purpose"):
        create(client, training_file=upload(client, purpose="user_data"))


@pytest.mark.parametrize(
    ("data", "method", "code", "words"),
    [
        (examples(7), None, "invalid_n_examples", "Training file has 7 example(s), but must have at least 10 examples"),
        (
            b'{"messages": [{"content": "x"}]}',
            None,
            "invalid_training_file",
            "Example 1, message 1 Discriminator 'role' is missing in value",
        ),
        (b'{"text": "x"}', None, "invalid_training_file", "Unexpected file format, expected either"),
        (examples(), {"type": "dpo"}, "invalid_training_file", "is in the fine-tune-chat format"),
        (
            b'{"messages": [{"role": "user", "content": "x"}], "m": 1}\n' * 12,
            {"type": "reinforcement", "reinforcement": {"grader": GRADER}},
            "invalid_training_file",
            "Example 1 has no value for {{item.n}}",
        ),
    ],
)
def test_a_job_whose_file_is_at_fault_fails_and_says_so(client, data, method, code, words):
    job = settled(client, create(client, training_file=upload(client, data), **({"method": method} if method else {})))
    assert job.status == "failed" and job.error.code == code and words in job.error.message and job.finished_at
    assert job.error.param == "training_file"
    FineTuningJob.model_validate(job.model_dump(warnings=False), strict=True)
    assert messages(client, job)[-1].startswith("The job failed: ")
    with pytest.raises(openai.BadRequestError):
        client.fine_tuning.jobs.cancel(job.id)


def test_the_validation_file_is_named_where_it_is_at_fault(client):
    job = settled(client, create(client, validation_file=upload(client, b'{"messages": []}')))
    assert (job.error.code, job.error.param) == ("invalid_validation_file", "validation_file")


def test_a_deleted_file_does_not_hold_up_a_job(client, own_home):
    file = upload(client)
    job = create(client, training_file=file)
    client.files.delete(file)
    assert settled(client, job).status == "queued" and JobFolder.of(job.id).training.read_bytes() == examples()


def test_cancel_pause_and_resume_of_a_waiting_job(client):
    job = settled(client, create(client))
    assert client.fine_tuning.jobs.pause(job.id).status == "paused"
    with pytest.raises(openai.BadRequestError, match="cannot be paused"):
        client.fine_tuning.jobs.pause(job.id)
    assert client.fine_tuning.jobs.resume(job.id).status == "queued"
    cancelled = client.fine_tuning.jobs.cancel(job.id)
    assert cancelled.status == "cancelled" and cancelled.finished_at
    for what in ("cancel", "pause", "resume"):
        with pytest.raises(openai.BadRequestError) as caught:
            getattr(client.fine_tuning.jobs, what)(job.id)
        assert caught.value.code == "invalid_job_status"


def test_an_unknown_job_in_the_services_words(client):
    jobs = client.fine_tuning.jobs
    for ask in (jobs.retrieve, jobs.cancel, jobs.pause, jobs.resume, jobs.list_events, jobs.checkpoints.list):
        with pytest.raises(openai.NotFoundError) as caught:
            ask("ftjob-nobody")
        error = caught.value
        assert (error.code, error.param, error.type) == ("fine_tune_not_found", "fine_tune_id", "invalid_request_error")
        assert "Could not find fine tune: ftjob-nobody" in error.message


def test_a_request_that_is_sent_again_makes_no_second_job(client, address):
    body = {"model": "gpt-4o", "training_file": upload(client)}
    sent = [
        httpx.post(address + "/fine_tuning/jobs", json=body, headers={"x-stainless-retry-count": str(n)}).json()["id"]
        for n in (0, 1, 2, 0)
    ]
    assert sent[0] == sent[1] == sent[2] != sent[3]
    other = httpx.post(
        address + "/fine_tuning/jobs", json={**body, "seed": 5}, headers={"x-stainless-retry-count": "1"}
    )
    assert other.json()["id"] not in sent


def test_a_thousand_jobs_are_paged_to_the_end_and_filtered_by_metadata(client, store):
    from postgrad.registry.job_tables import LabelRow

    rows = [
        row(created_at=i // 7, labels={"team": "abc"[i % 3], "x y": str(i)} if i % 2 else None) for i in range(1000)
    ]
    with store.writing() as session:
        session.add_all(rows)
        session.flush()
        session.add_all(LabelRow(job_id=r.id, key=k, value=v) for r in rows for k, v in (r.labels or {}).items())
    ids = [r.id for r in rows][::-1]
    assert [j.id for j in client.fine_tuning.jobs.list(limit=100)] == ids
    assert len(client.fine_tuning.jobs.list().data) == 20
    assert [j.metadata["x y"] for j in client.fine_tuning.jobs.list(metadata={"team": "b", "x y": "1"})] == ["1"]
    assert {j.metadata["team"] for j in client.fine_tuning.jobs.list(limit=100, metadata={"team": "c"})} == {"c"}
    without = list(client.fine_tuning.jobs.list(limit=100, extra_query={"metadata": "null"}))
    assert len(without) == 500 and all(j.metadata is None for j in without)


def test_events_are_paged_newest_first(client):
    job = settled(client, create(client))
    whole = [e.id for e in client.fine_tuning.jobs.list_events(job.id, limit=100)]
    assert [e.id for e in client.fine_tuning.jobs.list_events(job.id, limit=2)] == whole and len(set(whole)) == len(
        whole
    ) >= 4


def test_events_as_a_stream(client, address):
    job = create(client, training_file=upload(client, examples(3)))
    with httpx.stream("GET", f"{address}/fine_tuning/jobs/{job.id}/events/stream", timeout=20) as answer:
        data = [line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: ")]
    assert data[-1] == "[DONE]"
    assert [json.loads(d)["message"] for d in data[:-1]] == messages(client, job)


def test_other_projects_see_nothing_of_it(client, store):
    with store.writing() as session:
        session.add(stranger := row(project="proj-other"))
    with pytest.raises(openai.NotFoundError):
        client.fine_tuning.jobs.retrieve(stranger.id)
    assert not list(client.fine_tuning.jobs.list())


def test_permissions_of_a_checkpoint(client, store):
    name = "ft:org/m:o:s:abcdefgh:ckpt-step-8"
    with store.writing() as session:
        session.add(mine := row())
        session.flush()
        session.add(CheckpointRow(id="ftckpt_1", job_id=mine.id, created_at=1, step=8, model=name, metrics={"step": 8}))
    permissions = client.fine_tuning.checkpoints.permissions
    made = permissions.create(name, project_ids=["p1", "p2", "p3", "p1"])
    assert sorted(p.project_id for p in made) == ["p1", "p2", "p3"]
    assert [p.project_id for p in permissions.list(name, limit=2)] == ["p3", "p2", "p1"]
    assert [p.project_id for p in permissions.list(name, limit=2, order="ascending")] == ["p1", "p2", "p3"]
    one = permissions.list(name, project_id="p2").data[0]
    assert permissions.delete(one.id, fine_tuned_model_checkpoint=name).deleted
    assert [p.project_id for p in permissions.list("ftckpt_1")] == ["p3", "p1"]
    assert client.fine_tuning.jobs.checkpoints.list(mine.id).data[0].step_number == 8
    with pytest.raises(openai.NotFoundError):
        permissions.list("ft:nobody")
    with pytest.raises(openai.NotFoundError):
        permissions.delete("cp_nobody", fine_tuned_model_checkpoint=name)


def test_models_with_slashes_and_colons_are_found_and_deleted(client, store, tiny_folder):
    name = "ft:org/tiny:org-local:s:abcdefgh"
    fields = {"base_hash": "h", "method": "lora", "blob": "b", "template": "t", "data_hash": "d", "report": None}
    store.catalogue.add(name=name, base=str(tiny_folder), details={"job": "ftjob-1"}, **fields)
    theirs = {"organization": "another", "project": "p", "job": "ftjob-2"}
    store.catalogue.add(name="theirs", base=str(tiny_folder), details=theirs, **fields)
    assert client.models.retrieve(name).id == name and name in [m.id for m in client.models.list()]
    assert client.models.delete(name).model_dump() == {"id": name, "object": "model", "deleted": True}
    for unknown in (name, "theirs", "nobody/nothing"):
        with pytest.raises(openai.NotFoundError) as caught:
            client.models.delete(unknown)
        assert caught.value.code == "model_not_found"
    with pytest.raises(openai.PermissionDeniedError):
        client.models.delete(str(tiny_folder))


def test_the_asynchronous_sdk(address):
    async def go():
        async with openai.AsyncOpenAI(base_url=address, api_key="x", max_retries=0) as client:
            file = await client.files.create(file=io.BytesIO(examples()), purpose="fine-tune")
            made = [(await client.fine_tuning.jobs.create(model="gpt-4o", training_file=file.id)).id for _ in range(3)]
            listed = [job.id async for job in client.fine_tuning.jobs.list(limit=1)]
            assert listed == made[::-1]
            assert (await client.fine_tuning.jobs.cancel(made[0])).status == "cancelled"

    asyncio.run(go())


def test_a_locked_database_is_a_server_error_that_may_be_tried_again(client, store):
    file = upload(client)
    with store.catalogue.engine.connect() as connection:
        connection.exec_driver_sql("begin immediate")
        started = time.monotonic()
        with pytest.raises(openai.InternalServerError) as caught:
            client.with_options(timeout=60).files.delete(file)
        connection.rollback()
    assert caught.value.status_code == 503 and "locked" in caught.value.message and time.monotonic() - started < 30
    assert client.files.delete(file).deleted
