"""The queue: one training a device, no job twice, no process without its lease, and what follows a process's end."""

import threading

import pytest

from postgrad.registry import Catalogue
from postgrad.registry.job_tables import EventRow, FileRow, JobRow
from postgrad.serving.jobs.lease import Lease, Metrics
from postgrad.serving.jobs.leases import LeaseLostError
from postgrad.serving.jobs.queue import MOST_DEATHS, Error, Queue
from postgrad.serving.storage.store import Store, new_id, now
from postgrad.serving.wire.api_errors import ApiError
from tests.postgres import fresh_database


@pytest.fixture(params=["sqlite", "postgresql"])
def queue(request):
    if request.param == "sqlite":
        yield Queue(Store(Catalogue()), "here")
        return
    with fresh_database(request.getfixturevalue("postgres_server")) as url:
        catalogue = Catalogue(url)
        yield Queue(Store(catalogue), "here")
        catalogue.engine.dispose()


def add(queue, ready=True, **values):
    method = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": "auto"}}}
    row = JobRow(
        id=new_id("ftjob-"),
        organization="o",
        project="p",
        created_at=now(),
        model="m",
        base="m",
        result_name="ft:m:o::x",
        status="validating_files",
        training_file="file-a",
        seed=1,
        method=method,
        hyperparameters={},
        extra={},
        integrations=[],
        request_hash="h",
        host=queue.host,
        **values,
    )
    queue.add(row, [])
    if ready:
        queue.validated(row.id, 10)
    return row.id


def said(queue, job_id):
    with queue.store.reading() as session:
        return [e.message for e in session.query(EventRow).where(EventRow.job_id == job_id).order_by(EventRow.number)]


def claim(queue):
    row, token = queue.claim("here/cpu")
    return row.id, Lease(queue.store, row.id, token)


def test_first_come_first_served_and_one_a_device(queue):
    first, second = add(queue), add(queue)
    row, token = queue.claim("here/cpu")
    assert row.id == first and queue.claim("here/cpu") is None
    assert queue.claim("here/cuda:0")[0].id == second
    assert said(queue, second)[3] == "The job is number 2 in the queue; one training at a time runs on a device."
    assert Lease(queue.store, first, token).beat() == "running"


