"""The table of looks at test parts. A change here needs a migration in `migrations/versions`."""

from __future__ import annotations

import datetime

from sqlalchemy import DateTime, Double, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from postgrad.registry.tables import Base


class LookRow(Base):
    """One recipe on one test part: registered before its first arm is measured, numbered when it is judged.

    `test` and `plan` are hashes: of the test records, and of what decides the judgement. `number` counts the plans that
    were judged on the test part; None as long as this one was not.
    """

    __tablename__ = "looks"
    __table_args__ = (UniqueConstraint("test", "plan"), UniqueConstraint("test", "number"))

    id: Mapped[int] = mapped_column(primary_key=True)
    test: Mapped[str] = mapped_column(String(80), index=True)
    plan: Mapped[str] = mapped_column(String(80))
    metric: Mapped[str] = mapped_column(String(255))
    smallest_worth: Mapped[float] = mapped_column(Double)
    rules: Mapped[str] = mapped_column(String(80))
    registered: Mapped[datetime.datetime] = mapped_column(DateTime(timezone=True))
    number: Mapped[int | None]
