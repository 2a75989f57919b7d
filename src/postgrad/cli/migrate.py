"""`postgrad migrate`: a model again on another base."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from postgrad.cli.support.door import StopSign, out, show


def command(
    model: Annotated[str, typer.Argument(help="A registered model: NAME, NAME@VERSION or NAME@ALIAS.")],
    base: Annotated[str, typer.Option(help="The new base, as `postgrad run` takes it.")],
    data: Annotated[
        list[Path] | None, typer.Option(help="The data, where it does not lie any more where it was (may be repeated).")
    ] = None,
    out_folder: Annotated[Path | None, typer.Option("--out", help="Folder of the new report.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else.")] = False,
) -> None:
    """Repeats a model's recipe on another base, compares both on the same test part, and says: move or stay."""
    from postgrad.workflows.migrate import migrate

    folder = out_folder or Path("migration")
    with StopSign().watching() as stop:
        done = show(migrate(model, base, folder, data or (), stop), stop, quiet=json)
    out(jsonlib.dumps(done.to_dict()) if json else f"\n{done.sentence}\nReport: {folder / 'report.html'}")
