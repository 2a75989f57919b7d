"""The tables of evaluations, their runs and each run's items. A change here needs a migration in `migrations/versions`.

As with jobs, `number` gives the order of pages, `id` is what clients see, and times are unix seconds.
"""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Double, ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from postgrad.json_types import JsonObject
from postgrad.registry.job_tables import OPTIONAL, Owned
from postgrad.registry.tables import Base


class EvalRow(Owned, Base):
    """An evaluation: what its data looks like and how answers are judged."""

    __tablename__ = "evals"
    __table_args__ = (Index("ix_evals_owner", "organization", "project", "number"),)

    updated_at: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str] = mapped_column(String(512))
    config: Mapped[JsonObject] = mapped_column(JSON)
    criteria: Mapped[list[JsonObject]] = mapped_column(JSON)
    labels: Mapped[dict[str, str] | None] = mapped_column(OPTIONAL)


class EvalRunRow(Owned, Base):
    """One run of an evaluation.

    `lease` is the token without which nobody may write results; `heartbeat` (unix seconds) is when its holder last gave
    a sign of life; `deaths` counts how often it fell silent. `counts`, `by_criterion` and `usage` grow with each item,
    in the item's own transaction.
    """

    __tablename__ = "eval_runs"
    __table_args__ = (Index("ix_eval_runs_status", "status"),)

    eval_id: Mapped[str] = mapped_column(ForeignKey("evals.id"), index=True)
    key_id: Mapped[str | None] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(String(512))
    model: Mapped[str] = mapped_column(String(512))
    data_source: Mapped[JsonObject] = mapped_column(JSON)
    labels: Mapped[dict[str, str] | None] = mapped_column(OPTIONAL)
    status: Mapped[str] = mapped_column(String(16))
    error: Mapped[JsonObject | None] = mapped_column(OPTIONAL)
    counts: Mapped[dict[str, int]] = mapped_column(JSON)
    by_criterion: Mapped[list[JsonObject]] = mapped_column(JSON)
    usage: Mapped[list[JsonObject]] = mapped_column(JSON)
    host: Mapped[str] = mapped_column(String(64))
    lease: Mapped[str | None] = mapped_column(String(64))
    heartbeat: Mapped[float | None] = mapped_column(Double)
    deaths: Mapped[int] = mapped_column(default=0)


class EvalItemRow(Base):
    """One row of a run's data with the answer and what every criterion made of it."""

    __tablename__ = "eval_items"
    __table_args__ = (UniqueConstraint("run_id", "place"),)

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(64), unique=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("eval_runs.id"), index=True)
    created_at: Mapped[int] = mapped_column(BigInteger)
    place: Mapped[int] = mapped_column(Integer)
    status: Mapped[str] = mapped_column(String(16))
    item: Mapped[JsonObject] = mapped_column(JSON)
    results: Mapped[list[JsonObject]] = mapped_column(JSON)
    sample: Mapped[JsonObject] = mapped_column(JSON)
