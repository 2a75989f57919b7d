"""From a cell's value to the text that a model reads or writes."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

from postgrad.data.sources.rows import RowValues


def to_text(value: object) -> str:
    """Text as it is, but for blanks at its end and blank lines at its start, and with plain line ends; everything else
    as compact JSON spells it.

    Nothing (null) becomes the empty text.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value.replace("\r\n", "\n").rstrip().lstrip("\n")
    return to_json(value)


def exact_text(value: object) -> str:
    """Text exactly as it stands; nothing (null) is the empty text, everything else compact JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else to_json(value)


def to_json(value: object) -> str:
    """Compact JSON with all letters as they are: the shortest spelling a model can learn."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def to_blocks(values: RowValues, columns: Sequence[str]) -> str:
    """One column as its text; several as `name: value` blocks with a blank line between; empty ones are left out."""
    if len(columns) == 1:
        return to_text(values.get(columns[0]))
    blocks = [(column, to_text(values.get(column))) for column in columns]
    return "\n\n".join(f"{column}: {text}" for column, text in blocks if text)


def to_answer(values: RowValues, columns: Sequence[str]) -> str:
    """One column as its text; several as one JSON object."""
    if len(columns) == 1:
        return to_text(values.get(columns[0]))
    return to_json({column: values.get(column) for column in columns})


def shorten(value: object, length: int = 40) -> str:
    """A value on one line for a message."""
    text = " ".join(to_text(value).split())
    return text if len(text) <= length else text[: length - 1] + "…"


def quoted(name: object) -> str:
    """A name as it must stand in a command."""
    return shlex.quote(str(name))
