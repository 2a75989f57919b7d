"""The catalogue's tables. A change here needs a migration in `migrations/versions`."""

from __future__ import annotations

import datetime

from sqlalchemy import JSON, DateTime, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from postgrad.json_types import JsonObject


class Base(DeclarativeBase):
    """All tables."""


class ModelRow(Base):
    """One version of one model; rows are added and marked as deleted, never changed otherwise."""

    __tablename__ = "models"
    __table_args__ = (UniqueConstraint("name", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255), index=True)
    version: Mapped[int]
    base: Mapped[str] = mapped_column(String(512))
    base_hash: Mapped[str] = mapped_column(String(80))
    method: Mapped[str] = mapped_column(String(32))
    blob: Mapped[str] = mapped_column(String(80))
    template: Mapped[str] = mapped_column(String(80))
    data_hash: Mapped[str] = mapped_column(String(80))
    report: Mapped[str | None] = mapped_column(String(80))
    details: Mapped[JsonObject] = mapped_column(JSON)
    created: Mapped[datetime.datetime] = mapped_column(DateTime(timezone=True))
    deleted: Mapped[bool] = mapped_column(default=False)


class AliasRow(Base):
    """A movement of an alias. The newest row that was not taken back counts; taking back is a time in `undone`, so
    that nothing is lost. `reason` and `evidence` (JSON-safe) say what it was decided by."""

    __tablename__ = "aliases"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255), index=True)
    alias: Mapped[str] = mapped_column(String(64))
    model_id: Mapped[int] = mapped_column(ForeignKey("models.id"))
    moved: Mapped[datetime.datetime] = mapped_column(DateTime(timezone=True))
    undone: Mapped[datetime.datetime | None] = mapped_column(DateTime(timezone=True), default=None)
    reason: Mapped[str] = mapped_column(Text, default="")
    evidence: Mapped[JsonObject | None] = mapped_column(JSON(none_as_null=True), default=None)


class ExportRow(Base):
    """A model that left: in which format and to where, with its files' hashes and the record of the parity gate."""

    __tablename__ = "exports"

    id: Mapped[int] = mapped_column(primary_key=True)
    model_id: Mapped[int] = mapped_column(ForeignKey("models.id"), index=True)
    format: Mapped[str] = mapped_column(String(32))
    quantization: Mapped[str] = mapped_column(String(32))
    place: Mapped[str] = mapped_column(Text)
    files: Mapped[dict[str, str]] = mapped_column(JSON)
    parity: Mapped[JsonObject] = mapped_column(JSON)
    made: Mapped[datetime.datetime] = mapped_column(DateTime(timezone=True))
