"""`postgrad sign`: an export under one's own key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from postgrad.cli.support.door import out
from postgrad.errors import UsageError


def command(
    folder: Annotated[Path | None, typer.Argument(help="Folder that `postgrad export` made.")] = None,
    key: Annotated[Path | None, typer.Option(help="Private key (ed25519, PEM).")] = None,
    attest: Annotated[bool, typer.Option("--attest", help="Write an in-toto statement besides.")] = False,
    new_key: Annotated[Path | None, typer.Option(help="Make a key pair: FILE and FILE.pub.")] = None,
) -> None:
    """Signs an export, so that whoever has the public key sees that nothing in it was changed (`postgrad verify`)."""
    from postgrad.steps.delivery.signing import make_key, sign

    if new_key is not None:
        public = make_key(new_key)
        out(f"Private key: {new_key} (keep it to yourself)\nPublic key:  {public}")
        if folder is None:
            return
        key = key or new_key
    if folder is None or key is None:
        raise UsageError(
            "What is to be signed, and by which key?", "postgrad sign FOLDER --key FILE; --new-key makes one."
        )
    for path in sign(folder, key, attest):
        out(f"Signed: {path}")
