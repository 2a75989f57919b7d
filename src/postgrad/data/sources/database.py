"""A query of a database → rows, read only and row by row. A password in the address is never shown.

`sqlite:///tickets.db#SELECT question, answer FROM tickets`, `postgres://user:password@host/base#SELECT …`: any database
that SQLAlchemy speaks to, where its driver is installed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from postgrad.data.sources.chunks import WHOLE, Chunker
from postgrad.data.sources.json_values import Plain
from postgrad.data.sources.rows import Rows, name_columns
from postgrad.data.sources.sql_guard import refuse_writing
from postgrad.errors import DataError

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

_FETCHED = 1000
_SHOWN = 60
_SECRETS = ("password", "passwd", "pwd", "token", "secret", "sslpassword", "key", "apikey", "api_key", "access_token")
_DRIVERS = {
    "postgresql": "psycopg[binary]",
    "mysql": "pymysql",
    "mariadb": "pymysql",
    "mssql": "pyodbc",
    "oracle": "oracledb",
}
_READ_ONLY = {
    "sqlite": "PRAGMA query_only = ON",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
    "oracle": "SET TRANSACTION READ ONLY",
}


def read_sql(url: str, query: str) -> Rows:
    """The rows of a query; a row's line is its place in the result.

    Args:
        url: As SQLAlchemy takes it; `postgres://` is understood too.
        query: One SELECT (or WITH … SELECT).

    Raises:
        DataError: No such database or driver, a query that is no SELECT, the database's refusal, a column name twice,
            no rows.
    """
    return Chunker.join(list(stream_sql(url, query, WHOLE)))


def stream_sql(url: str, query: str, chunk: int = 10_000) -> Iterator[Rows]:
    """`read_sql`, chunk by chunk, through a cursor that the database keeps."""
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError

    address = _address(url)
    file = f"{masked(address)}#{_shorten(query)}"
    refuse_writing(query, file, address.get_backend_name())
    plain = Plain()
    try:
        with _connected(address, file) as connection:
            result = connection.execution_options(stream_results=True, yield_per=_FETCHED).execute(
                text(_unbound(query))
            )
            columns, notes = name_columns(list(result.keys()), f"{file}, the query's result")
            chunker = Chunker(file, "sql", chunk, notes, columns)
            for number, values in enumerate(result, start=1):
                row = plain.row(dict(zip(columns, values, strict=True)))
                yield from chunker.add((number, row), sum(len(v) for v in row.values() if isinstance(v, str)))
    except SQLAlchemyError as error:
        raise DataError(
            f"{file}: the database reports: {_words(error, address)}.", "Fix the query, or the address before the #."
        ) from error
    yield from chunker.end(plain.notes())
    if not chunker.count:
        raise DataError(f"{file}: the query gives no rows (columns: {', '.join(columns)}).", "Widen the query.")


def masked(address: URL) -> str:
    """The address with every secret in it as ***."""
    hidden = {key: "***" if key.lower() in _SECRETS else value for key, value in address.query.items()}
    return address.set(query=hidden).render_as_string(hide_password=True).replace("%2A%2A%2A", "***")


def _address(url: str) -> URL:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(re.sub(r"^postgres(?=[:+])", "postgresql", url))
    except (ArgumentError, ValueError) as error:
        shown = re.sub(r"//[^/]*@", "//***@", url).split("?")[0]
        raise DataError(
            f"{shown!r} is no address of a database.",
            "Write it as postgresql://user:password@host:5432/base#SELECT …; special characters in the password as %40"
            " and so on.",
        ) from error


@contextmanager
def _connected(address: URL, file: str) -> Iterator[Connection]:
    """A connection that cannot write: by the database's own means where it has them, and rolled back in the end."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import NoSuchModuleError
    from sqlalchemy.pool import NullPool

    kind = address.get_backend_name()
    if kind == "sqlite":
        address = _existing(address, file)
    try:
        engine = create_engine(address, poolclass=NullPool, hide_parameters=True)
    except (NoSuchModuleError, ImportError) as error:
        driver = _DRIVERS.get(kind)
        raise DataError(
            f"{file}: the driver for {address.drivername} is not installed ({error}).",
            (
                f"Install it: pip install '{driver}'"
                if driver
                else "Install SQLAlchemy's dialect and driver for this database."
            ),
        ) from error
    with engine.connect() as connection:
        if kind == "postgresql":
            connection = connection.execution_options(postgresql_readonly=True)
        elif kind in _READ_ONLY:
            connection.execute(text(_READ_ONLY[kind]))
        try:
            yield connection
        finally:
            connection.rollback()


def _existing(address: URL, file: str) -> URL:
    """SQLite opened for reading alone: it would create a missing database."""
    name = address.database or ""
    path = Path(name)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise DataError(
            f"{file}: the database file {name!r} {what}.",
            "Check the path: sqlite:///relative.db, sqlite:////absolute.db.",
        )
    quoted = str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return address.set(database=f"file:{quoted}", query={"mode": "ro", "uri": "true"})


def _unbound(query: str) -> str:
    """A colon is a colon, not SQLAlchemy's mark of a parameter."""
    return re.sub(r"(?<![:\\]):(?=[\w$])", r"\\:", query)


def _words(error: Exception, address: URL) -> str:
    """The database's own words, on one line, without the password."""
    text = " ".join(str(getattr(error, "orig", None) or error).split())
    for secret in _secrets(address):
        text = text.replace(secret, "***")
    return text.rstrip(".")[:500]


def _secrets(address: URL) -> Sequence[str]:
    from urllib.parse import quote, quote_plus

    values: list[Any] = [address.password, *(v for k, v in address.query.items() if k.lower() in _SECRETS)]
    plain = [str(value) for value in values if value]
    return sorted(
        {form for value in plain for form in (value, quote(value, safe=""), quote_plus(value))}, key=len, reverse=True
    )


def _shorten(query: str) -> str:
    line = " ".join(query.split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
