"""The tables of API keys and of the audit trail. A change here needs a migration in `migrations/versions`."""

from __future__ import annotations

import datetime

from sqlalchemy import BigInteger, DateTime, String
from sqlalchemy.orm import Mapped, mapped_column

from postgrad.registry.tables import Base


class ApiKeyRow(Base):
    """One key, of which only the SHA-256 is kept; rows are revoked, never removed."""

    __tablename__ = "api_keys"

    id: Mapped[int] = mapped_column(primary_key=True)
    key_id: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String(128))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    hint: Mapped[str] = mapped_column(String(16))
    role: Mapped[str] = mapped_column(String(16))
    organization: Mapped[str] = mapped_column(String(64))
    project: Mapped[str] = mapped_column(String(64))
    requests_per_minute: Mapped[int | None]
    tokens_per_minute: Mapped[int | None]
    tokens_per_month: Mapped[int | None] = mapped_column(BigInteger)
    created: Mapped[datetime.datetime] = mapped_column(DateTime(timezone=True))
    revoked: Mapped[datetime.datetime | None] = mapped_column(DateTime(timezone=True))


class AuditRow(Base):
    """One deed: who, what, when, on which object, with which outcome; never content, never a secret."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime.datetime] = mapped_column(DateTime(timezone=True), index=True)
    key_id: Mapped[str | None] = mapped_column(String(32))
    organization: Mapped[str | None] = mapped_column(String(64))
    project: Mapped[str | None] = mapped_column(String(64))
    address: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(128))
    object_id: Mapped[str] = mapped_column(String(256))
    status: Mapped[int]
    request_id: Mapped[str] = mapped_column(String(64))
