"""What is said of jobs: events, in the words of OpenAI's service where it has any."""

from __future__ import annotations

from typing import Literal

from sqlalchemy.orm import Session

from postgrad.json_types import JsonObject
from postgrad.registry.job_tables import EventRow
from postgrad.serving.storage.store import new_id, now

Level = Literal["info", "warn", "error"]


def say(session: Session, job_id: str, message: str, level: Level = "info", metrics: JsonObject | None = None) -> None:
    """Adds an event to a session that writes."""
    kind = "message" if metrics is None else "metrics"
    session.add(
        EventRow(
            id=new_id("ftevent-"),
            job_id=job_id,
            created_at=now(),
            level=level,
            message=message,
            type=kind,
            data=metrics or {},
        )
    )


def view(row: EventRow) -> JsonObject:
    """OpenAI's event object."""
    return {
        "object": "fine_tuning.job.event",
        "id": row.id,
        "created_at": row.created_at,
        "level": row.level,
        "message": row.message,
        "type": row.type,
        "data": row.data,
    }
