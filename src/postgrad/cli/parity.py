"""`postgrad parity`: whether a model somewhere else answers as it was trained."""

from __future__ import annotations

import json as jsonlib
import os
from pathlib import Path
from typing import Annotated

import typer

from postgrad.cli.support.door import out, show


def command(
    model: Annotated[str, typer.Argument(help="The registered model: NAME, NAME@VERSION or NAME@ALIAS.")],
    url: Annotated[
        list[str] | None, typer.Option(help="URL#MODEL of an OpenAI-compatible server; may be repeated.")
    ] = None,
    folder: Annotated[
        list[Path] | None, typer.Option(help="Folder that `postgrad export` made; may be repeated.")
    ] = None,
    precision: Annotated[
        str,
        typer.Option(help="Of the server's weights (float32, float16, bfloat16, Q8_0 …): how far it may be off."),
    ] = "bfloat16",
    key_env: Annotated[str | None, typer.Option(help="Environment variable with the servers' key.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else.")] = False,
) -> None:
    """Holds a deployment or an export to the trained model: tokens, log-probabilities, answers, ends. Exit code 1 where
    one differs; without --url and --folder this house's own engine is held to it."""
    from postgrad.workflows.parity import parity

    key = os.environ.get(key_env) if key_env else None
    found = show(parity(model, url or (), folder or (), key, precision), quiet=json)
    if json:
        out(jsonlib.dumps([p.to_dict() for p in found]))
    else:
        for one in found:
            out(one.sentence)
            for check in one.checks:
                mark = {True: "ok", False: "NO", None: "--"}[check.held]
                why = f" Likely cause: {check.cause}." if check.cause else ""
                out(f"  {mark}  {check.name:<9} {check.sentence}{why}")
    if not all(one.held for one in found):
        raise typer.Exit(1)
