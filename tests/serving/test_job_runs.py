"""Whole jobs through the unmodified SDK against a real server process, with processes killed in the middle."""

import io
import os
import signal

import openai
import pytest
from openai.types.fine_tuning import FineTuningJob
from openai.types.fine_tuning.jobs import FineTuningJobCheckpoint

from postgrad.registry import Catalogue
from postgrad.steps.openai_jobs.hyperparameters import recipe_of
from postgrad.training_run import RunFolder
from postgrad.workflows.fine_tune import fine_tune
from tests.serving.running import Process, examples, until

LONG = {"batch_size": 1, "n_epochs": 25, "learning_rate_multiplier": 0.1}
ASK = [{"role": "user", "content": "Where is my sofa?"}]


@pytest.fixture(scope="module")
def server(tmp_path_factory, tiny_folder):
    process = Process(tmp_path_factory.mktemp("server") / "home", tiny_folder)
    process.start()
    yield process
    process.end()


@pytest.fixture
def client(server):
    return openai.OpenAI(base_url=server.address, api_key="x", max_retries=0, timeout=60)


def create(client, data=None, **values):
    file = client.files.create(file=io.BytesIO(examples(20) if data is None else data), purpose="fine-tune")
    return client.fine_tuning.jobs.create(model="gpt-4o-mini", training_file=file.id, **values)


def retrieve(client, job):
    try:
        return client.fine_tuning.jobs.retrieve(job.id)
    except openai.APIConnectionError:
        return job


def until_status(client, job, *statuses):
    def reached():
        now = retrieve(client, job)
        ended = now.status in ("succeeded", "failed", "cancelled")
        assert not ended or now.status in statuses, (now.status, now.error, messages(client, job))
        return now if now.status in statuses else None

    return until(reached, 150)


def messages(client, job):
    return [e.message for e in client.fine_tuning.jobs.list_events(job.id, limit=100)][::-1]


def steps(client, job):
    events = client.fine_tuning.jobs.list_events(job.id, limit=100)
    return [e.data["step"] for e in events if e.type == "metrics"][::-1]


def until_step(client, job, step):
    until(lambda: max(steps(client, job), default=0) >= step, 120)


def test_the_documented_workflow(client, server):
    job = create(client, suffix="flow", seed=3, hyperparameters={"n_epochs": 4}, validation_file=None)
    job = until_status(client, job, "succeeded")
    FineTuningJob.model_validate(job.model_dump(warnings=False), strict=True)
    assert job.fine_tuned_model.startswith("ft:gpt-4o-mini:org-local:flow:") and job.finished_at >= job.created_at
    assert (job.hyperparameters.n_epochs, job.hyperparameters.batch_size) == (4, 4) and job.error is None
    assert job.method.supervised.hyperparameters.model_dump() == job.hyperparameters.model_dump()
    told = messages(client, job)
    order = [
        f"Created fine-tuning job: {job.id}",
        f"Validating training file: {job.training_file}",
        "Files validated, moving job to queued state",
        "Fine-tuning job started",
        "Step 1/20: training loss=",
        "Checkpoint created at step 20 with Snapshot ID: ",
        f"New fine-tuned model created: {job.fine_tuned_model}",
        "The job has successfully completed",
    ]
    places = [next(i for i, m in enumerate(told) if m.startswith(o)) for o in order]
    assert places == sorted(places) and steps(client, job) == list(range(1, 21))
    checkpoints = list(client.fine_tuning.jobs.checkpoints.list(job.id, limit=1))
    assert [c.step_number for c in checkpoints] == [20, 15, 10]
    for checkpoint in checkpoints:
        FineTuningJobCheckpoint.model_validate(checkpoint.model_dump(), strict=True)
    table = client.files.content(job.result_files[0]).text.splitlines()
    assert table[0] == "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy" and len(table) == 21
    assert client.files.retrieve(job.result_files[0]).purpose == "fine-tune-results"
    assert job.trained_tokens % 4 == 0 and job.trained_tokens > 4 * 20 * 20
    answers = {
        m: client.chat.completions.create(model=m, messages=ASK, max_tokens=12, logprobs=None)
        .choices[0]
        .message.content
        for m in (str(server.base), job.fine_tuned_model, *(c.fine_tuned_model_checkpoint for c in checkpoints))
    }
    assert (
        answers[job.fine_tuned_model]
        == answers[checkpoints[0].fine_tuned_model_checkpoint]
        != answers[str(server.base)]
    )
    assert client.models.delete(job.fine_tuned_model).deleted
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model=job.fine_tuned_model, messages=ASK)


