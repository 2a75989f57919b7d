"""The queue's transitions: every change of a job's state, each in one transaction with the event that tells of it.

A state changes only where it still is what the change was decided on, so that of two that act at once one does nothing.

    validating_files → queued → running → succeeded | failed
    paused ← pausing ← running; paused → queued; anything unfinished → cancelled
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from postgrad.json_types import JsonObject
from postgrad.registry.job_tables import JobRow, LabelRow
from postgrad.serving.jobs import leases
from postgrad.serving.jobs.job_events import say
from postgrad.serving.jobs.leases import LeaseLostError
from postgrad.serving.storage.store import Store, now
from postgrad.serving.wire.api_errors import ApiError

MOST_DEATHS = 10
"""A training process that ends unexpectedly so many times without a step of progress has failed."""
RETRY_SECONDS = 60
"""A repeated request is looked for among those of so many seconds."""


@dataclass(frozen=True)
class Error:
    """A job's error object."""

    code: str
    message: str
    param: str | None = None

    def body(self) -> JsonObject:
        return {"code": self.code, "message": self.message, "param": self.param}


class Queue:
    """The jobs of this host.

    Args:
        store: Where they are.
        host: Name of the home folder that holds the jobs' files; only its own jobs are run.
    """

    def __init__(self, store: Store, host: str) -> None:
        self.store, self.host = store, host

    def add(self, row: JobRow, said: Sequence[str]) -> None:
        """A new job, in the state `validating_files`."""
        with self.store.writing() as session:
            session.add(row)
            session.flush()
            session.add_all(LabelRow(job_id=row.id, key=k, value=v) for k, v in (row.labels or {}).items())
            say(session, row.id, f"Created fine-tuning job: {row.id}")
            files = row.training_file + (f" and validation file: {row.validation_file}" if row.validation_file else "")
            say(session, row.id, f"Validating training file: {files}")
            for sentence in said:
                say(session, row.id, sentence, "warn")

    def same_request(self, organization: str, project: str, request_hash: str) -> JobRow | None:
        """The job that the same body made a moment ago."""
        with self.store.reading() as session:
            query = select(JobRow).where(
                JobRow.request_hash == request_hash,
                JobRow.organization == organization,
                JobRow.project == project,
                JobRow.created_at >= now() - RETRY_SECONDS,
            )
            return session.scalars(query.order_by(JobRow.number.desc())).first()

    def get(self, job_id: str) -> JobRow:
        with self.store.reading() as session:
            return session.scalars(select(JobRow).where(JobRow.id == job_id)).one()

    def next_to_validate(self) -> JobRow | None:
        return self._first(JobRow.status == "validating_files")

    def validated(self, job_id: str, examples: int, work: int | None = None) -> None:
        """The files are in order: into the queue; `work` is the bytes that its training goes through."""
        with self.store.writing() as session:
            if not self._move(session, job_id, ("validating_files",), status="queued", examples=examples, work=work):
                return
            say(session, job_id, "Files validated, moving job to queued state")
            place = self._place(session, job_id)
            waiting = "is next" if place == 1 else f"is number {place} in the queue"
            say(session, job_id, f"The job {waiting}; one training at a time runs on a device.")

    def fail(self, job_id: str, error: Error, states: Sequence[str] = ("validating_files", "queued")) -> bool:
        """Ends a job that no process works for."""
        with self.store.writing() as session:
            moved = self._move(
                session, job_id, states, status="failed", error=error.body(), finished_at=now(), device=None, lease=None
            )
            if moved:
                say(session, job_id, f"The job failed: {error.message}", "error")
            return moved

    def claim(self, device: str) -> tuple[JobRow, str] | None:
        """The next queued job, now running on a free device, and the lease that its process writes with."""
        if self._first(JobRow.status == "queued") is None:
            return None  # without taking the write lock twice a second
        try:
            with self.store.writing() as session:
                if session.scalar(select(JobRow.id).where(JobRow.device == device)):
                    return None
                row = leases.claim(session, self._unclaimed(JobRow.status == "queued"))
                if row is None:
                    return None
                begun = row.furthest_before >= 0
                row.status, row.device, row.begun_at = "running", device, now()
                row.worker_pid, row.worker_started, row.furthest_before = None, None, row.furthest
                session.flush()
                say(session, row.id, "Fine-tuning job resumed" if begun else "Fine-tuning job started")
        except IntegrityError:
            return None  # another server took the device between our look and our claim
        return row, row.lease or ""

    def occupying(self) -> list[JobRow]:
        """Jobs of this host for which a process may be at work."""
        with self.store.reading() as session:
            return list(session.scalars(select(JobRow).where(JobRow.host == self.host, JobRow.device.is_not(None))))

    def process_ended(self, row: JobRow, why: str) -> str | None:
        """A job's process is gone: the job goes on, pauses or fails; its device is freed or kept for it.

        Args:
            row: As seen when the process was found dead.
            why: Half a sentence.

        Returns:
            A new lease where the job's process is to be started again on the same device.
        """
        with self.store.writing() as session:
            try:
                current = leases.held(session, JobRow, row.id, row.lease)
            except LeaseLostError:
                return None
            if current.status == "running":
                return self._died(session, current, why)
            if current.status == "pausing":
                current.status = "paused"
                say(session, row.id, "Fine-tuning job paused")
            current.device = None
            leases.release(current)
            return None

    def _died(self, session: Session, row: JobRow, why: str) -> str | None:
        row.deaths = 1 if row.furthest > row.furthest_before else row.deaths + 1
        row.furthest_before = row.furthest
        if row.deaths >= MOST_DEATHS:
            message = f"The training process ended {MOST_DEATHS} times without progress; the last time it {why}."
            row.status, row.finished_at = "failed", now()
            row.error = Error("server_error", message).body()
            row.device = None
            leases.release(row)
            say(session, row.id, f"The job failed: {message}", "error")
            return None
        row.worker_pid = row.worker_started = None
        lease = leases.grant(row)
        say(session, row.id, f"The training process {why}; it is restarted from its last checkpoint.", "warn")
        return lease

    def started(self, job_id: str, token: str, pid: int, since: float | None) -> None:
        """The process that was started for a lease."""
        with self.store.writing() as session:
            mine = update(JobRow).where(JobRow.id == job_id, JobRow.lease == token, JobRow.worker_pid.is_(None))
            session.execute(mine.values(worker_pid=pid, worker_started=since))

    def cancel(self, row: JobRow) -> None:
        """At once in the books; a process at work sees it before its next microbatch and frees the device.

        Raises:
            ApiError: the job has ended.
        """
        states = ("validating_files", "queued", "running", "pausing", "paused")
        with self.store.writing() as session:
            if not self._move(session, row.id, states, status="cancelled", finished_at=now(), estimated_finish=None):
                raise self._refused(row, "cancelled")
            say(session, row.id, "Fine-tuning job cancelled")

    def pause(self, row: JobRow) -> None:
        """A waiting job pauses at once, a running one after its microbatch, with a checkpoint.

        Raises:
            ApiError: the job has ended, or is paused.
        """
        with self.store.writing() as session:
            if self._move(session, row.id, ("validating_files", "queued"), status="paused"):
                say(session, row.id, "Fine-tuning job paused")
            elif self._move(session, row.id, ("running",), status="pausing", estimated_finish=None):
                say(session, row.id, "Fine-tuning job is pausing: its state is being saved")
            else:
                raise self._refused(row, "paused")

    def resume(self, row: JobRow) -> None:
        """Back into the queue.

        Raises:
            ApiError: the job is not paused.
        """
        to = "queued" if row.examples is not None else "validating_files"
        with self.store.writing() as session:
            if not self._move(session, row.id, ("paused",), status=to):
                raise self._refused(row, "resumed")
            say(session, row.id, f"Fine-tuning job moved to {to.replace('_', ' ')} state")

    def _refused(self, row: JobRow, what: str) -> ApiError:
        status = self.get(row.id).status
        message = f"Job {row.id} is {status.replace('_', ' ')} and cannot be {what}."
        return ApiError(400, message, "invalid_job_status", "fine_tuning_job_id")

    def _first(self, condition: ColumnElement[bool]) -> JobRow | None:
        with self.store.reading() as session:
            return session.scalars(self._unclaimed(condition).limit(1)).first()

    def _unclaimed(self, condition: ColumnElement[bool]) -> Select[JobRow]:
        """Jobs of this host that nobody works for, in order."""
        mine = select(JobRow).where(condition, JobRow.host == self.host, JobRow.device.is_(None))
        return mine.order_by(JobRow.number)

    def _place(self, session: Session, job_id: str) -> int:
        number = select(JobRow.number).where(JobRow.id == job_id).scalar_subquery()
        ahead = or_(JobRow.status.in_(("running", "pausing")), JobRow.number <= number)
        waiting = JobRow.status.in_(("queued", "running", "pausing"))
        return session.scalar(select(func.count()).where(JobRow.host == self.host, waiting, ahead)) or 1

    def _move(self, session: Session, job_id: str, states: Sequence[str], **values: Any) -> bool:
        """Changes a job if it is in one of the states; says whether it was."""
        changed = session.execute(update(JobRow).where(JobRow.id == job_id, JobRow.status.in_(states)).values(**values))
        return changed.rowcount == 1  # pyright: ignore[reportAttributeAccessIssue]
