"""One document (text, Markdown, HTML, Word, PDF) → its text with Markdown headings. What it is, its first bytes say.

A PDF made of pictures gives no text, which is for the caller to say; one with a password is refused.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from postgrad.data.documents.html_text import html_to_text, looks_like_html
from postgrad.data.sources.apart import text_apart
from postgrad.data.sources.encodings import decode
from postgrad.data.sources.file_types import binary_kind
from postgrad.data.sources.spoilt import unspoilt
from postgrad.errors import DataError

SUFFIXES = (".txt", ".text", ".md", ".markdown", ".html", ".htm", ".docx", ".pdf")
SIZE_LIMIT = 2**28
"""Bytes of one document, unpacked, at most."""
_MEND = "Save it as .txt, .md, .html, .docx or .pdf, or take it out of the folder."


def read_document(path: Path, page_text: Callable[[str], str] = html_to_text) -> str:
    """The text of a document; empty for a PDF that holds pictures of pages alone.

    Args:
        path: The file.
        page_text: What is taken from a web page: all that a reader sees, unless said.

    Raises:
        DataError: Unreadable, damaged, locked, too large, or no document.
    """
    with unspoilt(repr(str(path))):
        return _read(path, page_text)


def _read(path: Path, page_text: Callable[[str], str]) -> str:
    try:
        if path.stat().st_size > SIZE_LIMIT:
            raise _too_large(path)
        with path.open("rb") as file:
            raw = file.read(1024)
            pdf = raw.startswith(b"%PDF") or (path.suffix.lower() == ".pdf" and b"%PDF" in raw)
            raw += b"" if pdf else file.read()
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read: {error.strerror}.", f"Allow it: chmod u+r {path}") from error
    if pdf:  # the process that reads it reads the rest
        return text_apart(f"{__name__}:pdf_text", path)
    if raw.startswith(b"PK\x03\x04") and b"word/" in raw:
        return text_apart(f"{__name__}:word_text", path)
    kind = binary_kind(raw)
    if kind is not None:
        raise DataError(f"{str(path)!r} is {kind[0]}, not text.", _MEND)
    text = decode(raw).text.replace("\r\n", "\n").replace("\x00", "")
    if looks_like_html(text) or path.suffix.lower() in (".html", ".htm"):
        return page_text(text)
    return text


def is_pdf(path: Path) -> bool:
    """Whether a file begins as a PDF does."""
    with path.open("rb") as file:
        return b"%PDF" in file.read(1024)


def pdf_text(path: Path) -> str:
    """The text of a PDF.

    Raises:
        DataError: damaged, locked or too large.
    """
    import logging

    from pypdf import PdfReader
    from pypdf.errors import DependencyError, LimitReachedError, PyPdfError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # what it mends in a file on its way is not for users
    try:
        reader = PdfReader(io.BytesIO(path.read_bytes()))
        if reader.is_encrypted and not reader.decrypt(""):
            raise _locked(path)
        pages = list(_pages(reader, path))
    except DependencyError as error:
        raise _locked(path) from error
    except (
        PyPdfError,
        LimitReachedError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        RecursionError,
        OSError,
    ) as error:
        reason = str(error).strip().rstrip(".") or type(error).__name__
        raise DataError(
            f"{str(path)!r} is a PDF that cannot be read ({reason[:200]}).", f"Download it again. {_MEND}"
        ) from error
    return "\n\n".join(page for page in pages if page)


def _pages(reader: Any, path: Path) -> Iterator[str]:
    """The text of each page, with words that were hyphenated at a line's end put together."""
    total = 0
    for page in reader.pages:
        text = re.sub(r"(?<=[a-zà-ÿ])-\n(?=[a-zà-ÿ])", "", page.extract_text() or "")
        total += len(text)
        if total > SIZE_LIMIT:
            raise _too_large(path)
        yield "\n".join(line.rstrip() for line in text.split("\n")).strip()


def word_text(path: Path) -> str:
    """The text of a Word document.

    Raises:
        DataError: damaged or too large.
    """
    from docx import Document
    from docx.opc.exceptions import PackageNotFoundError
    from lxml.etree import LxmlError

    try:
        raw = io.BytesIO(path.read_bytes())
        with zipfile.ZipFile(raw) as archive:
            _measure(archive, path)
        return "\n\n".join(_blocks(Document(raw))).strip()
    except (
        zlib.error,
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        PackageNotFoundError,
        LxmlError,
        KeyError,
        ValueError,
        EOFError,
        NotImplementedError,
    ) as error:
        raise DataError(
            f"{str(path)!r} is a Word document that cannot be read ({error}).", "Open and save it again."
        ) from error


def _measure(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuses a document that unpacks to too much, counted, not believed."""
    total = 0
    for info in archive.infolist():
        with archive.open(info) as member:
            while block := member.read(1 << 20):
                total += len(block)
                if total > SIZE_LIMIT:
                    raise _too_large(path)


def _blocks(document: Any) -> Iterator[str]:
    """Paragraphs and tables in their order; headings as Markdown writes them."""
    for block in document.iter_inner_content():
        if hasattr(block, "rows"):
            rows = [_row(row.cells) for row in block.rows]
            yield "\n".join(row for row in rows if row)
            continue
        text = block.text.strip()
        style = (block.style.name or "") if block.style is not None else ""
        heading = re.match(r"(?:Heading|Überschrift|Titre) (\d)", style)
        if not text:
            continue
        if heading or style == "Title":
            yield f"{'#' * min(6, int(heading[1]) if heading else 1)} {text}"
        else:
            yield f"- {text}" if style.startswith("List") else text


def _row(cells: Any) -> str:
    """The cells of a row, a merged one once."""
    seen = {id(cell._tc): " ".join(cell.text.split()) for cell in cells}
    return " | ".join(text for text in seen.values()).strip(" |")


def _locked(path: Path) -> DataError:
    return DataError(
        f"{str(path)!r} is locked with a password.", "Save it without a password, or take it out of the folder."
    )


def _too_large(path: Path) -> DataError:
    return DataError(
        f"{str(path)!r} is larger than {SIZE_LIMIT // 2**20} MB.", "Split it, or take it out of the folder."
    )
