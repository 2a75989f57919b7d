"""One file (or standard input) → its rows. What its first bytes are decides which reader takes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from postgrad.data.formats.columnar import stream_columnar
from postgrad.data.formats.mail import mail_form, read_mail
from postgrad.data.formats.text_files import read_text, stream_text
from postgrad.data.formats.workbooks import read_workbook
from postgrad.data.sources.address import Place
from postgrad.data.sources.bytestream import ByteStream, open_bytes
from postgrad.data.sources.chunks import WHOLE, Chunker
from postgrad.data.sources.file_types import binary_format
from postgrad.data.sources.rows import Rows
from postgrad.errors import DataError


def read_file(place: Place) -> Rows:
    """The rows of a file or of standard input.

    Raises:
        DataError: It cannot be opened, unpacked or read, or holds no examples.
    """
    with open_bytes(place) as stream:
        form = _form(stream, place)
        if form in ("zip", "office"):
            return read_workbook(stream, form, place.part)
        if form in ("parquet", "arrow"):
            return Chunker.join(list(stream_columnar(stream, form, WHOLE)))
        if form in ("mbox", "eml"):
            return read_mail(stream, form)
        return read_text(stream)


def stream_file(place: Place, chunk: int) -> Iterator[Rows]:
    """The rows of a file or of standard input, chunk by chunk. Workbooks, mail and JSON lists are read as a whole
    first.

    Raises:
        DataError: As `read_file`, some of it after the last chunk.
    """
    with open_bytes(place) as stream:
        form = _form(stream, place)
        if form in ("zip", "office"):
            yield from Chunker.cut(read_workbook(stream, form, place.part), chunk)
        elif form in ("parquet", "arrow"):
            yield from stream_columnar(stream, form, chunk)
        elif form in ("mbox", "eml"):
            yield from Chunker.cut(read_mail(stream, form), chunk)
        else:
            yield from stream_text(stream, chunk)


def _form(stream: ByteStream, place: Place) -> str:
    head = stream.peek(16_384)
    form = binary_format(head) or mail_form(head) or "text"
    if place.part and form not in ("zip", "office") and stream.packed != "zip":
        raise DataError(
            f"{place.name}: {str(place.path)!r} is no workbook or archive with a part {place.part!r}.",
            f"Name the file alone: {place.path}" if isinstance(place.path, Path) else "Name no part.",
        )
    return form
