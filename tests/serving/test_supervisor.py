"""The supervisor and real processes: what is dead, what hangs, what is another process under the same number."""

import subprocess
import sys
import time

import psutil
import pytest

from postgrad.registry import Catalogue
from postgrad.serving.jobs import supervisor as module
from postgrad.serving.jobs.job_folder import JobFolder, host_id
from postgrad.serving.jobs.supervisor import Supervisor
from postgrad.serving.storage.store import Store
from tests.serving.running import examples, until
from tests.serving.test_jobs import row


@pytest.fixture
def store(own_home):
    return Store(Catalogue())


@pytest.fixture
def sleeper():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield child
    child.kill()
    child.wait()


def running(store, **values):
    fields = {
        "status": "running",
        "host": host_id(),
        "device": f"{host_id()}/cpu",
        "lease": "L",
        "heartbeat": time.time(),
    }
    with store.writing() as session:
        session.add(job := row(**{**fields, **values}))
    return job


def test_a_process_that_lives_is_left_alone_by_a_server_that_did_not_start_it(store, sleeper):
    job = running(store, worker_pid=sleeper.pid, worker_started=psutil.Process(sleeper.pid).create_time())
    assert Supervisor(store)._death(job) is None and sleeper.poll() is None


def test_a_dead_one_and_another_process_under_its_number_are_told_apart_from_it(store, sleeper):
    started = psutil.Process(sleeper.pid).create_time()
    assert Supervisor(store)._death(running(store, worker_pid=sleeper.pid, worker_started=started - 100)) == "is gone"
    assert sleeper.poll() is None
    sleeper.kill()
    until(lambda: psutil.Process(sleeper.pid).status() == psutil.STATUS_ZOMBIE, 10, 0.02)
    job = running(store, device="other", worker_pid=sleeper.pid, worker_started=started)
    assert Supervisor(store)._death(job) == "is gone"


def test_what_gives_no_sign_of_life_is_killed_before_anything_follows(store, sleeper, monkeypatch):
    monkeypatch.setattr(module, "SILENCE", 0.2)
    job = running(store, worker_pid=sleeper.pid, worker_started=psutil.Process(sleeper.pid).create_time())
    watching = Supervisor(store)
    assert watching._death(job) is None
    time.sleep(0.3)
    assert watching._death(job) is None and sleeper.wait(10) == -9
    assert watching._death(job) == "is gone"


def test_a_sign_of_life_counts_by_the_servers_own_clock(store, sleeper, monkeypatch):
    monkeypatch.setattr(module, "SILENCE", 0.3)
    job = running(
        store, worker_pid=sleeper.pid, worker_started=psutil.Process(sleeper.pid).create_time(), heartbeat=1.0
    )
    watching = Supervisor(store)
    for beat in (2.0, 3.0, 4.0):  # long ago by the wall clock, as after a machine has slept
        job.heartbeat = beat
        assert watching._death(job) is None
        time.sleep(0.2)
    assert sleeper.poll() is None


def test_a_process_that_never_began_is_followed_by_another(store, monkeypatch):
    monkeypatch.setattr(module, "SILENCE", 0.0)
    watching, begun = Supervisor(store), []
    monkeypatch.setattr(watching, "_spawn", lambda *given: begun.append(given))
    job = running(store)
    why = watching._death(job)
    assert why == "never began"
    watching._follow(job, why)
    assert [b[0] for b in begun] == [job.id] and watching.queue.get(job.id).lease == begun[0][1] != "L"


def test_the_sweep_clears_the_folders_of_jobs_that_are_over_and_no_others(store, own_home, monkeypatch):
    over, paused = running(store, status="cancelled", device=None), running(store, status="paused", device=None)
    for job_id in (over.id, paused.id, "ftjob-unknown"):
        JobFolder.of(job_id).training.parent.mkdir(parents=True)
        JobFolder.of(job_id).training.write_bytes(examples())
    Supervisor(store)._sweep()
    assert len(list((own_home / "jobs").iterdir())) == 3, "what is quite new may belong to a job that is being made"
    monkeypatch.setattr(module.time, "time", lambda: 4e9)
    Supervisor(store)._sweep()
    assert [p.name for p in (own_home / "jobs").iterdir()] == [paused.id]


def test_a_file_whose_check_fails_in_an_unforeseen_way_ends_its_job_alone(store, monkeypatch):
    """Else it would be tried for ever, before all others."""
    method = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 1}}}
    new = {"status": "validating_files", "device": None, "lease": None, "worker_pid": None, "method": method}
    jobs = [running(store, **new) for _ in range(2)]
    for job in jobs:
        JobFolder.of(job.id).training.parent.mkdir(parents=True)
        JobFolder.of(job.id).training.write_bytes(examples())
    usual = module.count_examples

    def odd(path, *given, **named):
        if path == JobFolder.of(jobs[0].id).training:
            raise IndexError("tuple index out of range")
        return usual(path, *given, **named)

    monkeypatch.setattr(module, "count_examples", odd)
    watching = Supervisor(store)
    assert watching._validate() and watching._validate() and not watching._validate()
    states = {job.id: watching.queue.get(job.id) for job in jobs}
    assert states[jobs[0].id].status == "failed" and "IndexError" in states[jobs[0].id].error["message"]
    assert states[jobs[1].id].status == "queued"
