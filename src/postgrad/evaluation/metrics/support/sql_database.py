"""A small database in memory that can be asked and not changed: built from a user's script, bounded in time and
size."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass

from postgrad.evaluation.metrics.support.sql_rows import Makers, SqlColumn
from postgrad.evaluation.metrics.support.sql_text import plain_sql

MAX_ROWS = 10_000
_MAX_BYTES = 1_000_000
_CHECK_EVERY = 2_000  # virtual-machine steps between two looks at the clock
_READING = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}
SqlRow = tuple[object, ...]


class QueryError(Exception):
    """A query that the database refuses; the message is the database's."""


@dataclass
class Database:
    """An open database; `close` it. `made` tells whether its rows are made ones."""

    connection: sqlite3.Connection
    made: bool = False

    @classmethod
    def build(cls, script: str) -> Database:
        """Runs a script of CREATE and INSERT statements in memory.

        Raises:
            QueryError: SQLite refuses it.
        """
        connection = sqlite3.connect(":memory:", check_same_thread=False)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        try:
            connection.executescript(script)
        except sqlite3.Error as error:
            connection.close()
            raise QueryError(f"the schema is refused, {error}") from error
        return cls(connection)

    def tables(self) -> dict[str, list[SqlColumn]]:
        """The columns by table."""
        names = [n for (n,) in self.connection.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        quoted = {n: '"' + n.replace('"', '""') + '"' for n in names if not n.startswith("sqlite_")}
        return {
            n: [
                SqlColumn(c[1], str(c[2]).upper(), bool(c[5]))
                for c in self.connection.execute(f"PRAGMA table_info({q})")
            ]
            for n, q in quoted.items()
        }

    def empty(self) -> bool:
        """Whether no table holds a row: then nearly every query gives the same nothing."""
        quoted = ['"' + n.replace('"', '""') + '"' for n in self.tables()]
        return not any(self.connection.execute(f"SELECT 1 FROM {q} LIMIT 1").fetchone() for q in quoted)  # noqa: S608

    def fill(self, queries: str, seed: int) -> None:
        """Puts made rows into the tables that `queries` name; see `sql_rows`. The same script, queries and seed give
        the same rows; rows that break a constraint of the schema are left out.
        """
        named = set(plain_sql(queries))
        makers = Makers.of(queries, seed)
        self.connection.execute("PRAGMA foreign_keys = OFF")
        for table, columns in self.tables().items():
            if columns and table.lower() in named:
                name = '"' + table.replace('"', '""') + '"'
                insert = f"INSERT OR IGNORE INTO {name} VALUES ({','.join('?' * len(columns))})"  # noqa: S608
                self.connection.executemany(insert, makers.rows(columns))
        self.connection.commit()

    def lock(self) -> None:
        """From here on it can only be read."""
        self.connection.execute("PRAGMA query_only = ON")
        self.connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_BYTES)
        self.connection.set_authorizer(
            lambda action, *_: sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY
        )

    def ask(self, query: str, seconds: float) -> list[SqlRow]:
        """The rows of a query.

        Raises:
            QueryError: It is refused, takes too long, or gives more than 10,000 rows.
        """
        end = time.monotonic() + seconds
        self.connection.set_progress_handler(lambda: time.monotonic() > end, _CHECK_EVERY)
        try:
            cursor = self.connection.execute(query)
            rows = cursor.fetchmany(MAX_ROWS + 1)
        except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError, UnicodeError, MemoryError) as error:
            late = time.monotonic() > end
            raise QueryError("it takes too long" if late else str(error)) from error
        finally:
            self.connection.set_progress_handler(None, 0)
        if len(rows) > MAX_ROWS:
            raise QueryError(f"it gives more than {MAX_ROWS} rows")
        return rows

    def close(self) -> None:
        self.connection.close()
