"""A training process's hold on its job: every write of the process is bound to the token, so no job is worked on
twice."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from postgrad.errors import StorageError
from postgrad.json_types import JsonObject
from postgrad.registry.job_tables import CheckpointRow, FileRow, JobRow
from postgrad.serving.jobs import leases
from postgrad.serving.jobs.job_events import Level, say
from postgrad.serving.jobs.queue import Error
from postgrad.serving.storage.store import Store, new_id, now

T = TypeVar("T")

PATIENCE = 300.0
"""Seconds that a process tries again to write down what it did, while the disk is full or the database is away."""


@dataclass(frozen=True)
class Metrics:
    """A step's figures for an event."""

    message: str
    data: JsonObject


class Lease:
    """The hold.

    Args:
        store: The catalogue's database.
        job_id: The job.
        token: As the queue gave it out.
    """

    def __init__(self, store: Store, job_id: str, token: str) -> None:
        self.store, self.job_id, self.token = store, job_id, token

    def begin(self, pid: int, since: float) -> JobRow:
        """Takes up the work.

        Raises:
            LeaseLostError: it is not ours any more.
        """
        with self._held(renewed=True) as (_, row):
            _set(row, worker_pid=pid, worker_started=since)
            return row

    def beat(self, **values: object) -> str:
        """Shows that the process lives; returns the job's state, which is what its owner wishes.

        Raises:
            LeaseLostError: the process must stop and leave everything as it is.
        """
        with self._held(renewed=True) as (_, row):
            _set(row, **values)
            return row.status

    def status(self) -> str:
        """The job's state; `lost` where the lease is not ours."""
        with self.store.reading() as session:
            query = select(JobRow.status).where(JobRow.id == self.job_id, JobRow.lease == self.token)
            return session.scalar(query) or "lost"

    def record(
        self, values: Mapping[str, object], events: Sequence[tuple[str, Level]] = (), steps: Sequence[Metrics] = ()
    ) -> None:
        """Writes values and events of a job that is running."""
        with self._held("running", "pausing") as (session, row):
            _set(row, **values)
            for message, level in events:
                say(session, self.job_id, message, level)
            for step in steps:
                say(session, self.job_id, step.message, metrics=step.data)

    def add_checkpoint(self, step: int, model: str, metrics: JsonObject, keep: int) -> list[str]:
        """Tells of a checkpoint; returns the models of those that are older than the newest `keep` and are listed no
        more."""
        with self._held("running", "pausing") as (session, row):
            mine = select(CheckpointRow).where(CheckpointRow.job_id == self.job_id).order_by(CheckpointRow.step.desc())
            if any(row.step == step for row in session.scalars(mine)):
                return []
            row = CheckpointRow(
                id=new_id("ftckpt_"), job_id=self.job_id, created_at=now(), step=step, model=model, metrics=metrics
            )
            session.add(row)
            say(session, self.job_id, f"Checkpoint created at step {step} with Snapshot ID: {model}")
            session.flush()
            old = session.scalars(mine).all()[keep:]
            session.execute(delete(CheckpointRow).where(CheckpointRow.number.in_([r.number for r in old])))
            return [r.model for r in old]

    def succeed(self, model: str, trained_tokens: int, result: FileRow, report: str | None = None) -> None:
        """The end of a job that ran through; the result file appears with it."""
        with self._held("running", "pausing") as (session, row):
            session.add(result)
            _set(
                row,
                status="succeeded",
                finished_at=now(),
                estimated_finish=None,
                fine_tuned_model=model,
                trained_tokens=trained_tokens,
                result_file=result.id,
                report=report,
            )
            say(session, self.job_id, f"New fine-tuned model created: {model}")
            say(session, self.job_id, "The job has successfully completed")

    def fail(self, error: Error) -> None:
        with self._held("running", "pausing") as (session, row):
            _set(row, status="failed", finished_at=now(), estimated_finish=None, error=error.body())
            say(session, self.job_id, f"The job failed: {error.message}", "error")

    def let_go(self) -> None:
        """The process stops as was wished. The device is free once it has ended, as after every other end."""
        with self._held() as (session, row):
            if row.status == "running":
                return  # nobody asked for it: the supervisor starts another process
            if row.status == "pausing":
                _set(row, status="paused")
                say(session, self.job_id, "Fine-tuning job paused")

    def patiently(self, write: Callable[[], T]) -> T:
        """Does a write, again and again while the database cannot take it."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return write()
            except StorageError as error:
                if time.monotonic() > end:
                    raise
                os.write(2, f"{error.message}\n".encode())
                time.sleep(1)

    @contextmanager
    def _held(self, *states: str, renewed: bool = False) -> Iterator[tuple[Session, JobRow]]:
        """A writing session in which the lease is ours, and the job in one of the states if any are named."""
        with self.store.writing() as session:
            yield session, leases.held(session, JobRow, self.job_id, self.token, states, renewed)


def _set(row: JobRow, **values: object) -> None:
    for name, value in values.items():
        setattr(row, name, value)
