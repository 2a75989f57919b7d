"""Reads a multipart form as it comes in: the file goes to disk, hashed and counted; nothing of it is held in memory."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from fastapi import Request
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from postgrad.serving.wire.api_errors import ApiError
from postgrad.storage import storing

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_FIELDS, MAX_FIELD_BYTES = 32, 1 << 16


@dataclass
class UploadedForm:
    """What a form held.

    Attributes:
        fields: The values of all fields but the file's.
        filename: As the client calls the file; never used as a path. None where the form had no file.
        size: Bytes of the file.
        digest: `sha256:<hex>` of the file.
        md5: Hex digest of the file.
    """

    fields: dict[str, str] = field(default_factory=dict)
    filename: str | None = None
    size: int = 0
    digest: str = ""
    md5: str = ""


async def read_form(request: Request, name: str, target: Path, limit: int) -> UploadedForm:
    """Reads the form; the content of its file field goes to `target`.

    Args:
        name: The file field.
        target: A new file, to be removed by the caller if this raises.
        limit: Most bytes of the file. What comes after is read and thrown away, so that the client hears the answer.

    Raises:
        ApiError: no such form, or it is too large.
        StorageError: the disk is full.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data" or b"boundary" not in options:
        raise ApiError(400, "The request must be multipart/form-data.", "invalid_content_type")
    with storing(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as out:
            reader = _Reader(name, out, limit)
            parser = MultipartParser(options[b"boundary"], reader.callbacks())
            await _feed(parser, reader, request.stream(), limit)
    if reader.form.size > limit:
        raise ApiError(
            413,
            f"The file is too large: at most {limit:,} bytes are taken.",
            "file_too_large",
            name,
            headers={"x-should-retry": "false"},
        )
    reader.form.digest, reader.form.md5 = f"sha256:{reader.sha256.hexdigest()}", reader.md5.hexdigest()
    return reader.form


async def _feed(parser: MultipartParser, reader: _Reader, chunks: AsyncIterator[bytes], limit: int) -> None:
    read = 0
    try:
        async for chunk in chunks:
            read += len(chunk)
            if reader.form.size <= limit:
                parser.write(chunk)
            elif read > 3 * limit + MAX_FIELDS * MAX_FIELD_BYTES:
                return  # who goes on sending is hung up on
        if reader.form.size <= limit:
            parser.finalize()
    except MultipartParseError as error:
        raise ApiError(400, f"The form cannot be read: {error}.", "invalid_multipart") from error
    except ClientDisconnect as gone:
        raise ApiError(400, "The client hung up.", "invalid_multipart") from gone
    if not reader.ended and reader.form.size <= limit:
        raise ApiError(400, "The form ends in the middle.", "invalid_multipart")


class _Reader:
    """The parser's callbacks."""

    def __init__(self, name: str, out: BinaryIO, limit: int) -> None:
        self.name, self.out, self.limit = name, out, limit
        self.form, self.sha256, self.md5 = UploadedForm(), hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        self.ended = False
        self._headers: dict[bytes, bytes] = {}
        self._key, self._value = b"", b""
        self._field, self._is_file, self._text = "", False, bytearray()

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._on_key,
            "on_header_value": self._on_value,
            "on_header_end": self._on_header,
            "on_headers_finished": self._on_headers,
            "on_part_data": self._on_data,
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def _begin(self) -> None:
        self._headers, self._text, self._is_file = {}, bytearray(), False

    def _on_key(self, data: bytes, start: int, end: int) -> None:
        self._key += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header(self) -> None:
        self._headers[self._key.lower()] = self._value
        self._key = self._value = b""

    def _on_headers(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        self._field = options.get(b"name", b"").decode("utf-8", "replace")
        self._is_file = self._field == self.name
        if self._is_file:
            if self.form.filename is not None:
                raise ApiError(400, f"The form has more than one {self.name!r}.", "invalid_multipart", self.name)
            self.form.filename = options.get(b"filename", b"upload").decode("utf-8", "replace") or "upload"
        elif len(self.form.fields) >= MAX_FIELDS:
            raise ApiError(400, f"The form has more than {MAX_FIELDS} fields.", "invalid_multipart")

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        piece = data[start:end]
        if self._is_file:
            self.form.size += len(piece)
            if self.form.size <= self.limit:
                self.out.write(piece)
                self.sha256.update(piece)
                self.md5.update(piece)
        elif len(self._text) + len(piece) > MAX_FIELD_BYTES:
            raise ApiError(400, f"The field {self._field!r} is too long.", "invalid_multipart", self._field)
        else:
            self._text += piece

    def _end(self) -> None:
        if not self._is_file:
            self.form.fields[self._field] = self._text.decode("utf-8", "replace")

    def _finish(self) -> None:
        self.ended = True
