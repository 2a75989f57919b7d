"""`postgrad push`: a model to the hub or an object store, with its card."""

from __future__ import annotations

from typing import Annotated

import typer

from postgrad.cli.support.door import out, show


def command(
    model: Annotated[str, typer.Argument(help="A registered model: NAME, NAME@VERSION or NAME@ALIAS.")],
    place: Annotated[
        str, typer.Argument(help="organisation/name on the hub, or an address: s3://…, gs://…, file:///….")
    ],
    to: Annotated[str, typer.Option(help="Format, as of `postgrad export`.")] = "peft",
    quantize: Annotated[str | None, typer.Option(help="Precision, as of `postgrad export`.")] = None,
    public: Annotated[bool, typer.Option("--public", help="Make a new repository that everybody sees.")] = False,
    data_licence: Annotated[str, typer.Option(help="Licence of the training data, for the card.")] = "",
) -> None:
    """Exports a model, holds it to the parity gate, and sends it with a model card. Nothing is ever sent otherwise."""
    from postgrad.workflows.push import push

    out(show(push(model, place, to, quantize, public=public, data_licence=data_licence)))
