"""One file (or standard input) → its rows. What its first bytes are decides which reader takes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePath

from postgrad.data.formats.format import Format
from postgrad.data.formats.registry import HEAD, data_endings, format_of
from postgrad.data.sources.address import Address
from postgrad.data.sources.bytestream import ByteStream, open_bytes
from postgrad.data.sources.chunks import Chunker
from postgrad.data.sources.rows import Rows
from postgrad.data.sources.spoilt import unspoilt
from postgrad.errors import DataError


def read_file(place: Address) -> Rows:
    """The rows of a file or of standard input.

    Raises:
        DataError: It cannot be opened, unpacked or read, or holds no examples.
    """
    with unspoilt(place.name), open_bytes(place, data_endings()) as stream:
        return _format(stream, place).read(stream, place.part)


def stream_file(place: Address, chunk: int) -> Iterator[Rows]:
    """The rows of a file or of standard input, chunk by chunk. Workbooks, mail and JSON lists are read as a whole
    first.

    Raises:
        DataError: As `read_file`, some of it after the last chunk.
    """
    with unspoilt(place.name), open_bytes(place, data_endings()) as stream:
        form = _format(stream, place)
        if form.stream is None:
            yield from Chunker.cut(form.read(stream, place.part), chunk)
        else:
            yield from form.stream(stream, chunk)


def _format(stream: ByteStream, place: Address) -> Format:
    form = format_of(stream.peek(HEAD), PurePath(stream.name).suffix)
    if place.part and not form.has_parts and stream.packed != "zip":
        raise DataError(
            f"{place.name}: {str(place.path)!r} is no workbook or archive with a part {place.part!r}.",
            f"Name the file alone: {place.path}" if isinstance(place.path, Path) else "Name no part.",
        )
    return form
