"""A file or standard input as unpacked bytes, block by block, within limits: nothing is unpacked or held without
end."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from postgrad.data.sources.address import Address
from postgrad.data.sources.file_types import ZIP, packing
from postgrad.data.sources.zips import open_member
from postgrad.errors import DataError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK = 1 << 20
WHOLE_LIMIT = 2**31
"""Bytes that are unpacked, or taken from standard input, into memory or a temporary file at most."""
RATIO_LIMIT = 200
RATIO_FROM = 2**28
"""From this many unpacked bytes on, a file that grew more than `RATIO_LIMIT` times is taken for a bomb."""
PACKED_ENDINGS = (".gz", ".gzip", ".zst", ".zstd", ".bz2", ".xz")
_DAMAGE = (gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError, OSError, zipfile.BadZipFile, NotImplementedError)


class _Peekable(io.RawIOBase):
    """A reader whose first bytes can be looked at and are still read afterwards."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._held = b""
        self.consumed = 0

    def peek(self, size: int) -> bytes:
        while len(self._held) < size and (more := self._inner.read(size - len(self._held))):
            self._held += more
        return self._held[:size]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        place = memoryview(buffer).cast("B")
        if self._held:
            piece, self._held = self._held[: len(place)], self._held[len(place) :]
        else:
            piece = self._inner.read(len(place)) or b""
        place[: len(piece)] = piece
        self.consumed += len(piece)
        return len(piece)


class ByteStream:
    """Unpacked bytes of one source.

    Attributes:
        file: What messages call it.
        name: The name without the ending of its packing, lower case: a hint at the format.
        packed: How it was packed; None where it was not.
        notes: What was noticed while opening.
    """

    def __init__(
        self,
        inner: Any,
        file: str,
        name: str,
        *,
        path: Path | None = None,
        packed: str | None = None,
        raw: _Peekable | None = None,
        size: int = 0,
        notes: tuple[str, ...] = (),
    ) -> None:
        self.file, self.name, self.packed, self.notes = file, name, packed, notes
        self._inner, self._path, self._raw, self._size = inner, path, raw, size
        self._held = b""
        self._given = 0

    def peek(self, size: int) -> bytes:
        """The first bytes, as many as there are up to `size`; they stay to be read."""
        pieces = [self._held]
        have = len(self._held)
        while have < size and (more := self._read(size - have)):
            pieces.append(more)
            have += len(more)
        self._held = b"".join(pieces)
        return self._held[:size]

    def blocks(self) -> Iterator[bytes]:
        """All bytes, about a megabyte at a time."""
        while self._held:
            piece, self._held = self._held[:BLOCK], self._held[BLOCK:]
            yield piece
        while block := self._read(BLOCK):
            yield block

    def whole_blocks(self) -> Iterator[bytes]:
        """`blocks` of what must be held as a whole: packed files and standard input end at `WHOLE_LIMIT`."""
        total = 0
        for block in self.blocks():
            total += len(block)
            if total > WHOLE_LIMIT and (self.packed or self._path is None):
                what = "unpacks to" if self.packed else "is"
                raise DataError(f"{self.file} {what} more than {_size(WHOLE_LIMIT)}.", "Split it into smaller files.")
            yield block

    @contextmanager
    def as_file(self) -> Iterator[IO[bytes]]:
        """A seekable file with these bytes: the file itself, or a temporary one where it was packed or is no file."""
        if self._path is not None and not self.packed:
            with self._path.open("rb") as file:
                yield file
            return
        with tempfile.TemporaryFile() as file:
            for block in self.whole_blocks():
                file.write(block)
            file.seek(0)
            yield file

    def _read(self, size: int) -> bytes:
        try:
            block = self._inner.read(size) or b""
        except _DAMAGE as error:
            if self.packed is None:
                raise _unreadable(self.file, error) from error
            raise DataError(
                f"{self.file} is a damaged {self.packed} file ({error}).", "Get it again, or pack it again."
            ) from error
        self._given += len(block)
        eaten = self._size or (self._raw.consumed if self._raw else 0)
        if self.packed and self._given > RATIO_FROM and self._given > RATIO_LIMIT * max(eaten, 1):
            raise DataError(
                f"{self.file} unpacks to more than {RATIO_LIMIT} times its size ({_size(self._given)} so far): it may"
                " be made to fill the machine.",
                "If you trust it, unpack it yourself and give the result.",
            )
        return block


