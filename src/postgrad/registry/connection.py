"""The connection to the catalogue's database, SQLite or a server's."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext


def connected(url: str) -> Engine:
    """An engine whose errors quote no values (they are people's texts) and whose connections do not outlive a server's
    restart.

    Args:
        url: SQLAlchemy's.
    """
    sqlite = url.startswith("sqlite")
    engine = create_engine(url, hide_parameters=True, pool_pre_ping=not sqlite)
    if sqlite:
        event.listen(engine, "connect", _sqlite_settings)
        event.listen(engine, "handle_error", _forget_read_only)
    return engine


def _forget_read_only(failed: ExceptionContext) -> None:
    """A connection that was opened while the disk was read-only stays so for good: it is not used again."""
    if "readonly database" in str(failed.original_exception):
        failed.is_disconnect = True


def _sqlite_settings(connection: Any, _: Any) -> None:
    connection.execute("pragma journal_mode=wal")
    connection.execute("pragma busy_timeout=10000")
    connection.execute("pragma foreign_keys=on")
