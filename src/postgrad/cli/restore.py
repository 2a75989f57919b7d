"""`postgrad restore`: the catalogue from one of its dated copies."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import Annotated

import typer

from postgrad.cli.support.door import out
from postgrad.errors import UsageError


def command(
    copy: Annotated[
        Path | None, typer.Argument(help="A copy, by its name or path; the newest sound one otherwise.")
    ] = None,
    list_copies: Annotated[bool, typer.Option("--list", help="Show the copies that there are.")] = False,
) -> None:
    """Puts a dated copy of the catalogue (names of models, jobs, keys) in its place. Stop servers on this home before.

    Copies are made at most once an hour, and before every change of the schema, in `backups/` of the home folder. The
    file that is replaced is kept beside it. Models that were registered after the copy are in the store, without names.
    """
    from postgrad.registry import backups
    from postgrad.registry.catalogue import catalogue_url

    database = backups.file_of(catalogue_url())
    if database is None:
        raise UsageError(
            f"The catalogue is not a file here ({'DATABASE_URL' if os.environ.get('DATABASE_URL') else 'in memory'}).",
            "Restore it with its own tools: pg_dump and pg_restore for PostgreSQL.",
        )
    if list_copies:
        for path in backups.copies(database):
            made = datetime.datetime.fromtimestamp(path.stat().st_mtime).astimezone()
            out(f"{path.name}  {made:%Y-%m-%d %H:%M}  {path.stat().st_size / 1e6:.1f} MB")
        return
    if copy is not None and not copy.exists() and (backups.folder_of(database) / copy).exists():
        copy = backups.folder_of(database) / copy
    used, kept = backups.restore(database, copy)
    out(f"The catalogue is that of {used.name} again." + (f" The old file is {kept}." if kept else ""))
