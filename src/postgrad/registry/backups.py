"""Dated copies of the catalogue's SQLite file, and what to say where the file itself is damaged.

A copy is made by SQLite's own online backup, so that it is whole although others write, and only of a catalogue that is
sound. A catalogue in PostgreSQL is backed up by its own tools.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import os
import re
import secrets
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError

from postgrad.errors import StorageError, UsageError
from postgrad.storage import home, storing

KEPT = 10
"""Newest copies, and besides the last of each of so many days; the others are removed."""
INTERVAL_S = 3600.0
"""Between copies."""
_log = logging.getLogger(__name__)
_BESIDE = ("-wal", "-shm")
"""What SQLite keeps beside its file."""


def file_of(url: str) -> Path | None:
    """The SQLite file behind a database's URL; None where there is none."""
    parts = make_url(url)
    if parts.get_backend_name() != "sqlite" or not parts.database or parts.database == ":memory:":
        return None
    return Path(parts.database)


def folder_of(database: Path) -> Path:
    return database.parent / "backups"


def copies(database: Path) -> list[Path]:
    """The copies, newest first."""
    named = re.compile(re.escape(database.stem) + r"-\d{4}-\d\d-\d\d-\d{6}\.db")
    found = (p for p in folder_of(database).glob(f"{database.stem}-*.db") if named.fullmatch(p.name))
    return sorted(found, reverse=True)


