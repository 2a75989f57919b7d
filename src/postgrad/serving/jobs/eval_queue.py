"""Evaluation runs and their states: every change in one transaction, every result bound to the lease of who works on
the run.

queued → in_progress → completed | failed; queued or in_progress → canceled
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from sqlalchemy import ColumnElement, case, literal, not_, or_, select
from sqlalchemy.orm import Session

from postgrad.json_types import JsonMapping, JsonObject
from postgrad.registry.eval_tables import EvalItemRow, EvalRow, EvalRunRow
from postgrad.serving.jobs import leases
from postgrad.serving.jobs.leases import LeaseLostError
from postgrad.serving.storage.store import Owner, Store, new_id, now
from postgrad.serving.wire.api_errors import ApiError

SILENCE = 20.0
"""Seconds without a sign of life after which another worker takes a run up."""
MOST_DEATHS = 3
"""A run whose worker fell silent so many times ends the servers that work on it: it is given up."""
UNFINISHED = ("queued", "in_progress")


class EvalQueue:
    """The runs of this host.

    Args:
        store: Where they are.
        host: Name of the home folder that holds the runs' files.
    """

    def __init__(self, store: Store, host: str) -> None:
        self.store, self.host = store, host

    def add(self, row: EvalRunRow) -> None:
        with self.store.writing() as session:
            session.add(row)

    def claim(self, turns: Sequence[Owner] = ()) -> tuple[EvalRunRow, EvalRow, str] | None:
        """The oldest run that waits, or whose worker is gone; with its evaluation and the lease to write with.

        Args:
            turns: Owners whose runs were worked on, the last one last: those of others come first.

        A run that was taken over too often is given up instead, so that no server is stopped by it again.
        """
        turn = case(*((_owned(o), i) for i, o in enumerate(turns, start=1)), else_=0) if turns else literal(0)
        query = select(EvalRunRow).where(self._waiting()).order_by(turn, EvalRunRow.number)
        with self.store.reading() as session:
            if session.scalars(query.limit(1)).first() is None:
                return None  # without taking the write lock twice a second
        with self.store.writing() as session:
            row = leases.first(session, query)
            if row is None:
                return None
            if row.status == "in_progress" and row.heartbeat:  # 0: its worker left in order
                row.deaths += 1
                if row.deaths >= MOST_DEATHS:
                    message = f"{MOST_DEATHS} times the server ended while it worked on this run, which is given up."
                    row.status, row.error = "failed", {"code": "server_error", "message": message}
                    leases.release(row)
                    return None
            leases.grant(row)
            row.status = "in_progress"
            return row, session.scalars(select(EvalRow).where(EvalRow.id == row.eval_id)).one(), row.lease or ""

    def others_wait(self, owner: Owner) -> bool:
        """Whether runs of somebody else are waiting."""
        query = select(EvalRunRow.number).where(self._waiting(), not_(_owned(owner))).limit(1)
        with self.store.reading() as session:
            return session.scalars(query).first() is not None

    def _waiting(self) -> ColumnElement[bool]:
        silent = (EvalRunRow.status == "in_progress") & leases.silent(EvalRunRow, SILENCE)
        return or_(EvalRunRow.status == "queued", silent) & (EvalRunRow.host == self.host)

    def beat(self, run_id: str, token: str) -> None:
        """Shows that the worker lives.

        Raises:
            LeaseLostError: the run is not its any more.
        """
        with self.store.writing() as session:
            self._held(session, run_id, token)

    def done(self, run_id: str) -> set[int]:
        """Places of the rows that have a result."""
        with self.store.reading() as session:
            return set(session.scalars(select(EvalItemRow.place).where(EvalItemRow.run_id == run_id)))

    def record(self, run_id: str, token: str, item: EvalItemRow, usages: Sequence[JsonMapping]) -> None:
        """A row's result, and the run's counts with it.

        Raises:
            LeaseLostError: the run is not the worker's any more.
        """
        with self.store.writing() as session:
            row = self._held(session, run_id, token)
            session.add(item)
            key = {"pass": "passed", "fail": "failed"}.get(item.status, "errored")
            row.counts = {**row.counts, key: row.counts[key] + 1, "total": row.counts["total"] + 1}
            row.by_criterion = _counted(row.by_criterion, item.results)
            row.usage = _summed(row.usage, usages)

    def finish(self, run_id: str, token: str, status: str, error: dict[str, str] | None = None) -> None:
        """The end of a run.

        Raises:
            LeaseLostError: the run is not the worker's any more.
        """
        with self.store.writing() as session:
            row = self._held(session, run_id, token)
            row.status, row.error = status, error
            leases.release(row)

    def let_go(self, run_id: str, token: str) -> None:
        """The worker stops; another may go on at once."""
        with contextlib.suppress(LeaseLostError), self.store.writing() as session:
            leases.lapse(leases.held(session, EvalRunRow, run_id, token))

    def cancel(self, row: EvalRunRow) -> None:
        """Ends a run that has not ended; its worker sees it with its next result.

        Raises:
            ApiError: it has ended.
        """
        with self.store.writing() as session:
            current = session.get_one(EvalRunRow, row.number, with_for_update=True)
            if current.status not in UNFINISHED:
                message = f"Run {row.id} is {current.status} and cannot be canceled."
                raise ApiError(400, message, "invalid_run_status", "run_id")
            current.status = "canceled"
            leases.release(current)

    def _held(self, session: Session, run_id: str, token: str) -> EvalRunRow:
        return leases.held(session, EvalRunRow, run_id, token, ("in_progress",), renewed=True)


def _owned(owner: Owner) -> ColumnElement[bool]:
    return (EvalRunRow.organization == owner.organization) & (EvalRunRow.project == owner.project)


def new_run(eval_row: EvalRow, host: str, **values: object) -> EvalRunRow:
    """A run that waits, with nothing counted yet."""
    return EvalRunRow(
        id=new_id("evalrun_"),
        organization=eval_row.organization,
        project=eval_row.project,
        created_at=now(),
        eval_id=eval_row.id,
        status="queued",
        counts={"passed": 0, "failed": 0, "errored": 0, "total": 0},
        by_criterion=[{"testing_criteria": c["name"], "passed": 0, "failed": 0} for c in eval_row.criteria],
        usage=[],
        host=host,
        **values,
    )


def _counted(before: Sequence[JsonMapping], results: Sequence[JsonMapping]) -> list[JsonObject]:
    passed = {r["name"]: bool(r["passed"]) for r in results}
    return [
        {
            **c,
            "passed": c["passed"] + (passed.get(c["testing_criteria"]) is True),
            "failed": c["failed"] + (passed.get(c["testing_criteria"]) is False),
        }
        for c in before
    ]


def _summed(before: Sequence[JsonMapping], usages: Sequence[JsonMapping]) -> list[JsonObject]:
    """Tokens and calls by model."""
    out = {u["model_name"]: dict(u) for u in before}
    for usage in usages:
        known = out.setdefault(
            usage["model_name"],
            {
                "model_name": usage["model_name"],
                "invocation_count": 0,
                "prompt_tokens": 0,
                "completion_tokens": 0,
                "total_tokens": 0,
                "cached_tokens": 0,
            },
        )
        known["invocation_count"] += 1
        for key in ("prompt_tokens", "completion_tokens"):
            known[key] += usage[key]
            known["total_tokens"] += usage[key]
    return list(out.values())
