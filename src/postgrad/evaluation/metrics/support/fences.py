"""The blocks that a text holds between ``` fences: the one owner of what a fence is.

A fence opens with ``` at any place, a language and the rest of that line. It closes with ``` at the beginning of a
line, so that a ``` within a line of code does not end it, or glued to the end of the text; a block that was cut off
reaches to the end.
"""

from __future__ import annotations

import re

_BLOCK = re.compile(r"```[^\S\n]*([\w+-]*)[^\n]*\n(.*?)(?:(?:(?<=\n)|\n)[^\S\n]*```|\Z)", re.DOTALL)
_WHOLE = re.compile(r"\A```[^\S\n]*[\w+-]*[^\S\n]*\n(.*?)\n?[^\S\n]*```\Z", re.DOTALL)


def fenced_blocks(text: str) -> list[tuple[str, str]]:
    """(language in small letters, body) of each block; "" where no language is named."""
    return [
        (language.lower(), body.rstrip().removesuffix("```") if body.rstrip().endswith("```") else body)
        for language, body in _BLOCK.findall(text)
    ]


def unfenced(text: str) -> str:
    """The body where the whole text is one block that is closed; else the text itself."""
    found = _WHOLE.match(text)
    return found[1] if found else text
