"""Source files as trees, for tests that read the code."""

from __future__ import annotations

import ast
import gc


def parsed(source: str) -> ast.Module:
    """`ast.parse` that nothing interrupts.

    In CPython 3.11 it raises SystemError ("AST constructor recursion depth mismatch") where memory is tidied up in its
    middle and what is found there warns of itself, because a warning that is shown parses source too.
    """
    on = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(source)
    finally:
        if on:
            gc.enable()
