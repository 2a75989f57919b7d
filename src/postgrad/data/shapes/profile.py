"""What a column holds, judged by its values: the evidence on which `guess` decides."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from postgrad.data.shapes.cells import to_text
from postgrad.data.sources.rows import Row

ColumnKind = Literal["empty", "id", "date", "number", "label", "object", "image", "text"]

_SAMPLE = 2_000
_ID_NAME = re.compile(r"(^|[_\-. ])(id|ids|idx|index|uuid|guid|key|number|nr|no|pmid|hash|url|link)$", re.IGNORECASE)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_DATE = re.compile(r"\d{4}-\d\d?-\d\d?([T ].*)?|\d\d?[./]\d\d?[./]\d{2,4}( .*)?|\d\d:\d\d(:\d\d)?")
_NUMBER = re.compile(r"[-+]?\d+([.,]\d+)*([eE][-+]?\d+)?%?")
_IMAGE = re.compile(r"\S+\.(png|jpe?g|gif|webp|bmp|tiff?)(\?\S*)?|data:image/\S+", re.IGNORECASE)
_LABEL_WORDS = 6
_LABEL_LETTERS = 60


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """One column's profile.

    Attributes:
        name: As in the file.
        kind: What most of its values are.
        words: Words in a filled value, on average.
        distinct: Different values in the sample.
        filled: Share of rows with a value.
        example: The first filled value.
    """

    name: str
    kind: ColumnKind
    words: float
    distinct: int
    filled: float
    example: object


def name_words(name: str) -> list[str]:
    """`sectionText`, `section_text` and `Section Text 2` all give section, text."""
    parts = re.split(r"[^A-Za-z]+", _CAMEL.sub("_", name))
    return [part.lower() for part in parts if part]


def plain_name(name: str) -> str:
    """`authorRole` and `Author Role` both give author_role."""
    return "_".join(name_words(name))


def profile(rows: Sequence[Row], columns: Sequence[str]) -> list[ColumnProfile]:
    """Profiles all columns on an even sample of the rows."""
    step = max(1, len(rows) // _SAMPLE)
    sample = [values for _, values in rows[::step]]
    return [_profile(name, [values.get(name) for values in sample]) for name in columns]


def _profile(name: str, values: list[Any]) -> ColumnProfile:
    filled = [v for v in values if v is not None and v != "" and v != [] and v != {}]
    if not filled:
        return ColumnProfile(name, "empty", 0.0, 0, 0.0, None)
    texts = [to_text(v) for v in filled]
    words = sum(len(t.split()) for t in texts) / len(texts)
    distinct = len(set(texts))
    kind = _kind(name, filled, texts, words, distinct)
    return ColumnProfile(name, kind, words, distinct, len(filled) / len(values), filled[0])


def _kind(name: str, filled: list[Any], texts: list[str], words: float, distinct: int) -> ColumnKind:
    size = len(texts)
    if sum(isinstance(v, dict | list) for v in filled) > size / 2:
        return "object"
    if words < 2 and _share(_IMAGE, texts) > 0.9:
        return "image"
    if _ID_NAME.search(_CAMEL.sub("_", name)) and words < 3:
        return "id"
    if _share(_DATE, texts) > 0.9:
        return "date"
    if _share(_NUMBER, texts) > 0.9:
        counts_up = distinct == size > 20 and all(not isinstance(v, float) for v in filled)
        return "id" if counts_up else "number"
    recurs = distinct <= max(2, size / 4)
    short = max(len(t) for t in texts) <= _LABEL_LETTERS and words <= _LABEL_WORDS
    if short and recurs:
        return "label"
    codes = all(" " not in t and any(c.isdigit() for c in t) for t in texts[:200])
    if distinct == size > 5 and codes and words < 1.5:
        return "id"
    return "text"


def _share(pattern: re.Pattern[str], texts: list[str]) -> float:
    return sum(pattern.fullmatch(t.strip()) is not None for t in texts) / len(texts)
