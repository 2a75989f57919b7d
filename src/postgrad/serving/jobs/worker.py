"""The training process of a job: `python -m postgrad.serving.jobs.worker JOB` with its lease in `POSTGRAD_LEASE`.

It belongs to no server: it goes on when the server is killed, and writes nothing once its lease is gone. Killed and
started again it goes on from its last checkpoint and ends with the same model.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

import psutil
from sqlalchemy import select

from postgrad.blobs import Blobs
from postgrad.errors import Interrupted, PostgradError, StorageError, UsageError
from postgrad.json_types import JsonObject
from postgrad.progress import Said, Working
from postgrad.recipe import Recipe
from postgrad.registry import Catalogue
from postgrad.registry.backups import AwayError
from postgrad.registry.job_tables import EventRow, JobRow
from postgrad.report.run_report import Report
from postgrad.serving.jobs.job_figures import metrics
from postgrad.serving.jobs.job_folder import JobFolder
from postgrad.serving.jobs.lease import Lease, Metrics
from postgrad.serving.jobs.leases import LeaseLostError
from postgrad.serving.jobs.publishing import Publisher, told_to_client, without_paths
from postgrad.serving.storage.store import Store, now
from postgrad.steps.openai_jobs.hyperparameters import chosen, recipe_of
from postgrad.training_run import Step
from postgrad.workflows.fine_tune import FineTuned, fine_tune
from postgrad.workflows.job_report import Wishes, job_report

BEAT = 1.0
"""Seconds between two signs of life, which are also when wishes are heard."""
MOST_METRICS = 1000
"""About so many steps of a job become events; all are in the result file."""
DONE, DIED, LOST = 0, 1, 3


class Pulse(threading.Thread):
    """Shows in the store that the process lives, hears what is wished, and carries the newest figures there."""

    def __init__(self, lease: Lease) -> None:
        super().__init__(daemon=True)
        self.lease, self.status, self.stop = lease, "running", threading.Event()
        self.values: JsonObject = {}
        self.steps: list[Metrics] = []
        self._one = threading.Lock()

    def run(self) -> None:
        while not self.stop.wait(BEAT):
            try:
                self.flush()
            except StorageError as error:  # a store that cannot be had just now is tried again with the next beat
                print(error.message, file=sys.stderr, flush=True)

    def flush(self) -> None:
        """One beat."""
        with self._one:
            values, steps = dict(self.values), list(self.steps)
            try:
                self.status = self.lease.beat()
                if self.status in ("running", "pausing") and (values or steps):
                    self.lease.record(values, steps=steps)
                    del self.steps[: len(steps)]
            except LeaseLostError:
                self.status = self.lease.status()


def work(lease: Lease) -> int:
    """Does a job's training; returns the exit code.

    Raises:
        LeaseLostError: the job is another process's.
    """
    row = lease.patiently(lambda: lease.begin(os.getpid(), psutil.Process().create_time()))
    folder, pulse = JobFolder.of(row.id), Pulse(lease)
    pulse.start()
    try:
        _train_and_publish(lease, row, folder, pulse)
    except Interrupted:
        lease.patiently(lease.let_go)
        return DONE if pulse.status in ("pausing", "cancelled") else DIED
    except LeaseLostError:
        if lease.patiently(lease.status) == "lost":
            raise
        lease.patiently(lease.let_go)  # cancelled
    except AwayError as error:  # the next process goes on from the last checkpoint
        print(error.message, file=sys.stderr, flush=True)
        lease.patiently(lease.let_go)
        return DIED
    except (PostgradError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        print(error, file=sys.stderr, flush=True)
        told = told_to_client(error, row, folder)
        lease.patiently(lambda: lease.fail(told))
    finally:
        pulse.stop.set()
    return DONE


def _train_and_publish(lease: Lease, row: JobRow, folder: JobFolder, pulse: Pulse) -> None:
    recipe = _settled(lease, row)
    _keep_precision(folder)
    validation = folder.validation if row.validation_file else None
    publisher = Publisher(lease, row, folder, recipe)
    stopped = _sign(pulse)
    story = fine_tune(recipe, folder.training, validation, folder.run, stopped)
    done = _followed(story, publisher, pulse, stopped)
    report = _reported(job_report(recipe, done, _wishes(row), stopped), publisher)
    lease.patiently(pulse.flush)
    publisher.finish(done, report)


def _wishes(row: JobRow) -> Wishes:
    return Wishes(bool(row.extra.get("report")), bool(row.extra.get("forgetting")))


def _reported(work: Working[Report], publisher: Publisher) -> str | None:
    """The stored report's digest; where it cannot be made the job tells why and succeeds without, for the model is
    there."""
    told = _already_told(publisher)
    try:
        while True:
            event = next(work)
            if isinstance(event, Said):
                print(event.text, flush=True)
                if event.warning and event.text not in told:
                    _tell(publisher, event.text)
    except StopIteration as done:
        text = without_paths(done.value.model_dump_json(), publisher.row, publisher.folder)
        return Blobs().put_bytes(text.encode("utf-8", "surrogatepass"))
    except Interrupted:
        raise
    except PostgradError as error:
        text = without_paths(f"The job's report could not be made: {error}", publisher.row, publisher.folder)
        _tell(publisher, text)
        return None


def _settled(lease: Lease, row: JobRow) -> Recipe:
    """The recipe; the job shows its numbers from here on."""
    kind = row.method["type"]
    numbers = chosen(row.method[kind]["hyperparameters"], row.examples or 0)
    method = {**row.method, kind: {**row.method[kind], "hyperparameters": numbers}}
    at_top = numbers if kind == "supervised" else {}
    lease.patiently(lambda: lease.record({"hyperparameters": at_top, "method": method}))
    return recipe_of(row.base, row.result_name, row.seed, numbers, row.extra, row.examples or 0, method)


def _sign(pulse: Pulse) -> Callable[[], bool]:
    """Says when to stop: at a wish in the store, or when the machine goes down."""
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked.set())

    def stopped() -> bool:
        if pulse.status == "lost":
            raise LeaseLostError(pulse.lease.job_id)  # not even a checkpoint is written any more
        return asked.is_set() or pulse.status != "running"

    return stopped


def _keep_precision(folder: JobFolder) -> None:
    """A job goes on in the precision it began with, even if the machine is busier now and would be probed otherwise."""
    from postgrad.models.device import probe  # here: it loads torch

    if kept := folder.dtype():
        os.environ["POSTGRAD_DTYPE"] = kept
    folder.dtype(probe().dtype)


def _followed(story: Working[FineTuned], publisher: Publisher, pulse: Pulse, stopped: Callable[[], bool]) -> FineTuned:
    """Goes through the events; those worth telling become the job's."""
    furthest, told = publisher.row.furthest, _already_told(publisher)
    while True:
        if stopped():
            story.close()
            raise Interrupted("The job was paused or cancelled, or the machine goes down.")
        try:
            event = next(story)
        except StopIteration as done:
            _tell_checkpoints(publisher, pulse)
            return done.value
        if isinstance(event, Said):
            print(event.text, flush=True)
            text = without_paths(event.text, publisher.row, publisher.folder)
            if event.warning and text not in told:
                _tell(publisher, text)
        elif isinstance(event, Step):
            _tell_step(event, furthest, pulse, publisher)
            furthest = max(furthest, event.step)


