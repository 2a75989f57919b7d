"""A zip archive that holds one file of data: which one it is, and how it is opened. Several are listed, not guessed."""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import IO

from postgrad.data.sources.file_types import zipped_kind
from postgrad.errors import DataError

_LISTED = 10
Member = tuple[IO[bytes], str, int, tuple[str, ...]]
"""(opened file, its name, its packed size in bytes, notes)"""


@contextmanager
def open_member(archive: IO[bytes], file: str, endings: Collection[str], wanted: str = "") -> Iterator[Member | None]:
    """Opens the one data file of an archive, or the one that is wanted; None for a workbook, which is a zip by nature.

    Raises:
        DataError: A damaged archive, another kind of zipped file, several data files, none, or one with a password.
    """
    try:
        packed = zipfile.ZipFile(archive)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise DataError(f"{file} is a damaged zip archive ({error}).", "Get it again, or pack it again.") from error
    with packed:
        names = packed.namelist()
        if is_workbook(packed):
            yield None
            return
        if (kind := zipped_kind(names)) is not None:
            raise DataError(f"{file} is {kind[0]}, not a text table.", kind[1])
        name, notes = choose_member(names, file, endings, wanted)
        info = packed.getinfo(name)
        if info.flag_bits & 1:
            raise DataError(f"{file}: {name!r} in it is locked with a password.", "Unpack it and give the file inside.")
        try:
            inner = packed.open(info)
        except (zipfile.BadZipFile, NotImplementedError) as error:
            raise DataError(f"{file}: {name!r} in it cannot be unpacked ({error}).", "Pack it again.") from error
        with inner:
            yield inner, PurePosixPath(name).name, max(info.compress_size, 1), notes


def is_workbook(packed: zipfile.ZipFile) -> bool:
    """Whether an archive is an .xlsx or .ods workbook."""
    names = packed.namelist()
    if "xl/workbook.xml" in names:
        return True
    if "mimetype" not in names or packed.getinfo("mimetype").file_size > 200:
        return False
    return b"opendocument.spreadsheet" in packed.read("mimetype")


def choose_member(
    names: list[str], file: str, endings: Collection[str], wanted: str = ""
) -> tuple[str, tuple[str, ...]]:
    """(name of the data file, notes).

    Raises:
        DataError: None, several, or not the wanted one.
    """
    files = [n for n in names if not n.endswith("/") and not _is_litter(n)]
    if not files:
        raise DataError(f"{file} is a zip archive without a file in it.", "Pack one file of examples.")
    data = [n for n in files if PurePosixPath(n).suffix.lower() in endings]
    listed = ", ".join((data or files)[:_LISTED]) + (", …" if len(data or files) > _LISTED else "")
    if wanted:
        if wanted not in files:
            raise DataError(f"{file} holds no file {wanted!r}; it holds {listed}.", "Name one of these after the #.")
        return wanted, ()
    if len(data) > 1 or (not data and len(files) > 1):
        raise DataError(
            f"{file} holds {len(data or files)} files: {listed}.",
            f"Name one: '{file}#{(data or files)[0]}', or unpack it and give the folder.",
        )
    chosen = (data or files)[0]
    others = [n for n in files if n != chosen]
    notes = (f"read {chosen!r} from the archive",)
    if others:
        notes += (f"left out of the archive: {', '.join(others[:_LISTED])}",)
    return chosen, notes


def _is_litter(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return parts[0] == "__MACOSX" or parts[-1].startswith(".")
