"""The tables of files, uploads and fine-tuning jobs. A change here needs a migration in `migrations/versions`.

`number` gives the order in which rows came (pages go by it), `id` is what clients see. Times are unix seconds, as in
OpenAI's objects. Every object belongs to an organisation and a project.
"""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Double, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from postgrad.json_types import JsonObject
from postgrad.registry.tables import Base

OPTIONAL = JSON(none_as_null=True)
FINAL = ("succeeded", "failed", "cancelled")
"""How a job ends, as OpenAI names it."""


class Owned:
    """What all objects that clients own have."""

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(64), unique=True)
    organization: Mapped[str] = mapped_column(String(128))
    project: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[int] = mapped_column(BigInteger)


class FileRow(Owned, Base):
    """A file; its content lies in the home folder under the id."""

    __tablename__ = "files"
    __table_args__ = (Index("ix_files_owner", "organization", "project", "number"),)

    expires_at: Mapped[int | None] = mapped_column(BigInteger)
    filename: Mapped[str] = mapped_column(String(512))
    purpose: Mapped[str] = mapped_column(String(32))
    bytes: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[str] = mapped_column(String(80))


class UploadRow(Owned, Base):
    """An upload in parts."""

    __tablename__ = "uploads"

    expires_at: Mapped[int] = mapped_column(BigInteger)
    filename: Mapped[str] = mapped_column(String(512))
    purpose: Mapped[str] = mapped_column(String(32))
    bytes: Mapped[int] = mapped_column(BigInteger)
    lifetime: Mapped[int | None] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(String(16))
    file_id: Mapped[str | None] = mapped_column(String(64))


class PartRow(Base):
    """A part of an upload; its content lies beside the files under its id."""

    __tablename__ = "upload_parts"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    upload_id: Mapped[str] = mapped_column(ForeignKey("uploads.id"), index=True)
    created_at: Mapped[int] = mapped_column(BigInteger)
    bytes: Mapped[int] = mapped_column(BigInteger)


class JobRow(Owned, Base):
    """A fine-tuning job, with what keeps it from running twice.

    `device` is set while a process may be computing for the job; no two rows have the same. `lease` is the token
    without which that process may not write. `deaths` counts unexpected ends of that process since `furthest` last
    grew. `notice_due` is when the job's end is to be told to the webhook, None where it need not be. `begun_at` is when
    its process last began, `work` the bytes that it goes through (file x passes), `start` the fine-tuned model that it
    trains further, `report` the digest of its report.
    """

    __tablename__ = "jobs"
    __table_args__ = (Index("ix_jobs_owner", "organization", "project", "number"), Index("ix_jobs_queue", "status"))

    finished_at: Mapped[int | None] = mapped_column(BigInteger)
    estimated_finish: Mapped[int | None] = mapped_column(BigInteger)
    model: Mapped[str] = mapped_column(String(512))
    base: Mapped[str] = mapped_column(String(512))
    result_name: Mapped[str] = mapped_column(String(255))
    status: Mapped[str] = mapped_column(String(24))
    training_file: Mapped[str] = mapped_column(String(64))
    validation_file: Mapped[str | None] = mapped_column(String(64))
    suffix: Mapped[str | None] = mapped_column(String(64))
    seed: Mapped[int] = mapped_column(BigInteger)
    method: Mapped[JsonObject] = mapped_column(JSON)
    hyperparameters: Mapped[JsonObject] = mapped_column(JSON)
    extra: Mapped[JsonObject] = mapped_column(JSON)
    labels: Mapped[dict[str, str] | None] = mapped_column(OPTIONAL)
    integrations: Mapped[list[JsonObject]] = mapped_column(JSON)
    error: Mapped[JsonObject | None] = mapped_column(OPTIONAL)
    fine_tuned_model: Mapped[str | None] = mapped_column(String(255))
    trained_tokens: Mapped[int | None] = mapped_column(BigInteger)
    result_file: Mapped[str | None] = mapped_column(String(64))
    request_hash: Mapped[str] = mapped_column(String(80), index=True)
    examples: Mapped[int | None] = mapped_column(Integer)
    host: Mapped[str] = mapped_column(String(64))
    device: Mapped[str | None] = mapped_column(String(128), unique=True)
    lease: Mapped[str | None] = mapped_column(String(64))
    worker_pid: Mapped[int | None] = mapped_column(Integer)
    worker_started: Mapped[float | None] = mapped_column(Double)
    heartbeat: Mapped[float | None] = mapped_column(Double)
    deaths: Mapped[int] = mapped_column(default=0)
    furthest: Mapped[int] = mapped_column(default=0)
    furthest_before: Mapped[int] = mapped_column(default=-1)
    notice_due: Mapped[float | None] = mapped_column(Double)
    notices: Mapped[int] = mapped_column(default=0)
    begun_at: Mapped[int | None] = mapped_column(BigInteger)
    work: Mapped[int | None] = mapped_column(BigInteger)
    start: Mapped[str | None] = mapped_column(String(255))
    report: Mapped[str | None] = mapped_column(String(80))


class LabelRow(Base):
    """A pair of a job's metadata, for the list's filter."""

    __tablename__ = "job_labels"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(String(512))


class EventRow(Base):
    """Something that happened to a job."""

    __tablename__ = "job_events"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(64), unique=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), index=True)
    created_at: Mapped[int] = mapped_column(BigInteger)
    level: Mapped[str] = mapped_column(String(8))
    message: Mapped[str] = mapped_column(Text)
    type: Mapped[str] = mapped_column(String(16))
    data: Mapped[JsonObject] = mapped_column(JSON)


class CheckpointRow(Base):
    """The state of a training after a pass over the data, registered as a model."""

    __tablename__ = "job_checkpoints"
    __table_args__ = (UniqueConstraint("job_id", "step"),)

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(64), unique=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), index=True)
    created_at: Mapped[int] = mapped_column(BigInteger)
    step: Mapped[int] = mapped_column(Integer)
    model: Mapped[str] = mapped_column(String(255), index=True)
    metrics: Mapped[JsonObject] = mapped_column(JSON)


class PermissionRow(Base):
    """Leave for another project to use a checkpoint."""

    __tablename__ = "checkpoint_permissions"
    __table_args__ = (UniqueConstraint("checkpoint", "project_id"),)

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(64), unique=True)
    organization: Mapped[str] = mapped_column(String(128))
    checkpoint: Mapped[str] = mapped_column(String(255), index=True)
    project_id: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[int] = mapped_column(BigInteger)
