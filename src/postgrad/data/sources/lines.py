"""A long text line by line: the encoding is decided on the first megabytes and kept to; a line without end is
refused."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from postgrad.data.sources.bytestream import ByteStream
from postgrad.data.sources.encodings import WINDOWS_NOTE, alphabet_of, decode_line, mark_of, mixture_note
from postgrad.data.sources.rows import Some
from postgrad.errors import DataError

HEAD = 4 * 2**20
"""Bytes on which encoding, format, delimiter and quoting are decided."""
LINE_LIMIT = 64 * 2**20
"""Bytes of one line at most."""


class Lines:
    """The lines of a stream, each with its line end; `closing_notes` says afterwards what was met on the way.

    Attributes:
        notes: What was decided at the beginning.
    """

    def __init__(self, stream: ByteStream) -> None:
        head = stream.peek(HEAD)
        marked = mark_of(head)
        self._stream = stream
        self._wide, self._skip, self.notes = marked or ("", 0, ())
        if self._wide == "utf-8":
            self._wide = ""
        self._alphabet = None if self._wide else alphabet_of(head)
        if self._alphabet:
            self.notes = (f"read as {self._alphabet}, guessed from its bytes",)
        self._returns = not self._wide and b"\r" in head and b"\n" not in head
        self._bad = Some()
        self._nul = 0
        self._good = False

    def __iter__(self) -> Iterator[str]:
        pieces = self._wide_pieces() if self._wide else self._byte_pieces()
        for piece in pieces:
            if "\x00" in piece:
                self._nul += piece.count("\x00")
                piece = piece.replace("\x00", "")
            *lines, last = piece.split("\n")
            for line in lines:
                yield line + "\n"
            if last:
                yield last

    def closing_notes(self) -> list[str]:
        """Lines in another encoding, damaged characters, NULs: known once all lines were read."""
        notes = []
        if self._bad.count and (self._wide or self._alphabet):
            notes.append(f"{self._bad}: damaged characters were replaced by \ufffd")
        elif self._bad.count:
            notes.append(mixture_note(self._bad.first, self._bad.count) if self._good else WINDOWS_NOTE)
        if self._nul:
            notes.append(f"{self._nul} NUL characters were removed")
        return notes

    def _blocks(self) -> Iterator[bytes]:
        """Blocks that end with a line, without the byte order mark."""
        rest: list[bytes] = []
        size, number, skip = 0, 1, self._skip
        for block in self._stream.blocks():
            block, skip = block[skip:], 0
            if self._returns:
                block = block.replace(b"\r", b"\n")
            end = block.rfind(b"\n") + 1
            if end and not self._wide:
                rest.append(block[:end])
                whole = b"".join(rest)
                yield whole
                number += whole.count(b"\n")
                rest, size = [], 0
                block = block[end:]
            elif self._wide:
                yield block
                continue
            rest.append(block)
            size += len(block)
            if size > LINE_LIMIT:
                raise too_long(self._stream.file, number)
        if rest:
            yield b"".join(rest)

    def _byte_pieces(self) -> Iterator[str]:
        number = 0
        for block in self._blocks():
            count = block.count(b"\n")
            if self._alphabet is None:
                try:
                    text = block.decode("utf-8")
                    self._good = self._good or not block.isascii()
                except UnicodeDecodeError:
                    text = self._line_by_line(block, number)
            else:
                text = block.decode(self._alphabet, "replace")
                if "\ufffd" in text:
                    self._name_damaged(text, number)
            number += count
            yield text

    def _wide_pieces(self) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder(self._wide)("replace")
        number, held = 0, ""
        for block in self._blocks():
            held += decoder.decode(block)
            end = held.rfind("\n") + 1
            if end:
                piece, held = held[:end], held[end:]
                self._name_damaged(piece, number)
                number += piece.count("\n")
                yield piece
            elif len(held) > LINE_LIMIT // 2:
                raise too_long(self._stream.file, number + 1)
        held += decoder.decode(b"", True)
        self._name_damaged(held, number)
        yield held

    def _line_by_line(self, block: bytes, before: int) -> str:
        out = []
        for number, line in enumerate(block.split(b"\n"), start=before + 1):
            text, good = decode_line(line)
            if not good:
                self._bad.add(number)
            elif not self._good and not line.isascii():
                self._good = True
            out.append(text)
        return "\n".join(out)

    def _name_damaged(self, text: str, before: int) -> None:
        if "\ufffd" in text:
            for number, line in enumerate(text.split("\n"), start=before + 1):
                if "\ufffd" in line:
                    self._bad.add(number)


def whole(stream: ByteStream) -> bytes:
    """All bytes of a stream that is to be read in one piece.

    Raises:
        DataError: A line without end (unless it is a JSON list, which may well be one line), or too much.
    """
    is_list = stream.peek(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
    blocks, run, number = [], 0, 1
    for block in stream.whole_blocks():
        blocks.append(block)
        last = max(block.rfind(b"\n"), block.rfind(b"\r"))
        run = run + len(block) if last < 0 else len(block) - last - 1
        number += block.count(b"\n")
        if run > LINE_LIMIT and not is_list:
            raise too_long(stream.file, number)
    return b"".join(blocks)


def too_long(file: str, line: int) -> DataError:
    """The refusal of a line that does not end within `LINE_LIMIT`."""
    limit = f"{LINE_LIMIT / 2**20:.3g} MB"
    return DataError(
        f"{file}, line {line}: the line is longer than {limit}; reading stopped there.",
        f"Give one example a line, each below {limit}; one long JSON document must be a list ([…]).",
    )
