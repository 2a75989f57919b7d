"""`postgrad recipe`: every setting with its default and its meaning, as a recipe file."""

from __future__ import annotations

from typing import Annotated

import typer

from postgrad.cli.support.door import out
from postgrad.errors import UsageError


def command(
    section: Annotated[
        str | None, typer.Argument(help="Only this section: data, training, evaluation, decision …")
    ] = None,
) -> None:
    """Prints every setting with its default and what it means, as a recipe file: `postgrad recipe > mine.yaml`."""
    from postgrad.cli.support.recipe_text import sections, written
    from postgrad.recipe import Recipe

    if section is not None and section not in sections():
        raise UsageError(f"A recipe has no section {section!r}.", f"Its sections: {', '.join(sections())}.")
    out(written(Recipe(), section).rstrip())