@contextmanager
def open_bytes(place: Address, endings: Collection[str]) -> Iterator[ByteStream]:
    """Opens a file or standard input and unpacks one layer of gzip, zstd, bzip2, xz, or a zip archive with one file.

    Args:
        place: What to open.
        endings: Of files that count as data in an archive.

    Raises:
        DataError: Missing, a folder, no permission, empty, or an archive that cannot be read.
    """
    if place.path is None:
        with _layers(_Peekable(sys.stdin.buffer), place, 0, endings) as stream:
            yield stream
        return
    try:
        handle = place.path.open("rb")
        size = place.path.stat().st_size
    except OSError as error:
        raise _cannot_open(place.path, error) from error
    with handle, _layers(_Peekable(handle), place, size, endings) as stream:
        yield stream


@contextmanager
def _layers(raw: _Peekable, place: Address, size: int, endings: Collection[str]) -> Iterator[ByteStream]:
    file = place.name
    name = (place.path.name if place.path else "").lower()
    try:
        head = raw.peek(8)
    except OSError as error:
        raise _unreadable(file, error) from error
    kind = packing(head)
    if kind is not None:
        for ending in PACKED_ENDINGS:
            name = name.removesuffix(ending)
        yield ByteStream(_unpacker(kind, raw), file, name, path=place.path, packed=kind, raw=raw, size=size)
    elif head.startswith(ZIP):
        plain = ByteStream(raw, file, name, path=place.path)
        with plain.as_file() as archive, open_member(archive, file, endings, place.part) as member:
            if member is None:
                archive.seek(0)
                yield plain if place.path else ByteStream(archive, file, name)
                return
            inner, inner_name, packed_size, notes = member
            yield ByteStream(
                inner, file, inner_name.lower(), path=place.path, packed="zip", size=packed_size, notes=notes
            )
    else:
        yield ByteStream(raw, file, name, path=place.path)


def _unpacker(kind: str, raw: _Peekable) -> Any:
    if kind == "gzip":
        return gzip.GzipFile(fileobj=raw)  # pyright: ignore[reportArgumentType]
    if kind == "bzip2":
        return bz2.BZ2File(raw)  # pyright: ignore[reportArgumentType]
    if kind == "xz":
        return lzma.LZMAFile(raw)  # pyright: ignore[reportArgumentType]
    import pyarrow as pa

    return pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd")


def _size(count: int) -> str:
    return f"{count / 2**30:.3g} GB" if count >= 2**30 else f"{count / 2**20:.0f} MB"


def _unreadable(file: str, error: BaseException) -> DataError:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return DataError(f"{file!r} cannot be read: {reason}.", "Check the disk or the path.")


def _cannot_open(path: Path, error: OSError) -> DataError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        beside = sorted(p.name for p in path.parent.glob(f"*{path.suffix}"))[:3] if path.parent.is_dir() else []
        hint = f" Files there: {', '.join(beside)}." if beside else ""
        return DataError(f"There is no file {str(path)!r}.", f"Check the spelling and the folder.{hint}")
    if isinstance(error, IsADirectoryError):
        return DataError(f"{str(path)!r} is a folder, not a file of examples.", "Name a file in it.")
    if isinstance(error, PermissionError):
        return DataError(f"No permission to read {str(path)!r}.", f"Allow it: chmod u+r {path}")
    return _unreadable(str(path), error)
