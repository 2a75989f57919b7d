"""Rows in chunks: at most so many, fewer where rows are long, so that memory stays the same however long a file is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from postgrad.data.sources.rows import Row, Rows

CHUNK_SIZE = 2**25
"""Characters after which a chunk ends, whatever its number of rows."""
WHOLE = 2**62
"""For a source that is wanted in one piece."""


class Chunker:
    """Collects rows into chunks. The first chunk carries what was noticed at the beginning, the last what came after.

    Attributes:
        count: Rows so far.
    """

    def __init__(
        self, file: str, form: str, chunk: int, notes: Sequence[str] = (), columns: Sequence[str] = ()
    ) -> None:
        self.count = 0
        self._file, self._form, self._chunk = file, form, max(1, chunk)
        self._notes = list(notes)
        self._columns = dict.fromkeys(columns)
        self._rows: list[Row] = []
        self._size = 0

    def add(self, row: Row, size: int = 0) -> Iterator[Rows]:
        """Takes a row; yields the chunk before it where that is full."""
        if len(self._rows) >= self._chunk or self._size >= CHUNK_SIZE:
            yield self._close()
        self._rows.append(row)
        self._columns.update(dict.fromkeys(row[1]))
        self._size += size
        self.count += 1

    def end(self, notes: Sequence[str] = ()) -> Iterator[Rows]:
        """The last chunk."""
        self._notes += notes
        if self._rows:
            yield self._close()

    @staticmethod
    def cut(rows: Rows, chunk: int) -> Iterator[Rows]:
        """Rows that were read as a whole, in chunks."""
        for start in range(0, len(rows), max(1, chunk)):
            piece = rows.rows[start : start + max(1, chunk)]
            yield Rows(rows.file, rows.format, piece, rows.columns, rows.notes if start == 0 else ())

    @staticmethod
    def join(chunks: Sequence[Rows]) -> Rows:
        """The chunks of one source as one; there must be one at least."""
        last = chunks[-1]
        rows = tuple(row for chunk in chunks for row in chunk)
        return Rows(last.file, last.format, rows, last.columns, tuple(note for chunk in chunks for note in chunk.notes))

    def _close(self) -> Rows:
        rows = Rows(self._file, self._form, tuple(self._rows), tuple(self._columns), tuple(self._notes))
        self._rows, self._notes, self._size = [], [], 0
        return rows
