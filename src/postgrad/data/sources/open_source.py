"""The front door: whatever a user names → rows. Files of every kind, folders, standard input, the hub, a database.

What cannot be read is refused with one message that says what it is and what to do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from postgrad.data.formats.registry import format_named
from postgrad.data.formats.slack import is_slack, read_slack
from postgrad.data.sources.address import Address, place_of
from postgrad.data.sources.chunks import Chunker
from postgrad.data.sources.data_files import read_file, stream_file
from postgrad.data.sources.database import read_sql, stream_sql
from postgrad.data.sources.folders import CHOSEN, files_in, pictures_in
from postgrad.data.sources.hub import download, parse_address
from postgrad.data.sources.rows import Rows, columns_of
from postgrad.data.sources.spoilt import unspoilt
from postgrad.errors import DataError


def read_rows(source: Path | str) -> Rows:
    """Reads one source of examples as a whole.

    Args:
        source: A file of any kind that docs/data.md lists, also packed, with `#sheet` or `#file in a zip` where a part
            is meant; a folder of such files (each row then says its `file`); `-` for standard input;
            `hf://datasets/owner/name[@revision][/path or split]`; `postgres://…#SELECT …` or
            `sqlite:///file.db#SELECT …`.

    Raises:
        DataError: The source is missing, unreadable, empty, of an unknown kind, broken, or holds no examples.
    """
    found = read_all(source)
    return found[0] if len(found) == 1 else _joined(found, str(source))


def read_all(source: Path | str) -> tuple[Rows, ...]:
    """`read_rows`, with the files behind a folder or a hub data set kept apart, so that each row knows its own file."""
    place = place_of(source)
    if place.kind == "database":
        with unspoilt(place.name):
            return (read_sql(place.name, place.part),)
    special = _special_folder(place)
    if special is not None:
        return (special,)
    files, notes = _files(place)
    try:
        found = [replace(read_file(one), file=one.name) for one in files]
    except DataError as error:
        if place.path is None or not place.path.is_dir() or not (pictures := pictures_in(place.path)):
            raise
        raise DataError(
            f"{str(place.path)!r} holds {pictures:,} pictures. postgrad learns from text; pictures are not trained on"
            f" yet. Of its other files: {error.message}",
            "Give a table with what is asked and the right answer as text.",
        ) from error
    return tuple(replace(rows, notes=(*notes, *rows.notes)) if i == 0 else rows for i, rows in enumerate(found))


def stream_rows(source: Path | str, chunk: int = 10_000) -> Iterator[Rows]:
    """Reads a source chunk by chunk, in constant memory for JSONL, CSV, TSV, Parquet, Arrow and SQL, also packed or
    from standard input; what cannot be cut is read as a whole first. Of a folder, one file after the other.

    Args:
        source: As `read_rows`.
        chunk: Rows of a chunk at most; fewer where rows are long.

    Yields:
        Rows with their true line numbers, the columns known so far, and each note once.

    Raises:
        DataError: As `read_rows`; faults of single lines are collected and raised after a file's last chunk.
    """
    place = place_of(source)
    if place.kind == "database":
        with unspoilt(place.name):
            yield from stream_sql(place.name, place.part, chunk)
        return
    special = _special_folder(place)
    if special is not None:
        yield from Chunker.cut(special, chunk)
        return
    files, notes = _files(place)
    for one in files:
        for rows in stream_file(one, chunk):
            yield replace(rows, notes=(*notes, *rows.notes))
            notes = []


def _special_folder(place: Address) -> Rows | None:
    """Folders that are one source as a whole: a Slack export, and a folder of mails, whose threads go across files."""
    if place.path is None or not place.path.is_dir():
        return None
    if is_slack(place.path):
        with unspoilt(place.name):
            return read_slack(place.path)
    files, notes = files_in(place.path)
    form = format_named(files[0].suffix.lower())
    if form is None or form.whole_folder is None:
        return None
    with unspoilt(place.name):
        rows = form.whole_folder(place.path, [f for f in files if f.suffix.lower() in form.endings])
    return replace(rows, notes=(*notes, *rows.notes))


def _files(place: Address) -> tuple[list[Address], list[str]]:
    """The files behind a place, and what is to be said of the choice."""
    if place.kind == "hub":
        downloaded, notes = download(parse_address(place.name))
        return [Address("file", name, path) for name, path in downloaded], notes
    if place.path is not None and place.path.is_dir():
        paths, notes = files_in(place.path)
        return [Address("file", str(path), path) for path in paths], notes
    return [place], []


def _joined(found: tuple[Rows, ...], source: str) -> Rows:
    """The rows of several files as one, each with its `file`."""
    column = next(
        name for name in ("file", "source_file", "_file", "__file__") if all(name not in f.columns for f in found)
    )
    rows = [(line, {**values, column: one.file}) for one in found for line, values in one]
    forms = {one.format for one in found}
    form = forms.pop() if len(forms) == 1 else "folder"
    return Rows(source, form, tuple(rows), columns_of(rows), (f"read {len(found)} files", *_notes(found)))


def _notes(found: tuple[Rows, ...]) -> list[str]:
    """The notes of all files; what is said of several alike, but for numbers, is said once."""
    alike: dict[str, list[str]] = {}
    for one in found:
        for note in one.notes:
            shown = note if note.startswith(CHOSEN) else f"{one.file}: {note}"
            alike.setdefault(re.sub(r"\d+", "#", note), []).append(shown)
    return [f"{n[0]} (and alike in {len(n) - 1} more)" if len(n) > 1 else n[0] for n in alike.values()]
