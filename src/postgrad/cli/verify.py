"""`postgrad verify`: whether a signed export is what was signed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from postgrad.cli.support.door import out


def command(
    folder: Annotated[Path, typer.Argument(help="Folder that `postgrad export` made and `postgrad sign` signed.")],
    key: Annotated[Path, typer.Option(help="Public key of whoever signed it.")],
) -> None:
    """Hashes every file of an export anew and checks its signature. Exit code 1 where something is wrong."""
    from postgrad.steps.delivery.signing import verify

    if faults := verify(folder, key):
        for fault in faults:
            out(f"{folder}: {fault}")
        raise typer.Exit(1)
    out(f"{folder}: every file is as it was signed.")