def back_up(database: Path) -> Path:
    """A copy of now; the oldest beyond `KEPT` go.

    Raises:
        StorageError: the catalogue is damaged or the disk full; the copies that there are stay.
    """
    target = folder_of(database) / f"{database.stem}-{_stamp()}.db"
    fresh = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    with storing(database.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            _copy(database, fresh)
            if wrong := _faults_of(fresh):
                raise damaged(database, wrong)
            os.replace(fresh, target)
        except sqlite3.OperationalError as error:
            if _of_damage(str(error)):
                raise damaged(database, str(error)) from error
            why = f"The catalogue could not be copied: {error}."
            raise StorageError(why, "Is the disk full or read-only?") from error
        except sqlite3.Error as error:
            raise damaged(database, str(error)) from error
        finally:
            fresh.unlink(missing_ok=True)
        for old in set(copies(database)) - _worth_keeping(copies(database)):
            old.unlink(missing_ok=True)
    return target


def _worth_keeping(newest_first: list[Path]) -> set[Path]:
    days: dict[str, Path] = {}
    for path in newest_first:
        days.setdefault(path.stem[: -len("-HHMMSS")], path)
    return {*newest_first[:KEPT], *list(days.values())[:KEPT]}


def back_up_if_due(database: Path) -> Path | None:
    """A copy where the newest is an hour old and the catalogue has changed since; None where none is due."""
    newest = next((p.stat().st_mtime for p in copies(database)), 0.0)
    if time.time() - newest < INTERVAL_S or not database.exists() or not database.stat().st_size:
        return None
    changed = max(map(_written, (database, database.with_name(database.name + "-wal"))))
    try:
        return back_up(database) if changed > newest else None
    except DamagedError:
        raise
    except StorageError as error:  # a full or read-only disk: what is there can still be read
        _log.warning("%s", error.message)
        return None


def _written(path: Path) -> float:
    """When a file was last written to; SQLite takes those beside its own away when it likes."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def restore(database: Path, copy: Path | None = None) -> tuple[Path, Path | None]:
    """Puts a copy in the catalogue's place; what was there is kept under another name.

    Args:
        copy: Which; None for the newest that is sound.

    Returns:
        (the copy, where the old file is now, or None where there was none)

    Raises:
        UsageError: there is no copy, or the one that is named is none.
    """
    candidates = copies(database) if copy is None else [copy]
    sound = next((p for p in candidates if p.is_file() and not _faults_of(p)), None)
    if sound is None:
        where = f"in {str(folder_of(database))!r}" if copy is None else f"at {str(copy)!r}"
        raise UsageError(
            f"There is no sound copy of the catalogue {where}.",
            "Models are still in the store; without a catalogue they have no names. Move the damaged file away to begin"
            " with an empty one.",
        )
    old = database.with_name(f"{database.name}.damaged-{_stamp()}")
    fresh = database.with_name(f".{database.name}.{secrets.token_hex(4)}")
    with storing(database.parent):
        try:
            _copy(sound, fresh)
            existed = database.exists()
            for end in _BESIDE:  # first, or SQLite would write them into the copy
                with contextlib.suppress(FileNotFoundError):
                    os.replace(database.with_name(database.name + end), old.with_name(old.name + end))
            if existed:
                try:
                    os.link(database, old)  # so that there is a catalogue at every moment
                except OSError:
                    os.replace(database, old)
            os.replace(fresh, database)
        finally:
            fresh.unlink(missing_ok=True)
    return sound, old if existed else None


def _copy(database: Path, target: Path) -> None:
    """A copy of a moment, on the disk when this ends, readable for its owner alone."""
    target.touch(mode=0o600)
    with (
        contextlib.closing(sqlite3.connect(database, timeout=10)) as source,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        source.backup(copy)
    with target.open("rb+") as file:
        os.fsync(file.fileno())


def _faults_of(path: Path) -> str:
    """What SQLite's own check says against a file that nobody writes to; empty where it is a sound catalogue."""
    try:
        address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        with contextlib.closing(sqlite3.connect(address, uri=True)) as connection:
            said = [row[0] for row in connection.execute("pragma quick_check(3)")]
            known = connection.execute("select 1 from sqlite_master where name = 'alembic_version'").fetchone()
    except sqlite3.Error as error:
        return str(error)
    if said != ["ok"]:
        return "; ".join(map(str, said))
    return "" if known else "it holds no catalogue"


def _stamp() -> str:
    return datetime.datetime.now().astimezone().strftime("%Y-%m-%d-%H%M%S")


class DamagedError(StorageError):
    """The catalogue's file is no sound database."""


class AwayError(StorageError):
    """The database cannot be had at the moment, which passes: nothing is wrong with what was asked."""


def damaged(database: Path, why: str) -> DamagedError:
    """The error of a file that is no sound catalogue."""
    newest = next((p for p in copies(database)), None)
    mend = (
        f"`postgrad restore` puts the newest sound copy in its place ({newest.name}) and keeps the damaged file."
        if newest is not None
        else "There is no copy of it yet. Restore it from a backup of yours, or move it away to begin with an empty"
        " one: the models' files stay in the store."
    )
    return DamagedError(f"The catalogue {str(database)!r} is damaged: {why}.", mend)


def emptied(database: Path) -> bool:
    """Whether the file is empty although the home has been used: it was not made just now."""
    for wait in (0.5, 0.0):
        try:
            if database.stat().st_size:
                return False
        except FileNotFoundError:
            return False
        if not copies(database) and not any((home() / "blobs").glob("*/*")):
            return False
        time.sleep(wait)  # another process may be making it in this moment
    return True


def _of_damage(said: str) -> bool:
    return "malformed" in said or "no such" in said or "not a database" in said


@contextlib.contextmanager
def as_storage_errors(url: str) -> Iterator[None]:
    """Says what a database's errors mean: damage, or something that passes. Those about rows and values fly as they
    are.

    Raises:
        StorageError: the database is damaged, or cannot be read or written at the moment.
    """
    try:
        yield
    except (IntegrityError, DataError):
        raise
    except DBAPIError as error:
        database, said = file_of(url), str(error.orig)
        if database is not None and (not isinstance(error, OperationalError) or _of_damage(said)):
            raise damaged(database, said) from error
        raise AwayError(
            f"The catalogue {make_url(url)!r} cannot be read or written at the moment: {said}.",
            "Is the disk full or read-only, the file locked, the database's server away, or DATABASE_URL wrong?",
        ) from error
