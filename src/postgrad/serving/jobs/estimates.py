"""When a waiting job will be done: the work ahead of it and its own, at the speed of this server's earlier jobs."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from postgrad.registry.job_tables import JobRow
from postgrad.serving.storage.store import now

_EARLIER = 10


def finish_of(session: Session, row: JobRow, devices: Callable[[str], int]) -> int | None:
    """Unix time at which a job will about be done; None where nothing is known of its speed.

    Args:
        session: Reads.
        row: The job.
        devices: How many trainings run at once on a host.
    """
    if row.status != "queued" or not row.work:
        return row.estimated_finish
    own = _rate(session, row)
    if own is None:
        return None
    at_work = (JobRow.host == row.host, JobRow.status.in_(("running", "pausing")))
    others = session.scalars(select(JobRow).where(*at_work))
    seconds = sum(_left(other, _rate(session, other) or own) for other in others)
    ahead = (JobRow.host == row.host, JobRow.status == "queued", JobRow.number < row.number)
    # summed by the database: thousands may wait
    works = select(JobRow.base, func.sum(JobRow.work)).where(*ahead).group_by(JobRow.base)
    for base, work in session.execute(works):
        seconds += (own if base == row.base else _rate_on(session, row.host, base) or own) * (work or 0)
    return now() + round(seconds / max(1, devices(row.host)) + own * row.work)


def rate_of(jobs: Sequence[JobRow]) -> float | None:
    """Seconds for a byte of training data in one pass: the median of jobs that ended, else of those at work."""
    done = [(j.finished_at - j.begun_at) / j.work for j in jobs if j.finished_at and j.begun_at and j.work]
    if done:
        return statistics.median(done)
    going = [(j.estimated_finish - j.begun_at) / j.work for j in jobs if j.estimated_finish and j.begun_at and j.work]
    return statistics.median(going) if going else None


def _rate(session: Session, row: JobRow) -> float | None:
    return _rate_on(session, row.host, row.base)


def _rate_on(session: Session, host: str, base: str) -> float | None:
    same = (JobRow.host == host, JobRow.base == base, JobRow.status.in_(("succeeded", "running")))
    return rate_of(session.scalars(select(JobRow).where(*same).order_by(JobRow.number.desc()).limit(_EARLIER)).all())


def _left(row: JobRow, rate: float) -> float:
    """Seconds that a job will about take from now on."""
    if row.estimated_finish:
        return max(0, row.estimated_finish - now())
    return rate * (row.work or 0)
