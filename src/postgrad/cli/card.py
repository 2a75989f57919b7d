"""`postgrad card`: a model card, as the hub reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from postgrad.cli.support.door import out


def command(
    model: Annotated[str, typer.Argument(help="A registered model: NAME, NAME@VERSION or NAME@ALIAS.")],
    out_file: Annotated[Path | None, typer.Option("--out", help="File; printed without it.")] = None,
    data_licence: Annotated[str, typer.Option(help="Licence of the training data, as the card says it.")] = "",
) -> None:
    """Writes what the model was trained on and measured by, what it lost, and the licences, in Markdown."""
    from postgrad.blobs import Blobs
    from postgrad.registry import Catalogue
    from postgrad.registry.names import Names
    from postgrad.steps.delivery.card import model_card
    from postgrad.storage import write_atomic

    catalogue = Catalogue()
    text = model_card(catalogue, Blobs(), Names(catalogue).entry(model), data_licence)
    if out_file is None:
        out(text)
    else:
        write_atomic(out_file, text, 0o644)
        out(f"Card: {out_file}")
