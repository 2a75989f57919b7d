"""Which files of a folder are texts to train on: documents, or every file that is text, as in a folder of programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from postgrad.data.documents.document_files import SUFFIXES
from postgrad.data.formats.registry import format_named
from postgrad.data.sources.file_types import binary_kind
from postgrad.errors import DataError

_HEAD = 8_192
_MADE = ("*.min.*", "*.lock", "*-lock.*", "*.map", "*.svg", "*.pyc")
"""What programs write for programs."""
_FOREIGN = frozenset({"node_modules", "venv", "site-packages"})
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Taken:
    """The files that are taken, by name, and what is to be said of the choice."""

    files: tuple[Path, ...]
    notes: tuple[str, ...]


def texts_in(folder: Path, include: Sequence[str] = ()) -> Taken:
    """The texts of a folder.

    Documents are taken where they are half of its texts; otherwise every file that is text by its content. Tables are
    none, nor are hidden files and what programs write for programs.

    Args:
        folder: Searched to its depths.
        include: Patterns of names or of paths below the folder; these are taken and no others.

    Raises:
        DataError: no file is like the patterns.
    """
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and not _aside(p, folder)]
    if include:
        chosen = [p for p in files if _like(p, folder, include)]
        if not chosen:
            raise DataError(
                f"No file in {str(folder)!r} is like {' or '.join(map(repr, include))}.",
                f"Its files are of these kinds: {_kinds(files) or 'none'}.",
            )
        return Taken(tuple(chosen), (f"of {folder}: {_kinds(chosen)}",))
    documents = [p for p in files if p.suffix.lower() in SUFFIXES]
    others = [p for p in files if p.suffix.lower() not in SUFFIXES and not _like(p, folder, _MADE) and is_text_file(p)]
    if len(documents) >= len(others):
        chosen = documents
    else:
        chosen = sorted([*documents, *(p for p in others if p.stat().st_size)])
    left = [p for p in files if p not in set(chosen)]
    if not chosen or not left:
        return Taken(tuple(chosen), ())
    note = f"of {folder}: {_kinds(chosen)}; left out: {_kinds(left)} (--include 'PATTERN' chooses)"
    return Taken(tuple(chosen), (note,))


def is_text_file(path: Path) -> bool:
    """Whether a file is a document or text by its content, and no table."""
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        return True
    if format_named(suffix) is not None:
        return False
    with path.open("rb") as file:
        return binary_kind(file.read(_HEAD)) is None


def _aside(path: Path, folder: Path) -> bool:
    parts = path.relative_to(folder).parts
    return any((part.startswith((".", "__")) and part != "__init__.py") or part in _FOREIGN for part in parts)


def _like(path: Path, folder: Path, patterns: Sequence[str]) -> bool:
    below = path.relative_to(folder).as_posix()
    return any(fnmatch(path.name, pattern) or fnmatch(below, pattern) for pattern in patterns)


def _kinds(files: Sequence[Path]) -> str:
    """`34 .py, 3 .md`."""
    counts = Counter(p.suffix.lower() or p.name for p in files).most_common()
    more = f" and {sum(n for _, n in counts[_NAMED:])} more" if len(counts) > _NAMED else ""
    return ", ".join(f"{n} {kind}" for kind, n in counts[:_NAMED]) + more
