"""What the store holds that nothing refers to any more: freed by `postgrad models clean`, so that deleted data is gone.

Counted is every reference: of models that are not deleted, of jobs and evaluations in the same database, and of what
commands of the last day kept, for they may be about to register it. What was written within the last hour is left
alone, and so is what nobody knows the age of.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import inspect, select, text

from postgrad.blobs import Blobs
from postgrad.registry import Catalogue
from postgrad.registry.tables import ModelRow
from postgrad.storage import StageStore, home, remove_folder
from postgrad.training_run import FINAL_STATES, RunFolder

GRACE_S = 3600.0
DAY_S = 86400.0
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")


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


def clean(
    catalogue: Catalogue, blobs: Blobs, *, pretend: bool = False, now: bool = False, grace: float = GRACE_S
) -> Cleaned:
    """Removes what nothing refers to.

    Args:
        catalogue: Knows what is referred to.
        blobs: The store.
        pretend: Only count.
        now: Do not wait for what commands of the last day kept, and what is new: nothing else runs on this home.
        grace: Seconds for which what was written is left alone.

    Raises:
        StorageError: a list of files that is referred to is damaged, so that it is not known what it holds.
    """
    grace, needed = (0.0 if now else grace), referred(catalogue, blobs)
    if not now:
        needed |= _with_files(blobs, _kept_by_commands())
    count = freed = 0
    for digest, size, at in blobs.all():
        if digest not in needed and at and time.time() - at >= grace:
            count, freed = count + 1, freed + size
            if not pretend:
                blobs.remove(digest)
    folders = 0
    for folder in _folders(needed, grace, now):
        folders += 1
        freed += sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        if not pretend:
            remove_folder(folder)
    return Cleaned(count, folders, freed)


def _kept_by_commands() -> set[str]:
    """What results of commands of the last day speak of: a run registers its model long after the training."""
    out: set[str] = set()
    for path in StageStore.default().folder.rglob("*.json"):
        if time.time() - path.stat().st_mtime < DAY_S:
            out |= set(_digests(path.read_text("utf-8", "replace")))
    return out


def _with_files(blobs: Blobs, digests: set[str]) -> set[str]:
    """The digests, and the files of those that are folders."""
    return digests | {name for digest in digests for name in _files(blobs, digest)}


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
    return _with_files(blobs, {digest for digest in out if _DIGEST.match(digest)})


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
        if _DIGEST.match(value):
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


def _folders(needed: set[str], grace: float, now: bool) -> Iterator[Path]:
    """Copies of folders that nothing refers to, the truths about them, and the runs of trainings that have ended."""
    for place in (home() / "cache", home() / "cache" / "probes"):
        for folder in place.iterdir() if place.is_dir() else ():
            named = len(folder.name) == 64 and f"sha256:{folder.name}" not in needed
            if named and folder.is_dir() and time.time() - _touched(folder) >= grace:
                yield folder
    runs = home() / "runs"
    for folder in runs.iterdir() if runs.is_dir() else ():
        over = RunFolder(folder).read_state().get("state") in FINAL_STATES
        if over and (now or time.time() - _touched(folder) > DAY_S):
            yield folder


def _touched(folder: Path) -> float:
    """When anything in a folder was last written."""
    return max((p.stat().st_mtime for p in (folder, *folder.rglob("*"))), default=0.0)
