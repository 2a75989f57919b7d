"""The server's rows in the catalogue's database: short sessions, ids, owners.

A writing session of SQLite takes the write lock when it begins, so that what it read is still true when it writes;
PostgreSQL's rows are guarded by the conditions of each update.
"""

from __future__ import annotations

import secrets
import string
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Connection, event
from sqlalchemy.exc import DataError as DBDataError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from postgrad.errors import StorageError
from postgrad.registry import Catalogue
from postgrad.registry.backups import as_storage_errors
from postgrad.registry.keys import ORGANIZATION, PROJECT
from postgrad.serving.wire.api_errors import ApiError

_LETTERS = string.ascii_letters + string.digits


class Store:
    """Sessions on the catalogue's database.

    Args:
        catalogue: Opened and migrated.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self._reader = catalogue.engine
        self._writer = catalogue.engine.execution_options(postgrad_writes=True)
        if self._reader.dialect.name == "sqlite" and not event.contains(self._reader, "begin", _lock):
            event.listen(self._reader, "begin", _lock)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that only reads; its rows stay readable afterwards."""
        with _foreseen(self.catalogue.url), Session(self._reader, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session whose changes appear together when the block ends, or not at all."""
        with _foreseen(self.catalogue.url), Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session


def _lock(connection: Connection) -> None:
    if connection.get_execution_options().get("postgrad_writes"):
        connection.exec_driver_sql("begin immediate")


@contextmanager
def _foreseen(url: str) -> Iterator[None]:
    try:
        with as_storage_errors(url):
            yield
    except DBDataError as error:  # PostgreSQL's word for NUL characters and texts beyond a column
        raise ApiError(400, "The request holds a text that cannot be stored.", "invalid_value") from error
    except PoolTimeoutError as error:
        raise StorageError("The database is too busy at the moment.", "Try again in a moment.") from error


@dataclass(frozen=True)
class Owner:
    """Who a request speaks for."""

    organization: str
    project: str


def owner_of(request: Request) -> Owner:
    """The organisation and project of the request's key; everything is the local ones' where no key is demanded."""
    return Owner(
        getattr(request.state, "organization", None) or ORGANIZATION,
        getattr(request.state, "project", None) or PROJECT,
    )


def writer_of(request: Request) -> Owner:
    """The owner of a request that changes something.

    Raises:
        ApiError: the key may only read.
    """
    if getattr(request.state, "role", None) in ("read-only", "readonly", "read_only"):
        raise ApiError(403, "This API key may only read.", "insufficient_permissions")
    return owner_of(request)


def new_id(prefix: str, length: int = 24) -> str:
    """An id nobody can guess; letters and digits alone, so that it is safe as a file's name."""
    return prefix + "".join(secrets.choice(_LETTERS) for _ in range(length))


def now() -> int:
    """Unix seconds."""
    return int(time.time())


ReadingOwner = Annotated[Owner, Depends(owner_of)]
"""A route's parameter: on whose behalf it reads."""
WritingOwner = Annotated[Owner, Depends(writer_of)]
"""A route's parameter: on whose behalf it changes something."""
