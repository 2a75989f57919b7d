"""The catalogue of models in SQL: SQLite in the home folder, or whatever `DATABASE_URL` names.

Nothing is overwritten: a new training is a new version, a promotion is a new row, and so roll-back is one command.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, func, inspect, select, text
from sqlalchemy import delete as sql_delete
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from postgrad.errors import ModelError, StorageError, UsageError
from postgrad.json_types import JsonObject
from postgrad.registry import backups
from postgrad.registry.job_tables import CheckpointRow, PermissionRow
from postgrad.registry.tables import AliasRow, ModelRow
from postgrad.storage import home, storing, sweep_unfinished

HEAD = "0006_deaths"
CHECKPOINT = ":ckpt-step-"
"""Between the name of a job's model and the step of a checkpoint."""
_upgrading = threading.Lock()  # Alembic keeps its state in module globals


@dataclass(frozen=True)
class ModelEntry:
    """One version of a registered model.

    Attributes:
        blob: Digest of the folder with the adapter (or full weights), documents and settings.
        template: Fingerprint of tokenizer and chat template.
        report: Digest of the report's JSON.
        details: JSON-safe: system prompt, decoding, metric, scores, retrieval.
    """

    name: str
    version: int
    base: str
    base_hash: str
    method: str
    blob: str
    template: str
    data_hash: str
    report: str | None
    details: JsonObject
    created: datetime.datetime

    @property
    def id(self) -> str:
        return f"{self.name}@{self.version}"


def catalogue_url() -> str:
    """`DATABASE_URL`, or the SQLite file in the home folder."""
    return os.environ.get("DATABASE_URL") or f"sqlite:///{home() / 'catalogue.db'}"


