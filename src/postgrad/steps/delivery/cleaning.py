"""What the store holds that nothing refers to any more: freed by `postgrad models clean`, so that deleted data is gone.

Counted is every reference: of models that are not deleted, and of jobs and evaluations in the same database. What was
written within the last hour is left alone: somebody may be about to register it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import inspect, select, text

from postgrad.blobs import Blobs
from postgrad.registry import Catalogue
from postgrad.registry.tables import ModelRow
from postgrad.storage import home, remove_folder

GRACE_S = 3600.0


@dataclass(frozen=True)
class Cleaned:
    """What was freed, or would be.

    Attributes:
        blobs: How many files of the store.
        folders: Copies and runs on this machine.
        bytes: Of all of them.
    """

    blobs: int
    folders: int
    bytes: int


def clean(catalogue: Catalogue, blobs: Blobs, *, pretend: bool = False, grace: float = GRACE_S) -> Cleaned:
    """Removes what nothing refers to.

    Args:
        catalogue: Knows what is referred to.
        blobs: The store.
        pretend: Only count.
        grace: Seconds for which what was written is left alone.

    Raises:
        StorageError: a list of files that is referred to is damaged, so that it is not known what it holds.
    """
    needed = referred(catalogue, blobs)
    count = freed = 0
    for digest, size, at in blobs.all():
        if digest not in needed and time.time() - at > grace:
            count, freed = count + 1, freed + size
            if not pretend:
                blobs.remove(digest)
    folders = 0
    for folder in _folders(needed, grace):
        folders += 1
        freed += sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        if not pretend:
            remove_folder(folder)
    return Cleaned(count, folders, freed)


def referred(catalogue: Catalogue, blobs: Blobs) -> set[str]:
    """The digests of everything that is in use, files of folders included."""
    out: set[str] = set()
    with catalogue.session() as session:
        for row in session.scalars(select(ModelRow).where(~ModelRow.deleted)):
            out |= {row.blob, row.report or ""} | set(_digests(row.details))
        connection = session.connection()
        for table in inspect(connection).get_table_names():
            if table != "models":
                for values in connection.execute(text(f'select * from "{table}"')):  # noqa: S608 - our own tables
                    out |= set(_digests(list(values)))
    for digest in [d for d in out if d.startswith("sha256:")]:
        out |= set(_files(blobs, digest))
    return out


def _files(blobs: Blobs, digest: str) -> list[str]:
    """The files of a folder; none for a blob that is none."""
    try:
        head = blobs.head(digest)
    except FileNotFoundError:
        return []
    if not head.startswith(b'{"files":'):
        return []
    return list(blobs.files_of(digest).values())


def _digests(value: object) -> Iterator[str]:
    """Every digest in a JSON-safe value, texts that are JSON themselves included."""
    if isinstance(value, str):
        if value.startswith("sha256:"):
            yield value
        elif value[:1] in "{[" and "sha256:" in value:
            try:
                yield from _digests(json.loads(value))
            except ValueError:
                return
    elif isinstance(value, dict):
        for one in value.values():
            yield from _digests(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _digests(one)


def _folders(needed: set[str], grace: float) -> Iterator[Path]:
    """Copies of folders that nothing refers to, and runs that have ended."""
    for place, kept in ((home() / "cache", needed), (home() / "runs", set[str]())):
        if not place.is_dir():
            continue
        for folder in place.iterdir():
            old = time.time() - folder.stat().st_mtime > grace
            named = len(folder.name) == (64 if place.name == "cache" else 16)
            if folder.is_dir() and old and named and f"sha256:{folder.name}" not in kept:
                yield folder
