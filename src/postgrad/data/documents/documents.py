"""The folder behind `--docs`: text, Markdown, HTML, Word and PDF files, cut into passages short enough to be retrieved
and read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from postgrad.data.documents.document_files import SUFFIXES, is_pdf, read_document
from postgrad.data.documents.html_text import html_to_text
from postgrad.data.documents.web_page import main_text
from postgrad.errors import DataError

_NAMED = 5
_HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*$")
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+(?=\S)|(?<=[。！？])")
_SPACELESS = "\u0e00-\u0eff\u1000-\u109f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"  # Thai, Lao, Burmese, kana, Han
_UNIT = re.compile(rf"[{_SPACELESS}]|[^\s{_SPACELESS}]{{1,24}}")
_HEADING_LETTERS = 200  # a line of a thousand letters behind a # is no heading that each of its passages should carry


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


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents of a folder, ordered by name, and what was left out, in sentences."""

    documents: tuple[Document, ...]
    notes: tuple[str, ...] = ()


def load_documents(folder: Path | str) -> list[Document]:
    """All documents under a folder, ordered by name; empty ones are left out.

    Raises:
        DataError: As `read_documents`.
    """
    return list(read_documents(folder).documents)


def read_documents(folder: Path | str) -> Documents:
    """All documents under a folder, and what was left out: empty files, scanned PDFs without text, other kinds of
    files.

    Raises:
        DataError: No such folder, a file instead, no documents in it, none with text, or some that cannot be read.
    """
    folder = Path(folder)
    if not folder.exists():
        raise DataError(f"There is no folder {str(folder)!r}.", "Check the spelling of --docs.")
    if not folder.is_dir():
        raise DataError(
            f"{str(folder)!r} is a file, not a folder of documents.", f"Give its folder: --docs {folder.parent}"
        )
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not _hidden(p, folder))
    paths = [p for p in files if p.suffix.lower() in SUFFIXES]
    if not paths:
        others = sorted({p.suffix or p.name for p in files})[:_NAMED]
        found = f"only {', '.join(others)} files" if others else "nothing"
        raise DataError(
            f"{str(folder)!r} holds no documents ({found}).", "Put .txt, .md, .html, .docx or .pdf files there."
        )
    texts, whole = _read_all(paths)
    filled = tuple(Document(p.relative_to(folder).as_posix(), texts[p]) for p in paths if texts[p].strip())
    empty = [p for p in paths if not texts[p].strip()]
    scanned = [p for p in empty if is_pdf(p)]
    notes = [
        _left_out("scanned, pictures of pages without text (run OCR first, for example ocrmypdf)", scanned, folder),
        _left_out("empty", [p for p in empty if p not in scanned], folder),
        _left_out("no documents that can be read", [p for p in files if p not in texts], folder),
        _taken_whole(whole, folder),
    ]
    if not filled:
        why = "scanned: pictures of pages without text" if scanned else "empty"
        raise DataError(
            f"All {len(paths)} documents in {str(folder)!r} are {why}.",
            "Run text recognition (OCR) first (ocrmypdf does)." if scanned else "Put text into them.",
        )
    return Documents(filled, tuple(note for note in notes if note))


def _read_all(paths: Sequence[Path]) -> tuple[dict[Path, str], list[Path]]:
    """The texts, and the web pages that were taken whole; all files that cannot be read are named in one message."""
    texts: dict[Path, str] = {}
    whole: list[Path] = []
    faults: list[DataError] = []
    for path in paths:
        try:
            texts[path] = read_document(path, partial(_page_text, path, whole))
        except DataError as error:
            faults.append(error)
    if faults:
        named = "\n".join(fault.message for fault in faults[:_NAMED])
        more = f"\nand {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
        raise DataError(named + more, faults[0].mend)
    return texts, whole


def _page_text(path: Path, whole: list[Path], html: str) -> str:
    """The main part of a web page; where none is found, all of it, and the path goes to `whole`."""
    text = main_text(html)
    if text is None:
        whole.append(path)
        return html_to_text(html)
    return text


def _taken_whole(paths: Sequence[Path], folder: Path) -> str:
    if not paths:
        return ""
    many = f"{len(paths)} web page{'' if len(paths) == 1 else 's'}"
    return f"{many} taken whole, with navigation and footer, because no main part was found: {_named(paths, folder)}"


def _named(paths: Sequence[Path], folder: Path) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(p.relative_to(folder).as_posix() for p in paths[:_NAMED]) + more


def _left_out(why: str, paths: Sequence[Path], folder: Path) -> str:
    if not paths:
        return ""
    return f"{len(paths)} {'file' if len(paths) == 1 else 'files'} left out, {why}: {_named(paths, folder)}"


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith((".", "__MACOSX", "~$")) for part in path.relative_to(folder).parts)


def chunk_documents(documents: Sequence[Document], *, max_words: int = 120) -> list[Chunk]:
    """Cuts documents at headings and paragraphs into passages of at most `max_words` words.

    Short neighbouring paragraphs under one heading share a passage; a long paragraph is cut between its lines (a
    table's rows stay whole) and sentences, and a sentence only if it alone is too long. Passages do not overlap: each
    begins where its sense does, and carries its headings. Letters of scripts without spaces, and every 24 letters
    without a space, count as a word.
    """
    return [
        Chunk(document.name, heading, f"{heading}\n{passage}" if heading else passage)
        for document in documents
        for heading, body in ((h[:_HEADING_LETTERS], b) for h, b in _sections(document.text))
        for passage in _passages(body, max_words)
    ]


def _size(text: str) -> int:
    """Words, as `chunk_documents` counts them."""
    return sum(1 for _ in _UNIT.finditer(text))


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
            size = _size(piece)
            if held and words + size > max_words:
                yield "\n\n".join(held)
                held, words = [], 0
            held.append(piece)
            words += size
    if held:
        yield "\n\n".join(held)


def _pieces(paragraph: str, max_words: int) -> Iterator[str]:
    """A paragraph, or runs of its sentences, or of the words of one endless sentence."""
    if _size(paragraph) <= max_words:
        if paragraph:
            yield paragraph
        return
    held: list[str] = []
    words = 0
    lines = (
        paragraph.count("\n") >= _size(paragraph) / max_words
    )  # rows of a table or a list: each is a sense of its own
    between = "\n" if lines else " "
    for sentence in paragraph.split("\n") if lines else _SENTENCE_END.split(paragraph):
        for run in _runs(sentence if lines else " ".join(sentence.split()), max_words):
            size = _size(run)
            if held and words + size > max_words:
                yield between.join(held)
                held, words = [], 0
            held.append(run)
            words += size
    if held:
        yield between.join(held)


def _runs(sentence: str, max_words: int) -> Iterator[str]:
    """A sentence, or runs of so many words of an endless one."""
    begin, count = 0, 0
    for unit in _UNIT.finditer(sentence):
        if count == max_words:
            yield sentence[begin : unit.start()].strip()
            begin, count = unit.start(), 0
        count += 1
    if sentence[begin:].strip():
        yield sentence[begin:].strip()
