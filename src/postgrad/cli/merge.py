"""`postgrad merge`: several adapters of one base in one model."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated, Literal

import typer

from postgrad.cli.support.door import StopSign, out, show
from postgrad.cli.support.options import listed, read_text
from postgrad.errors import UsageError


def command(
    models: Annotated[list[str], typer.Argument(help="Two or more registered models of one base.")],
    name: Annotated[str, typer.Option(help="Name of the joint model.")],
    method: Annotated[
        Literal["linear", "ties", "dare"],
        typer.Option(help="linear adds them; ties elects signs; dare drops parts at random."),
    ] = "linear",
    weights: Annotated[str | None, typer.Option(help="One number for each model, separated by commas.")] = None,
    density: Annotated[float, typer.Option(help="Share of each update that ties and dare keep.")] = 0.5,
    data: Annotated[
        list[Path] | None, typer.Option(help="Examples of each model's task, in their order: says what was lost there.")
    ] = None,
    system_prompt: Annotated[str | None, typer.Option(help="Instruction of the joint model, or @file.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else.")] = False,
) -> None:
    """Joins adapters into one registered model, and measures what each task lost."""
    from postgrad.workflows.merge import merge

    try:
        shares = [float(part) for part in listed(weights) or []]
    except ValueError as error:
        raise UsageError(f"--weights {weights!r} are no numbers.", "For example: --weights 0.7,0.3") from error
    with StopSign().watching() as stop:
        work = merge(
            models,
            name,
            method=method,
            weights=shares,
            density=density,
            data=data or (),
            system_prompt=read_text(system_prompt),
            stopped=stop,
        )
        done = show(work, stop, quiet=json)
    if json:
        out(jsonlib.dumps(done.to_dict()))
        return
    out(f"\n{done.entry.id} joins {', '.join(done.parents)}")
    for task in done.tasks:
        out(f"  {task}")
    if not done.tasks:
        out(f"  What each task lost was not measured: postgrad compare {done.parents[0]} {done.entry.id} --data FILE")
