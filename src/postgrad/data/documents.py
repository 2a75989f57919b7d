"""The folder behind `--docs`: text and Markdown files, cut into passages short enough to be retrieved and read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from postgrad.data.encodings import decode
from postgrad.data.kinds import binary_kind
from postgrad.errors import DataError

SUFFIXES = (".txt", ".md", ".markdown")
_HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*$")
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+(?=\S)")


@dataclass(frozen=True, slots=True)
class Document:
    """One file: its path under the folder, and its text."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of a document.

    Attributes:
        document: The document's name.
        heading: The headings above it, outermost first, joined by ` > `; empty where there are none.
        text: The headings on a line of their own, and the passage: as retrieval indexes and a model reads it.
    """

    document: str
    heading: str
    text: str


def load_documents(folder: Path | str) -> list[Document]:
    """All .txt and .md files under a folder, ordered by name; empty ones are left out.

    Raises:
        DataError: No such folder, a file instead, no such files in it, all empty, or one that is no text.
    """
    folder = Path(folder)
    if not folder.exists():
        raise DataError(f"There is no folder {str(folder)!r}.", "Check the spelling of --docs.")
    if not folder.is_dir():
        raise DataError(
            f"{str(folder)!r} is a file, not a folder of documents.", f"Give its folder: --docs {folder.parent}"
        )
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not paths:
        others = sorted({p.suffix or p.name for p in folder.rglob("*") if p.is_file()})[:5]
        found = f"only {', '.join(others)} files" if others else "nothing"
        raise DataError(f"{str(folder)!r} holds no documents ({found}).", "Put .txt or .md files there.")
    documents = [Document(p.relative_to(folder).as_posix(), read_text_file(p)) for p in paths]
    filled = [d for d in documents if d.text.strip()]
    if not filled:
        raise DataError(f"All {len(paths)} documents in {str(folder)!r} are empty.", "Put text into them.")
    return filled


def chunk_documents(documents: Sequence[Document], *, max_words: int = 120) -> list[Chunk]:
    """Cuts documents at headings and paragraphs into passages of at most `max_words` words.

    Short neighbouring paragraphs under one heading share a passage; a long paragraph is cut between sentences, and a
    sentence only if it alone is too long.
    """
    return [
        Chunk(document.name, heading, f"{heading}\n{passage}" if heading else passage)
        for document in documents
        for heading, body in _sections(document.text)
        for passage in _passages(body, max_words)
    ]


def read_text_file(path: Path) -> str:
    """The text of a file in whatever encoding, with plain line ends.

    Raises:
        DataError: unreadable, or not text.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read: {error.strerror}.", f"Allow it: chmod u+r {path}") from error
    kind = binary_kind(raw)
    if kind is not None:
        raise DataError(
            f"{str(path)!r} is {kind[0]}, not text.", "Save it as .txt or .md, or take it out of the folder."
        )
    return decode(raw).text.replace("\r\n", "\n")


def _sections(text: str) -> Iterator[tuple[str, str]]:
    """(headings above, text below) of each Markdown section; fenced code keeps its `#` lines."""
    levels: dict[int, str] = {}
    lines: list[str] = []
    fenced = False
    for line in text.split("\n"):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        heading = None if fenced else _HEADING.match(line)
        if heading is None:
            lines.append(line)
            continue
        if any(part.strip() for part in lines):
            yield " > ".join(levels.values()), "\n".join(lines)
        lines = []
        depth = len(heading[1])
        levels = {d: title for d, title in levels.items() if d < depth} | {depth: heading[2]}
    if any(part.strip() for part in lines):
        yield " > ".join(levels.values()), "\n".join(lines)


def _passages(body: str, max_words: int) -> Iterator[str]:
    """Whole paragraphs together while they fit."""
    held: list[str] = []
    words = 0
    for paragraph in re.split(r"\n\s*\n", body.strip()):
        for piece in _pieces(paragraph.strip(), max_words):
            size = len(piece.split())
            if held and words + size > max_words:
                yield "\n\n".join(held)
                held, words = [], 0
            held.append(piece)
            words += size
    if held:
        yield "\n\n".join(held)


def _pieces(paragraph: str, max_words: int) -> Iterator[str]:
    """A paragraph, or runs of its sentences, or of the words of one endless sentence."""
    if len(paragraph.split()) <= max_words:
        if paragraph:
            yield paragraph
        return
    held: list[str] = []
    words = 0
    for sentence in _SENTENCE_END.split(paragraph):
        parts = sentence.split()
        for start in range(0, len(parts), max_words):
            run = " ".join(parts[start : start + max_words])
            size = len(run.split())
            if held and words + size > max_words:
                yield " ".join(held)
                held, words = [], 0
            held.append(run)
            words += size
    if held:
        yield " ".join(held)