class Catalogue:
    """The registered models.

    Args:
        url: SQLAlchemy URL; `DATABASE_URL` or the SQLite file in the home folder when None.
    """

    def __init__(self, url: str | None = None) -> None:
        self.url = url or catalogue_url()
        if (database := self.database) is not None:
            with storing(database.parent):
                database.parent.mkdir(parents=True, exist_ok=True)
            if backups.emptied(database):
                raise backups.damaged(database, "it is empty, although models are here")
        # values are people's texts and come into no traceback; a server's connections do not outlive its restart
        self._engine = create_engine(self.url, hide_parameters=True, pool_pre_ping=self.database is None)
        if self.url.startswith("sqlite"):
            event.listen(self._engine, "connect", _sqlite_settings)
            event.listen(self._engine, "handle_error", _forget_read_only)
        if not self._upgrade() and database is not None and backups.back_up_if_due(database):
            sweep_unfinished()

    @property
    def database(self) -> Path | None:
        """The SQLite file; None where the catalogue lives elsewhere."""
        return backups.file_of(self.url)

    @property
    def engine(self) -> Engine:
        """The connection to the database, migrated: what else lives in it is read and written through this."""
        return self._engine

    def _upgrade(self) -> bool:
        """Brings the schema up to date; says whether there was anything to do."""
        with backups.as_storage_errors(self.url):
            try:
                with _upgrading:
                    if self._current():
                        return False
                    self._migrate()
                    return True
            except DBAPIError:
                with contextlib.suppress(DBAPIError):
                    if self._current():
                        return True  # another process upgraded it in the same moment
                raise

    def _current(self) -> bool:
        return self._written_by() == HEAD

    def _written_by(self) -> str | None:
        """The schema's revision; None in a database that has none yet."""
        with self._engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            return connection.execute(text("select version_num from alembic_version")).scalar()

    def _migrate(self) -> None:
        from alembic import command
        from alembic.config import Config
        from alembic.util import CommandError

        if (database := self.database) is not None and self._written_by():
            backups.back_up(database)
        with self._engine.begin() as connection:
            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise StorageError(
                    f"The catalogue was written by another postgrad (its schema is {self._written_by()!r}, and this one"
                    f" knows none above {HEAD!r}). It was left as it is.",
                    "Update postgrad, or give this version a home of its own (POSTGRAD_HOME).",
                ) from error

    @contextmanager
    def _session(self) -> Iterator[Session]:
        with backups.as_storage_errors(self.url), Session(self._engine) as session, session.begin():
            yield session

    def session(self) -> contextlib.AbstractContextManager[Session]:
        """A transaction, for those who keep other tables in the same database.

        Raises:
            StorageError: the database cannot be read or written.
        """
        return self._session()

    def add(
        self,
        *,
        name: str,
        base: str,
        base_hash: str,
        method: str,
        blob: str,
        template: str,
        data_hash: str,
        report: str | None,
        details: JsonObject,
    ) -> ModelEntry:
        """Registers the next version of `name`; the same blob and data again, with the same certified threshold, is the
        version that exists already."""
        for _ in range(20):
            try:
                with self._session() as session:
                    alike = session.scalars(
                        select(ModelRow).where(
                            ModelRow.name == name,
                            ModelRow.blob == blob,
                            ModelRow.data_hash == data_hash,
                            ~ModelRow.deleted,
                        )
                    )
                    for same in alike:
                        if same.details.get("automation") == details.get("automation"):
                            return _entry(same)
                    newest = session.scalar(select(func.max(ModelRow.version)).where(ModelRow.name == name)) or 0
                    row = ModelRow(
                        name=name,
                        version=newest + 1,
                        base=base,
                        base_hash=base_hash,
                        method=method,
                        blob=blob,
                        template=template,
                        data_hash=data_hash,
                        report=report,
                        details=details,
                        created=datetime.datetime.now(datetime.UTC),
                        deleted=False,
                    )
                    session.add(row)
                    session.flush()
                    return _entry(row)
            except IntegrityError:
                continue  # another process took the number between our reading and writing
        raise StorageError(
            f"No version number for {name!r} could be assigned in 20 attempts.",
            "Is another process registering models in a loop?",
        )

    def list(self, name: str | None = None) -> list[ModelEntry]:
        """All models that are not deleted, newest first."""
        with self._session() as session:
            query = select(ModelRow).where(~ModelRow.deleted).order_by(ModelRow.created.desc(), ModelRow.id.desc())
            return [
                _entry(row) for row in session.scalars(query if name is None else query.where(ModelRow.name == name))
            ]

    def get(self, reference: str) -> ModelEntry:
        """A model by `name`, `name@version` or `name@alias`; a bare name means `production`, else the newest version.

        Raises:
            ModelError: there is none; names those that there are.
        """
        name, _, which = reference.partition("@")
        with self._session() as session:
            rows = {
                r.version: r for r in session.scalars(select(ModelRow).where(ModelRow.name == name, ~ModelRow.deleted))
            }
            if which.isdigit():
                row = rows.get(int(which))
            else:
                row = self._aliased(session, name, which or "production")
                if row is None and not which and rows:
                    row = rows[max(rows)]
            if row is not None:
                return _entry(row)
        names = sorted({entry.name for entry in self.list()})
        raise ModelError(
            f"There is no registered model {reference!r}.",
            f"Registered: {', '.join(names)}." if names else "None is registered yet: `postgrad run DATA` creates one.",
        )

    def _aliased(self, session: Session, name: str, alias: str) -> ModelRow | None:
        query = (
            select(ModelRow)
            .join(AliasRow, AliasRow.model_id == ModelRow.id)
            .where(AliasRow.name == name, AliasRow.alias == alias)
        )
        row = session.scalars(query.order_by(AliasRow.id.desc())).first()
        return row if row is not None and not row.deleted else None

    def aliases(self, name: str) -> dict[str, int]:
        """Which version each alias of a model points to."""
        with self._session() as session:
            moves = session.execute(
                select(AliasRow.alias, ModelRow.version)
                .join(ModelRow, AliasRow.model_id == ModelRow.id)
                .where(AliasRow.name == name, ~ModelRow.deleted)
                .order_by(AliasRow.id)
            )
            return {row.alias: row.version for row in moves}

    def promote(self, reference: str, alias: str = "production") -> ModelEntry:
        """Points an alias to a version."""
        entry = self.get(reference)
        with self._session() as session:
            row = session.scalars(
                select(ModelRow).where(ModelRow.name == entry.name, ModelRow.version == entry.version)
            ).one()
            session.add(
                AliasRow(name=entry.name, alias=alias, model_id=row.id, moved=datetime.datetime.now(datetime.UTC))
            )
        return entry

    def rollback(self, name: str, alias: str = "production") -> ModelEntry:
        """Points an alias back to the version it pointed to before.

        Raises:
            UsageError: there is no earlier one.
        """
        with self._session() as session:
            rows = session.scalars(
                select(ModelRow)
                .join(AliasRow, AliasRow.model_id == ModelRow.id)
                .where(AliasRow.name == name, AliasRow.alias == alias, ~ModelRow.deleted)
                .order_by(AliasRow.id.desc())
            ).all()
            before = next((r for r in rows if rows and r.id != rows[0].id), None)
            if before is None:
                raise UsageError(
                    f"The alias {alias!r} of {name!r} has no earlier version to go back to.",
                    f"See `postgrad models show {name}`.",
                )
            version = before.version
        return self.promote(f"{name}@{version}", alias)

    def delete(self, reference: str) -> ModelEntry:
        """Marks a version as deleted, and with a job's model the checkpoints of its training. Blobs stay until a
        clean-up.

        Raises:
            UsageError: an alias points to it.
        """
        entry = self.get(reference)
        if pointing := [a for a, v in self.aliases(entry.name).items() if v == entry.version]:
            raise UsageError(
                f"{entry.id} is in use as {pointing[0]!r}.",
                f"Promote another version first: `postgrad models promote {entry.name}@N`.",
            )
        with self._session() as session:
            session.scalars(
                select(ModelRow).where(ModelRow.name == entry.name, ModelRow.version == entry.version)
            ).one().deleted = True
            if (job := entry.details.get("job")) and CHECKPOINT not in entry.name:
                beginning = entry.name + CHECKPOINT
                checkpoints = select(ModelRow).where(ModelRow.name.startswith(beginning, autoescape=True))
                for row in session.scalars(checkpoints):
                    row.deleted = row.deleted or row.details.get("job") == job
                session.execute(sql_delete(PermissionRow).where(PermissionRow.checkpoint.startswith(beginning)))
                session.execute(sql_delete(CheckpointRow).where(CheckpointRow.job_id == job))
        return entry


def _forget_read_only(failed: ExceptionContext) -> None:
    """A connection that was opened while the disk was read-only stays so for good: it is not used again."""
    if "readonly database" in str(failed.original_exception):
        failed.is_disconnect = True


def _sqlite_settings(connection: Any, _: Any) -> None:
    connection.execute("pragma journal_mode=wal")
    connection.execute("pragma busy_timeout=10000")
    connection.execute("pragma foreign_keys=on")


def _entry(row: ModelRow) -> ModelEntry:
    return ModelEntry(
        row.name,
        row.version,
        row.base,
        row.base_hash,
        row.method,
        row.blob,
        row.template,
        row.data_hash,
        row.report,
        row.details,
        row.created,
    )