def test_killed_paused_and_killed_with_the_server_it_ends_once_and_with_the_same_model(
    client, server, tmp_path, monkeypatch
):
    monkeypatch.setenv("POSTGRAD_DTYPE", "float32")  # as the server of these tests has it
    settings = {"seed": 5, "suffix": "hard", "hyperparameters": LONG}
    job = create(client, **settings)
    client.files.delete(job.training_file)
    until_step(client, job, 30)
    (first,) = server.workers()
    os.kill(first, signal.SIGKILL)
    until(lambda: any("was killed by signal 9" in m for m in messages(client, job)), 30)
    until_step(client, job, 80)
    (second,) = server.workers()
    assert second != first and client.fine_tuning.jobs.pause(job.id).status == "pausing"
    until_status(client, job, "paused")
    until(lambda: not server.workers(), 60)
    assert client.fine_tuning.jobs.resume(job.id).status == "queued"
    until_step(client, job, 150)
    (third,) = server.workers()
    server.kill()
    os.kill(third, signal.SIGKILL)
    server.start()
    until_step(client, job, 230)
    (fourth,) = server.workers()
    server.kill()
    assert server.workers() == [fourth]
    server.start()
    job = until_status(client, job, "succeeded")
    told = messages(client, job)
    for once in (
        "Fine-tuning job started",
        "Fine-tuning job paused",
        "Fine-tuning job resumed",
        "The job has successfully completed",
    ):
        assert told.count(once) == 1, (once, told)
    assert sum("restarted" in m for m in told) == 2
    seen = steps(client, job)
    assert seen == sorted(set(seen)) and seen[-1] == 500
    until(lambda: not server.workers(), 60)  # the process goes after what it told
    assert len(job.result_files) == 1
    assert not (server.home / "jobs" / job.id / "run").exists()
    numbers = job.hyperparameters.model_dump()
    recipe = recipe_of(str(server.base), "", 5, numbers, {}, 20)
    (tmp_path / "data.jsonl").write_bytes(examples(20))
    alone = _result(fine_tune(recipe, tmp_path / "data.jsonl", None, RunFolder(tmp_path / "run"), lambda: False))
    entries = Catalogue(f"sqlite:///{server.home / 'catalogue.db'}").list(job.fine_tuned_model)
    assert [e.blob for e in entries] == [alone.result.blob]


def test_cancelled_in_the_middle_and_the_next_one_begins(client, server):
    first = create(client, hyperparameters={"n_epochs": 50, "batch_size": 1})
    second = create(client, data=examples(11), hyperparameters={"n_epochs": 1})
    until_step(client, first, 5)
    assert retrieve(client, first).estimated_finish and retrieve(client, second).status == "queued"
    assert client.fine_tuning.jobs.cancel(first.id).status == "cancelled"
    assert until_status(client, second, "succeeded").trained_tokens
    last = retrieve(client, first)
    assert last.status == "cancelled" and last.fine_tuned_model is None and last.result_files == []
    assert messages(client, first)[-1] == "Fine-tuning job cancelled"


def test_what_only_the_training_can_tell_fails_the_job_in_the_clients_words(client, server):
    long = examples(12).replace(b"Where is my sofa", b"Where is " + b"my very own " * 200 + b"sofa")
    job = until_status(client, create(client, data=long), "failed")
    assert (job.error.code, job.error.param) == ("invalid_training_file", "training_file")
    assert f"{job.training_file}:1" in job.error.message and str(server.home) not in job.error.message


def _result(work):
    while True:
        try:
            next(work)
        except StopIteration as done:
            return done.value


def test_an_example_is_trained_on_as_often_as_it_stands_in_the_file(client):
    lines = examples(20).splitlines()
    once = b"".join(line + b"\n" for line in lines)
    settings = {"batch_size": 1, "n_epochs": 1}
    tokens = {}
    for name, data in (("once", once), ("repeated", once + (lines[0] + b"\n") * 3)):
        job = create(client, data, hyperparameters=settings)
        tokens[name] = until_status(client, job, "succeeded").trained_tokens
    assert tokens["repeated"] > tokens["once"]
    assert any("repeat" in m and "stay in, as accepted" in m for m in messages(client, job))
