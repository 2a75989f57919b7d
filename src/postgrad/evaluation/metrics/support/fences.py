"""The blocks that a text holds between ``` fences: the one owner of what a fence is.

A fence opens with ``` at any place, a language and the rest of that line. It closes with ``` at the beginning of a
line, so that a ``` within a line of code does not end it, or glued to the end of the text; a block that was cut off
reaches to the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_BLOCK = re.compile(r"```[^\S\n]*+([\w+-]*+)[^\n]*+\n(.*?)(?:(?:(?<=\n)|\n)[^\S\n]*+```|\Z)", re.DOTALL)
_OPENING = re.compile(r"```[^\S\n]*+[\w+-]*+[^\S\n]*+\Z")
_BLANKS = "".join(c for c in map(chr, range(0x3001)) if c.isspace() and c != "\n")


def _blocks(text: str) -> Iterator[re.Match[str]]:
    """Every block; what stands after the last line break opens none. In linear time, whatever the text."""
    place, last = 0, text.rfind("\n")
    while 0 <= (begin := text.find("```", place)) < last and (found := _BLOCK.match(text, begin)):
        yield found
        place = found.end()


def fenced_blocks(text: str) -> list[tuple[str, str]]:
    """(language in small letters, body) of each block; "" where no language is named."""
    return [
        (language.lower(), body.rstrip().removesuffix("```") if body.rstrip().endswith("```") else body)
        for language, body in (found.groups() for found in _blocks(text))
    ]


def unfenced(text: str) -> str:
    """The body where the whole text is one block that is closed; else the text itself."""
    opening, line_break, rest = text.partition("\n")
    if not line_break or not rest.endswith("```") or not _OPENING.match(opening):
        return text
    return rest[:-3].rstrip(_BLANKS).removesuffix("\n")
