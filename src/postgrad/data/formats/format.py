"""What a format of data is: how its files are told from others, and how they become rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from postgrad.data.sources.bytestream import ByteStream
from postgrad.data.sources.rows import Rows


@dataclass(frozen=True, slots=True)
class Format:
    """A format.

    Attributes:
        kind: What its files are called towards the user; files of one kind in a folder are read together.
        endings: Of its files, with the dot. A zip archive is searched for files with these endings.
        read: The whole file → its rows. The text is the part that was named after `#`, empty where none was.
        stream: The file → its rows, at most so many at a time; None where it is read as a whole first.
        begins: Whether a file's first bytes are of this format, whatever its name; None where the ending decides.
        needs_both: Whether ending and first bytes must fit, because the endings are those of anything.
        has_parts: Whether `#` may name a part of the file, such as a sheet.
        on_hub: Whether it is taken from a data set of the hub; there the first such format of the table is preferred.
        whole_folder: (folder, its files of this format) → the rows of all; None where each file is read alone.
    """

    kind: str
    endings: tuple[str, ...]
    read: Callable[[ByteStream, str], Rows]
    stream: Callable[[ByteStream, int], Iterator[Rows]] | None = None
    begins: Callable[[bytes], bool] | None = None
    needs_both: bool = False
    has_parts: bool = False
    on_hub: bool = False
    whole_folder: Callable[[Path, Sequence[Path]], Rows] | None = None


def magic(*beginnings: bytes) -> Callable[[bytes], bool]:
    """Whether a file's first bytes are one of these."""
    return lambda head: head.startswith(beginnings)