def _tell(publisher: Publisher, text: str) -> None:
    publisher.lease.patiently(lambda: publisher.lease.record({}, [(text, "warn")]))


def _already_told(publisher: Publisher) -> set[str]:
    """Warnings that an earlier process of this job gave."""
    with publisher.lease.store.reading() as session:
        warned = (EventRow.job_id == publisher.row.id, EventRow.level == "warn")
        return set(session.scalars(select(EventRow.message).where(*warned)))


def _tell_step(step: Step, furthest: int, pulse: Pulse, publisher: Publisher) -> None:
    """A step's figures go with the next beat; those that an earlier process told are not told again."""
    pulse.values = {"furthest": max(furthest, step.step), "estimated_finish": _finish(step, publisher.folder)}
    every = max(1, step.total // MOST_METRICS)
    validated = step.validation_loss is not None or any(name.startswith("eval_") for name in step.metrics)
    worth = step.step % every == 0 or validated or step.step == step.total
    if step.step > furthest and worth:
        pulse.steps.append(metrics(step))
    _tell_checkpoints(publisher, pulse)


def _tell_checkpoints(publisher: Publisher, pulse: Pulse) -> None:
    for step in publisher.new_checkpoints():
        publisher.lease.patiently(pulse.flush)  # the step is told of before its checkpoint
        publisher.add_checkpoint(step)


def _finish(step: Step, folder: JobFolder) -> int:
    """When the job will be done if it goes on like this."""
    recent = folder.run.read_steps()[-20:] if step.step % 20 == 1 else []
    seconds = sum(s.seconds for s in recent) / len(recent) if recent else step.seconds
    return now() + round(seconds * (step.total - step.step)) + 1


def main() -> int:
    """The process."""
    job_id, token = sys.argv[1], os.environ.pop("POSTGRAD_LEASE")
    print(f"{time.strftime('%F %T')} process {os.getpid()} begins {job_id}", flush=True)
    store = Store(Catalogue())
    try:
        code = work(Lease(store, job_id, token))
    except LeaseLostError as lost:
        print(f"This process has no work left: {lost}", flush=True)
        return LOST
    with store.reading() as session:
        over = session.scalar(select(JobRow.finished_at).where(JobRow.id == job_id))
    if over:
        JobFolder.of(job_id).clear()
    return code


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (UsageError, StorageError) as error:
        sys.exit(str(error))