def test_of_many_that_claim_at_once_one_gets_the_job(queue):
    add(queue)
    add(queue)
    got = []
    threads = [
        threading.Thread(target=lambda: got.append(Queue(queue.store, "here").claim("here/cpu"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(g is not None for g in got) == 1


def test_jobs_of_another_home_are_left_to_it(queue):
    Queue(queue.store, "there")
    row_id = add(Queue(queue.store, "there"))
    assert queue.claim("here/cpu") is None and queue.get(row_id).status == "queued"


def test_a_process_that_died_is_followed_by_one_with_a_new_lease_and_the_old_one_writes_nothing(queue):
    add(queue)
    job_id, old = claim(queue)
    old.record({"furthest": 3})
    token = queue.process_ended(queue.get(job_id), "is gone")
    assert token and queue.get(job_id).status == "running" and queue.get(job_id).device == "here/cpu"
    assert old.status() == "lost"
    for write in (
        lambda: old.beat(),
        lambda: old.record({"furthest": 9}),
        lambda: old.fail(Error("x", "y")),
        lambda: old.add_checkpoint(1, "m", {}, 3),
        lambda: old.succeed("m", 1, FileRow(id="file-r")),
    ):
        with pytest.raises(LeaseLostError):
            write()
    assert Lease(queue.store, job_id, token).status() == "running" and queue.get(job_id).furthest == 3


def test_of_two_that_see_a_death_one_starts_a_process(queue):
    add(queue)
    job_id, _ = claim(queue)
    seen = queue.get(job_id)
    assert queue.process_ended(seen, "is gone") and queue.process_ended(seen, "is gone") is None
    assert sum("restarted" in m for m in said(queue, job_id)) == 1


def test_deaths_without_progress_are_bounded_and_progress_begins_the_count_anew(queue):
    add(queue)
    job_id, lease = claim(queue)
    for step in range(1, 3 * MOST_DEATHS):
        lease.record({"furthest": step})
        lease = Lease(queue.store, job_id, queue.process_ended(queue.get(job_id), "was killed by signal 9"))
    for _ in range(MOST_DEATHS - 2):
        assert queue.process_ended(queue.get(job_id), "was killed by signal 9")
    assert queue.process_ended(queue.get(job_id), "was killed by signal 11") is None
    job = queue.get(job_id)
    assert (job.status, job.device, job.lease) == ("failed", None, None)
    assert job.error["code"] == "server_error" and "signal 11" in job.error["message"] and job.finished_at


def test_pausing_frees_the_device_and_the_job_comes_back(queue):
    first, second = add(queue), add(queue)
    _, lease = claim(queue)
    queue.pause(queue.get(first))
    assert queue.get(first).status == "pausing" and lease.beat() == "pausing"
    assert queue.claim("here/cpu") is None
    lease.let_go()
    assert queue.get(first).status == "paused" and queue.claim("here/cpu") is None, "its process is still there"
    queue.process_ended(queue.get(first), "is gone")
    assert queue.claim("here/cpu")[0].id == second
    queue.resume(queue.get(first))
    assert queue.get(first).status == "queued"
    assert "Fine-tuning job paused" in said(queue, first)


def test_a_process_that_dies_while_pausing_leaves_a_paused_job(queue):
    add(queue)
    job_id, _ = claim(queue)
    queue.pause(queue.get(job_id))
    assert queue.process_ended(queue.get(job_id), "is gone") is None
    assert (queue.get(job_id).status, queue.get(job_id).device) == ("paused", None)


def test_cancelling_is_final_at_once_and_the_device_is_free_when_the_process_is_gone(queue):
    first = add(queue)
    _, lease = claim(queue)
    queue.cancel(queue.get(first))
    assert queue.get(first).status == "cancelled" and lease.beat() == "cancelled"
    with pytest.raises(LeaseLostError):
        lease.succeed("m", 1, FileRow(id="file-r"))
    second = add(queue)
    assert queue.claim("here/cpu") is None
    lease.let_go()
    assert queue.claim("here/cpu") is None
    queue.process_ended(queue.get(first), "is gone")
    assert queue.claim("here/cpu")[0].id == second


@pytest.mark.parametrize("state", ["validating_files", "queued", "running", "pausing", "paused", "done"])
def test_what_may_be_asked_in_which_state(queue, state):
    job_id = add(queue, ready=state != "validating_files")
    if state in ("running", "pausing", "done"):
        _, lease = claim(queue)
    if state in ("pausing", "paused"):
        queue.pause(queue.get(job_id))
    if state == "done":
        lease.fail(Error("training_failed", "no"))
    may = {
        "pause": state in ("validating_files", "queued", "running"),
        "resume": state == "paused",
        "cancel": state != "done",
    }
    for wish, allowed in may.items():
        if not allowed:
            with pytest.raises(ApiError) as refused:
                getattr(queue, wish)(queue.get(job_id))
            assert refused.value.status == 400
    if may["cancel"]:
        queue.cancel(queue.get(job_id))
        with pytest.raises(ApiError):
            queue.cancel(queue.get(job_id))


def test_a_job_that_was_cancelled_while_its_files_were_checked_stays_cancelled(queue):
    job_id = add(queue, ready=False)
    queue.cancel(queue.get(job_id))
    queue.validated(job_id, 10)
    assert queue.get(job_id).status == "cancelled" and not queue.fail(job_id, Error("x", "y"))


def test_checkpoints_beyond_the_last_three_are_let_go_and_told_once(queue):
    add(queue)
    job_id, lease = claim(queue)
    for step in (10, 20, 30):
        assert lease.add_checkpoint(step, f"m:{step}", {"step": step}, 3) == []
    assert lease.add_checkpoint(30, "m:30", {"step": 30}, 3) == []
    assert lease.add_checkpoint(40, "m:40", {"step": 40}, 3) == ["m:10"]
    assert sum("Snapshot ID" in m for m in said(queue, job_id)) == 4


def test_success_comes_with_its_file_or_not_at_all(queue):
    add(queue)
    job_id, lease = claim(queue)
    lease.record({}, steps=[Metrics("Step 1/1: training loss=1.00", {"step": 1})])
    file = {
        "organization": "o",
        "project": "p",
        "created_at": 1,
        "filename": "f",
        "purpose": "fine-tune-results",
        "bytes": 1,
        "digest": "d",
    }
    lease.succeed("ft:m", 77, FileRow(id="file-r", **file))
    job = queue.get(job_id)
    assert (job.status, job.trained_tokens, job.result_file) == ("succeeded", 77, "file-r")
    assert job.device, "until the process has ended"
    queue.process_ended(job, "is gone")
    assert (queue.get(job_id).device, queue.get(job_id).status) == (None, "succeeded")
    with pytest.raises(LeaseLostError):
        lease.succeed("ft:m", 77, FileRow(id="file-s", **file))
    assert said(queue, job_id)[-3:] == [
        "Step 1/1: training loss=1.00",
        "New fine-tuned model created: ft:m",
        "The job has successfully completed",
    ]
