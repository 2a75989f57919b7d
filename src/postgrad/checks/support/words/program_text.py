"""Whether a text is a program: what is a fault in prose is none in it."""

from __future__ import annotations

import re

from postgrad.facts import any_of, load_facts

_CODE = re.compile(any_of(load_facts("encoding")["code"]), re.MULTILINE)


def is_program_text(text: str) -> bool:
    """Whether a text is, or holds, lines of a program."""
    return _CODE.search(text) is not None
