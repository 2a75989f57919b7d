"""The tables of further names of models, and of the tokens that keys used. A change here needs a migration."""

from __future__ import annotations

import datetime

from sqlalchemy import JSON, BigInteger, DateTime, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from postgrad.json_types import JsonObject
from postgrad.registry.tables import Base


class NameRow(Base):
    """A name under which programs ask for a model that was registered under another one."""

    __tablename__ = "model_names"

    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    model: Mapped[str] = mapped_column(String(255))
    origin: Mapped[JsonObject] = mapped_column(JSON)
    created: Mapped[datetime.datetime] = mapped_column(DateTime(timezone=True))


class UsageRow(Base):
    """Tokens that one key used in one month (`2026-11`, UTC)."""

    __tablename__ = "key_usage"

    key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.key_id"), primary_key=True)
    month: Mapped[str] = mapped_column(String(7), primary_key=True)
    tokens: Mapped[int] = mapped_column(BigInteger)
