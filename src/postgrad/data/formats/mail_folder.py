"""A folder of .eml files → one row a message; a request and its reply are found across the files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from postgrad.data.formats.mail import COLUMNS, MESSAGE_LIMIT, read_message, to_rows
from postgrad.data.sources.address import Address
from postgrad.data.sources.bytestream import open_bytes
from postgrad.data.sources.rows import Rows
from postgrad.errors import DataError


def read_mail_folder(folder: Path, files: Sequence[Path]) -> Rows:
    """All messages, ordered by date; each row says its `file`, and its line is the message's place in the folder.

    Raises:
        DataError: A file that cannot be opened, or no message at all.
    """
    mails = []
    notes = []
    for number, path in enumerate(files, start=1):
        with open_bytes(Address("file", str(path), path), (".eml",)) as stream:
            raw = stream.peek(MESSAGE_LIMIT + 1)
        if len(raw) > MESSAGE_LIMIT or not raw.strip():
            notes.append(f"{path} is {'empty' if not raw.strip() else 'too long'} and was left out")
        else:
            mails.append(read_message(raw, number, path.relative_to(folder).as_posix()))
    if not mails:
        raise DataError(f"{str(folder)!r} holds no message that can be read.", "Export the messages again.")
    mails.sort(key=lambda mail: mail.date)
    rows, more = to_rows(mails)
    rows = [(line, {**values, "file": mail.file}) for (line, values), mail in zip(rows, mails, strict=True)]
    return Rows(str(folder), "eml", tuple(rows), (*COLUMNS, "file"), (*notes, *more))
