"""Raw text for continued pretraining: documents, folders of them, or tables of any kind with a column `text`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from postgrad.data.documents.document_files import is_pdf, read_document
from postgrad.data.documents.text_folder import is_text_file, texts_in
from postgrad.data.sources.address import place_of
from postgrad.data.sources.in_memory import InMemory
from postgrad.data.sources.open_source import read_all
from postgrad.data.sources.rows import Rows
from postgrad.errors import DataError
from postgrad.records import Source, Text

_MOST_HELD = 24_000
"""Characters kept for validation at most: enough to judge by, and quick to measure."""


@dataclass(frozen=True, slots=True)
class RawTexts:
    """Texts to train on, and what was taken and what was not, in sentences."""

    texts: tuple[Text, ...]
    notes: tuple[str, ...] = ()


def load_texts(paths: Sequence[Path | str | InMemory], include: Sequence[str] = ()) -> list[Text]:
    """The texts of `read_texts`."""
    return list(read_texts(paths, include).texts)


def read_texts(paths: Sequence[Path | str | InMemory], include: Sequence[str] = ()) -> RawTexts:
    """Every document of the files: a document is one, each row of a table with a column `text` is one.

    A folder gives its documents; where most of its texts are others (programs, settings), it gives every file that is
    text by its content. One without texts is read as a folder of tables.

    Args:
        paths: Files and folders.
        include: Patterns of files to take of folders: `*.py`, `src/*`. Empty: as above.

    Raises:
        DataError: Nothing to read, a file that cannot be read, or a table without that column.
    """
    found: list[Text] = []
    notes: list[str] = []
    for path in paths:
        if isinstance(path, InMemory):
            found += _in_memory(path)
            continue
        folder = place_of(path).path
        if folder is None or not folder.is_dir():
            found += _texts(path)
            continue
        taken = texts_in(folder, include)
        found += [text for file in taken.files for text in _document(file)] if taken.files else _rows(path)
        notes += taken.notes
    return RawTexts(tuple(found), tuple(notes))


def _texts(file: Path | str) -> list[Text]:
    path = place_of(file).path
    if path is None or not path.exists() or not is_text_file(path):
        return _rows(file)
    return _document(path)


def _document(path: Path) -> list[Text]:
    text = read_document(path)
    if not text.strip():
        scanned = is_pdf(path)
        raise DataError(
            f"{str(path)!r} {'is scanned: it holds pictures of pages, but no text' if scanned else 'is empty'}.",
            "Run text recognition (OCR) first (ocrmypdf does)." if scanned else "Give text to train on.",
        )
    return [Text(text=text, source=Source(str(path), 1))]


def _in_memory(given: InMemory) -> list[Text]:
    other = next((record for record in given.records if not isinstance(record, Text)), None)
    if other is not None:
        raise DataError(
            f"{other.source} is a {type(other).__name__}; continued pretraining takes raw text.", "Give Text records."
        )
    ready = [record for record in given.records if isinstance(record, Text)]
    return ready or _rows_of(given.rows, str(given))


def _rows(source: Path | str) -> list[Text]:
    return _rows_of(read_all(source), str(source))


def _rows_of(found: Sequence[Rows], source: str) -> list[Text]:
    texts: list[Text] = []
    for rows in found:
        if "text" not in rows.columns:
            raise DataError(
                f"{rows.file!r} has no column 'text' (it has {', '.join(rows.columns)}).",
                "Continued pretraining takes raw text: documents (.txt, .md, .html, .docx, .pdf), or a table with the"
                " column 'text'. For questions and answers use --objective sft.",
            )
        texts += [
            Text(text=str(values["text"]), source=Source(rows.file, line))
            for line, values in rows
            if values.get("text")
        ]
    if not texts:
        raise DataError(f"The column 'text' of {source!r} is empty.", "Give text to train on.")
    return texts


def hold_out(texts: Sequence[Text], share: float, most: int = _MOST_HELD) -> tuple[list[Text], list[Text]]:
    """(to train on, kept aside): the end of each document, cut where a paragraph begins, so that nothing is in both.

    Args:
        texts: The documents.
        share: Of each that is kept aside.
        most: Characters that are kept aside at most.
    """
    total = sum(len(t.text) for t in texts)
    share = min(share, most / total)
    train, held = [], []
    for document in texts:
        at = _paragraph_near(document.text, round(len(document.text) * (1 - share)))
        kept, end = document.text[:at], document.text[at:]
        if kept.strip():
            train.append(replace(document, text=kept))
        if end.strip():
            held.append(replace(document, text=end))
    return train, held


def _paragraph_near(text: str, place: int) -> int:
    """The first paragraph's (else line's, else word's) beginning at or after a place; the end where there is none."""
    for mark in (r"\n\s*\n", r"\n", r"\s"):
        if found := re.compile(mark).search(text, place, min(len(text), place + 5000)):
            return found.end()
    return len(text)
