"""Raw text for continued pretraining: text files, folders of them, or JSON Lines with a column `text`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from postgrad.data.documents import read_text_file
from postgrad.data.sources import read_rows
from postgrad.errors import DataError
from postgrad.records import Source, Text

ENDINGS = (".txt", ".text", ".md")
_MOST_HELD = 24_000
"""Characters kept for validation at most: enough to judge by, and quick to measure."""


def load_texts(paths: Sequence[Path]) -> list[Text]:
    """Every document of the files: a text file is one, each row of a table with a column `text` is one.

    Raises:
        DataError: nothing to read, or a table without that column.
    """
    found: list[Text] = []
    for path in paths:
        files = sorted(p for p in path.rglob("*") if p.suffix.lower() in ENDINGS) if path.is_dir() else [path]
        if not files:
            raise DataError(f"The folder {str(path)!r} holds no text files.", f"Looked for {', '.join(ENDINGS)}.")
        for file in files:
            found += _texts(file)
    return found


def _texts(file: Path) -> list[Text]:
    if file.suffix.lower() in ENDINGS or not file.exists():
        text = read_text_file(file)
        if not text.strip():
            raise DataError(f"{str(file)!r} is empty.", "Give text to learn from.")
        return [Text(text=text, source=Source(str(file), 1))]
    rows = read_rows(file)
    if "text" not in rows.columns:
        raise DataError(
            f"{str(file)!r} has no column 'text' (it has {', '.join(rows.columns)}).",
            "Continued pretraining takes raw text: .txt or .md files, or a table with the column 'text'. For questions and answers use --objective sft.",
        )
    texts = [
        Text(text=str(values["text"]), source=Source(rows.file, line))
        for line, values in rows.rows
        if values.get("text")
    ]
    if not texts:
        raise DataError(f"The column 'text' of {str(file)!r} is empty.", "Give text to learn from.")
    return texts


def hold_out(texts: Sequence[Text], share: float) -> tuple[list[Text], list[Text]]:
    """(to train on, to validate on): the end of each document, cut where a paragraph begins, so that nothing is in both."""
    total = sum(len(t.text) for t in texts)
    share = min(share, _MOST_HELD / total)
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
