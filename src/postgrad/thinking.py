"""Reasoning before an answer: how bases that think are named, and how reasoning is written in an answer's own text.

A base is asked without reasoning unless its name ends in `+thinking`: its prompts, its trainings and its registered
models then leave room for it, and only what follows is the answer.
"""

from __future__ import annotations

SUFFIX = "+thinking"
"""Behind a base's name: it reasons before it answers."""
OPEN, CLOSE = "<think>", "</think>"
"""As most families write it; where a template writes something else, that is taken."""


def split_base(name: str) -> tuple[str, bool]:
    """The base's own name, and whether it is to think."""
    return (name.removesuffix(SUFFIX), True) if name.endswith(SUFFIX) else (name, False)


def split_thought(text: str, opening: str = OPEN, closing: str = CLOSE) -> tuple[str, str]:
    """(reasoning, answer) of a text that begins with a block of reasoning; ("", text) of any other."""
    begun = text.lstrip()
    if not begun.startswith(opening) or closing not in begun:
        return "", text
    thought, _, rest = begun[len(opening) :].partition(closing)
    return thought.strip(), rest.lstrip()
