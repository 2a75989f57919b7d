"""A house's own words: which word it uses for a thing, and which it does not."""

from __future__ import annotations

import re
from pathlib import Path

from postgrad.data.formats.delimited import NoTableError
from postgrad.data.shapes.cells import to_text
from postgrad.data.sources.open_source import read_all
from postgrad.errors import DataError
from postgrad.findings import Term

_FORM = (
    "Write lines such as `sofa: couch, settee`, or a table with the word in its first column and what it stands for in "
    "the second."
)
_SEPARATORS = re.compile(r"[,;|]")


def load_glossary(path: Path | str) -> tuple[Term, ...]:
    """Reads a glossary: a text file of lines `word: unwanted, unwanted`, or a table of two columns.

    Raises:
        DataError: the file is missing, or a line is of another form.
    """
    file = Path(path)
    if not file.is_file():
        raise DataError(f"There is no glossary {str(path)!r}.", _FORM)
    text = file.suffix.lower() in (".txt", ".md", "")
    pairs = _lines(file) if text else _table(file)
    terms = []
    for line, term, unwanted in pairs:
        words = tuple(w for part in _SEPARATORS.split(unwanted) if (w := part.strip()))
        if not term or not words:
            raise DataError(f"{path}, line {line} is no entry of a glossary.", _FORM)
        if term in words:
            raise DataError(f"{path}, line {line}: {term!r} is wanted and unwanted.", "Take it out of one side.")
        terms.append(Term(term, words))
    wanted = {t.term for t in terms}
    if both := next((w for t in terms for w in t.instead_of if w in wanted), None):
        raise DataError(f"{path}: {both!r} is the word for one thing and unwanted for another.", "Decide on one.")
    if not terms:
        raise DataError(f"{path} has no entry.", _FORM)
    return tuple(terms)


def _lines(file: Path) -> list[tuple[int, str, str]]:
    found = []
    for number, line in enumerate(file.read_text("utf-8-sig").splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            term, _, unwanted = line.partition(":")
            found.append((number, term.strip(), unwanted.strip()))
    return found


def _table(file: Path) -> list[tuple[int, str, str]]:
    try:
        rows = read_all(file)[0]
    except NoTableError:
        return _lines(file)
    if len(rows.columns) < 2:
        raise DataError(f"{file} has one column.", _FORM)
    term, unwanted = rows.columns[:2]
    return [(line, to_text(values.get(term)).strip(), to_text(values.get(unwanted)).strip()) for line, values in rows]
