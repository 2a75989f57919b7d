"""The catalogue of models in SQL: SQLite in the home folder, or whatever `DATABASE_URL` names.

Nothing is overwritten: a new training is a new version, a promotion is a new row, and so roll-back is one command.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, func, inspect, select, text
from sqlalchemy import delete as sql_delete
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from postgrad.errors import ModelError, StorageError
from postgrad.json_types import JsonObject
from postgrad.registry import backups, moves
from postgrad.registry.connection import connected
from postgrad.registry.in_use import refuse_in_use
from postgrad.registry.job_tables import CheckpointRow, PermissionRow
from postgrad.registry.moves import PRODUCTION, Move
from postgrad.registry.tables import ModelRow
from postgrad.storage import home, storing, sweep_unfinished

HEAD = "0007_moves"
CHECKPOINT = ":ckpt-step-"
"""Between the name of a job's model and the step of a checkpoint."""
_upgrading = threading.Lock()  # Alembic keeps its state in module globals


class NotPromotedError(ModelError):
    """Versions of a name are registered, and none of them is in production."""


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
        self._engine = connected(self.url)
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
    def session(self) -> Iterator[Session]:
        """A transaction, for those too who keep other tables in the same database.

        Raises:
            StorageError: the database cannot be read or written.
        """
        with backups.as_storage_errors(self.url), Session(self._engine) as session, session.begin():
            yield session

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
        production: str = "",
    ) -> ModelEntry:
        """Registers the next version of `name`; the same blob and data again, with the same certified threshold, is the
        version that exists already.

        Args:
            production: Why the new version becomes `production` by itself, if no version of the name ever was; empty:
                it does not.
        """
        moves.check_name(name)
        for _ in range(20):
            try:
                with self.session() as session:
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
                    if production and not any(m.alias == PRODUCTION for m in moves.history(session, name)):
                        moves.move(session, row, PRODUCTION, production, None)
                    return _entry(row)
            except IntegrityError:
                continue  # another process took the number between our reading and writing
        raise StorageError(
            f"No version number for {name!r} could be assigned in 20 attempts.",
            "Is another process registering models in a loop?",
        )

    def list(self, name: str | None = None) -> list[ModelEntry]:
        """All models that are not deleted, newest first."""
        with self.session() as session:
            query = select(ModelRow).where(~ModelRow.deleted).order_by(ModelRow.created.desc(), ModelRow.id.desc())
            return [
                _entry(row) for row in session.scalars(query if name is None else query.where(ModelRow.name == name))
            ]

    def get(self, reference: str) -> ModelEntry:
        """A model to be looked at, by `name`, `name@version` or `name@alias`; a bare name means `production`, else the
        newest version. To answer for others, ask `serving`.

        Raises:
            ModelError: there is none; names those that there are.
        """
        with self.session() as session:
            found, row = self._found(session, reference)
            if row is None and found and "@" not in reference:
                row = found[max(found)]
            if row is not None:
                return _entry(row)
        raise self._unknown(reference)

    def newest(self, reference: str) -> ModelEntry:
        """As `get`, but a bare name means the newest version: for whoever decides about it.

        Raises:
            ModelError: there is none.
        """
        if "@" in reference:
            return self.get(reference)
        with self.session() as session:
            found, _ = self._found(session, reference)
            if found:
                return _entry(found[max(found)])
        raise self._unknown(reference)

    def serving(self, reference: str) -> ModelEntry:
        """The model that answers under a name: a bare name means `production` and nothing else, but for models of
        fine-tuning jobs, which have a name of their own and one version.

        Raises:
            NotPromotedError: nothing of that name was promoted; says how.
            ModelError: there is none.
        """
        with self.session() as session:
            found, row = self._found(session, reference)
            if row is None and found and "@" not in reference:
                row = next(iter(found.values())) if len(found) == 1 else None
                row = row if row is not None and row.details.get("job") else None
            if row is not None:
                return _entry(row)
            newest = found[max(found)] if found and "@" not in reference else None
            number = newest.version if newest is not None and newest.details.get("project") is None else None
            advised = newest.details.get("recommendation") if newest is not None else None
        if number is None:
            raise self._unknown(reference)
        measured = f"its verdict was {advised}" if advised else "it was trained without a verdict"
        raise NotPromotedError(
            f"No version of {reference!r} is in production; the newest is {reference}@{number}: {measured}.",
            f"Ask for {reference}@{number} by its number, or put it into production: `postgrad models promote"
            f" {reference}@{number}`.",
        )

    def answering(self) -> set[str]:
        """The versions that answer under their bare names, as `name@version`."""
        with self.session() as session:
            rows = session.scalars(select(ModelRow).where(~ModelRow.deleted)).all()
            promoted = moves.all_pointed(session, PRODUCTION)
            named = {name for name, _ in promoted}
            made = {(r.name, r.version) for r in rows if r.details.get("job") and r.name not in named}
        return {f"{name}@{version}" for name, version in promoted | made}

    def _found(self, session: Session, reference: str) -> tuple[dict[int, ModelRow], ModelRow | None]:
        """The versions of a name, and the one that is meant; None for a bare name without `production`."""
        name, _, which = reference.partition("@")
        query = select(ModelRow).where(ModelRow.name == name, ~ModelRow.deleted)
        rows = {row.version: row for row in session.scalars(query)}
        if which.isdigit():
            return rows, rows.get(int(which))
        return rows, moves.pointed(session, name, which or PRODUCTION)

    def _unknown(self, reference: str) -> ModelError:
        names = sorted({entry.name for entry in self.list()})
        return ModelError(
            f"There is no registered model {reference!r}.",
            f"Registered: {', '.join(names)}." if names else "None is registered yet: `postgrad run DATA` creates one.",
        )

    def aliases(self, name: str) -> dict[str, int]:
        """Which version each alias of a model points to."""
        with self.session() as session:
            return moves.aliases(session, name)

    def history(self, name: str) -> list[Move]:
        """Every move of every alias of a model, oldest first."""
        with self.session() as session:
            return moves.history(session, name)

    def promote(
        self, reference: str, alias: str = PRODUCTION, reason: str = "", evidence: JsonObject | None = None
    ) -> ModelEntry:
        """Points an alias to a version, with the reason and the evidence (JSON-safe) for which it was decided elsewhere
        (`workflows/promote.py`).

        Raises:
            UsageError: the alias could be taken for something else.
        """
        with self.session() as session:
            moves.move(session, self._row(session, entry := self.get(reference)), alias, reason, evidence)
            return entry

    def rollback(self, name: str, alias: str = PRODUCTION) -> ModelEntry:
        """Points an alias back to the version before its last move; again and it goes back further.

        Raises:
            UsageError: there is no earlier one.
        """
        return self._moved(moves.take_back, name, alias)

    def forward(self, name: str, alias: str = PRODUCTION) -> ModelEntry:
        """Takes a roll-back back.

        Raises:
            UsageError: there was none since the last promotion.
        """
        return self._moved(moves.make_again, name, alias)

    def withdraw(self, name: str, alias: str = PRODUCTION) -> ModelEntry:
        """Lets an alias point to nothing; gives the version that it pointed to.

        Raises:
            UsageError: it points to nothing already.
        """
        return self._moved(moves.withdraw, name, alias)

    def _moved(self, how: Callable[[Session, str, str], ModelRow], name: str, alias: str) -> ModelEntry:
        with self.session() as session:
            return _entry(how(session, name, alias))

    def _row(self, session: Session, entry: ModelEntry) -> ModelRow:
        query = select(ModelRow).where(ModelRow.name == entry.name, ModelRow.version == entry.version)
        return session.scalars(query).one()

    def delete(self, reference: str) -> ModelEntry:
        """Marks a version as deleted, and with a job's model the checkpoints of its training. What it is made of stays
        in the store until a clean-up (`postgrad models clean`).

        Raises:
            UsageError: it is in use: an alias or a further name leads to it, or a training that goes on from it.
        """
        entry = self.get(reference)
        with self.session() as session:
            row = self._row(session, entry)
            refuse_in_use(session, row)
            row.deleted = True
            if (job := entry.details.get("job")) and CHECKPOINT not in entry.name:
                beginning = entry.name + CHECKPOINT
                checkpoints = select(ModelRow).where(ModelRow.name.startswith(beginning, autoescape=True))
                for checkpoint in session.scalars(checkpoints):
                    checkpoint.deleted = checkpoint.deleted or checkpoint.details.get("job") == job
                session.execute(sql_delete(PermissionRow).where(PermissionRow.checkpoint.startswith(beginning)))
                session.execute(sql_delete(CheckpointRow).where(CheckpointRow.job_id == job))
        return entry


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
