"""The few turns of phrase that all findings share, so that they read alike."""

from __future__ import annotations

from pathlib import PurePath

from postgrad.records import Source


def count_of(count: int, noun: str, plural: str = "") -> str:
    """`1 record`, `12 records`, `1,204 records`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def verb(count: int, one: str, many: str) -> str:
    """The verb's form for a count."""
    return one if count == 1 else many


def quote(text: str, length: int = 60) -> str:
    """A text on one line, shortened, in quotes."""
    line = " ".join(text.split())
    return f"“{line if len(line) <= length else line[: length - 1] + '…'}”"


def quote_end(text: str, length: int = 60) -> str:
    """The end of a text on one line, in quotes."""
    line = " ".join(text.split())
    return f"“{line if len(line) <= length else '…' + line[1 - length :]}”"


def place(source: Source) -> str:
    """`line 17 of tickets.csv`, without the folders."""
    name = PurePath(source.file).name or "the data"
    row = f" (row {source.row})" if source.row else ""
    return f"line {source.line}{row} of {name}" if source.line else name


def percent(share: float) -> str:
    """A share from 0 to 1 as `7 %`; small ones with a decimal."""
    return f"{100 * share:.1f} %" if 0 < share < 0.01 else f"{100 * share:.0f} %"
