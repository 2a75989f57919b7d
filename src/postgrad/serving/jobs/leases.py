"""Whose turn it is to write: the lease on a piece of work that waits in the store, a training job or an evaluation run.

Who claims work gets a token, shows it with every write, and renews the lease as a sign of life. Work whose holder fell
silent, or was seen dead, is granted anew; from then on the old token writes nothing, so no work is done twice.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TypeVar

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from postgrad.registry.eval_tables import EvalRunRow
from postgrad.registry.job_tables import JobRow
from postgrad.serving.storage.store import new_id

Work = TypeVar("Work", JobRow, EvalRunRow)


class LeaseLostError(Exception):
    """The work is another holder's now, or it was cancelled or deleted."""


def claim(session: Session, waiting: Select[Work]) -> Work | None:
    """The first of the work that waits, granted to the caller; None where others took it all.

    Args:
        session: Writes; what the holder does next with the row appears together with the lease.
        waiting: Selects what may be claimed, in order.
    """
    row = first(session, waiting)
    if row is not None:
        grant(row)
    return row


def first(session: Session, waiting: Select[Work]) -> Work | None:
    """The first of the work that waits, locked but not granted yet."""
    return session.scalars(waiting.limit(1).with_for_update(skip_locked=True)).first()


def grant(row: JobRow | EvalRunRow) -> str:
    """A new token on a row that the caller has locked; whoever had one before has lost it."""
    token = new_id("", 32)
    row.lease = token
    renew(row)
    return token


def held(
    session: Session,
    table: type[Work],
    work_id: str,
    token: str | None,
    states: Sequence[str] = (),
    renewed: bool = False,
) -> Work:
    """The row, locked for a write of its holder.

    Args:
        session: Writes.
        table: Of the work.
        work_id: Which.
        token: As it was granted.
        states: The work must be in one of these, where any are named.
        renewed: The write is a sign of life too.

    Raises:
        LeaseLostError: the token counts no more, or the work is in none of the states.
    """
    query = select(table).where(table.id == work_id, table.lease == token)
    row = session.scalars(query.with_for_update()).first()
    if row is None or (states and row.status not in states):
        raise LeaseLostError(f"{work_id} is {row.status if row else 'with another holder'}")
    if renewed:
        renew(row)
    return row


def renew(row: JobRow | EvalRunRow) -> None:
    """A sign of life of the holder, in unix seconds."""
    row.heartbeat = time.time()


def lapse(row: JobRow | EvalRunRow) -> None:
    """The holder stops and another may take the work over at once."""
    row.heartbeat = 0.0


def release(row: JobRow | EvalRunRow) -> None:
    """Nobody holds the work any more: it is over, or waits for a claim."""
    row.lease = None


def silent(table: type[Work], seconds: float) -> ColumnElement[bool]:
    """That the holder has given no sign of life for so long: the work may be taken over."""
    return table.heartbeat < time.time() - seconds
