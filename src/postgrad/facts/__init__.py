"""Facts and lists of words in data files, each with its date and source; `load_facts` is the one way to them.

Prices, device speeds and model facts change; lists of words grow. Neither belongs into code: a file here is edited
without reading a program, and code holds only what is done with it.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources

from postgrad.json_types import JsonObject


@cache
def load_facts(name: str, package: str = "postgrad.facts") -> JsonObject:
    """The content of a data file, read once. It is shared: do not change it.

    Args:
        name: The file's name without `.toml`.
        package: Where it lies; files that belong to one part of postgrad lie beside it.
    """
    return tomllib.loads(resources.files(package).joinpath(f"{name}.toml").read_text("utf-8"))


def any_of(patterns: list[str]) -> str:
    """One regular expression that matches what any of them matches; the first that fits wins."""
    return "|".join(patterns)


__all__ = ["any_of", "load_facts"]
