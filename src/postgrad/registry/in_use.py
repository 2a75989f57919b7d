"""Whether a version may go: nothing that answers for others, or that a training goes on from, is deleted."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from postgrad.errors import UsageError
from postgrad.registry import moves
from postgrad.registry.job_tables import FINAL, JobRow
from postgrad.registry.name_tables import NameRow
from postgrad.registry.tables import ModelRow


def refuse_in_use(session: Session, row: ModelRow) -> None:
    """Refuses a version that is in use.

    Raises:
        UsageError: an alias or a further name leads to it, or a training that goes on from it has not ended.
    """
    reference = f"{row.name}@{row.version}"
    standing = moves.names_of(moves.history(session, row.name), row.version)
    if standing:
        raise UsageError(
            f"{reference} is in use as {standing[0]!r}.",
            f"Promote another version first (`postgrad models promote {row.name}@N`), or take it out of use: `postgrad"
            f" models withdraw {row.name} --alias {standing[0]}`.",
        )
    further = session.scalar(select(NameRow.name).where(NameRow.model == reference))
    if further is not None:
        raise UsageError(
            f"{reference} is in use: programs ask for it as {further!r}.", "Let that name mean another model first."
        )
    meant = (reference, row.name) if row.details.get("job") else (reference,)
    going = session.scalar(select(JobRow.id).where(JobRow.start.in_(meant), JobRow.status.not_in(FINAL)))
    if going is not None:
        raise UsageError(
            f"{reference} is in use: the fine-tuning job {going} goes on from it.", "Wait for the job, or cancel it."
        )
