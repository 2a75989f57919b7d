"""`postgrad convert`: data in any shape that can be read, written in any shape that can be written."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from postgrad.cli.support.door import errors, out
from postgrad.cli.support.options import Assistant, Input, Output, Speaker, Thread, listed, message_columns, read_text
from postgrad.data.writing.containers import ENDINGS
from postgrad.data.writing.writers import WRITERS
from postgrad.errors import Interrupted, UsageError

if TYPE_CHECKING:
    from postgrad.data.writing.convert import Converted

_NAMED = 5
_SHAPES = f"{', '.join(list(WRITERS)[:-1])} or {list(WRITERS)[-1]}."


def command(
    data: Annotated[list[Path], typer.Argument(help="Files of any shape that `check` reads.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help=f"File to write: {', '.join(ENDINGS)}; - prints.")],
    to: Annotated[str, typer.Option("--to", metavar="SHAPE", help=f"Shape to write: {_SHAPES}")],
    input: Input = None,
    output: Output = None,
    thread: Thread = None,
    speaker: Speaker = None,
    assistant: Assistant = None,
    system_prompt: Annotated[
        str | None, typer.Option(help="Instruction for every record that has none; @FILE reads it from a file.")
    ] = None,
    skip: Annotated[bool, typer.Option("--skip", help="Skip records that the shape cannot hold.")] = False,
    meta: Annotated[
        bool | None,
        typer.Option(help="Write metadata too; usual unless a vendor's upload may refuse it."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON on stdout and nothing else.")] = False,
) -> None:
    """Reads the data, reports how it was interpreted, and writes it in another shape; ambiguous data is refused."""
    from postgrad.data.writing.convert import convert

    printed = str(target) == "-"
    if printed and json:
        raise UsageError("--json and OUT - both want standard output.", "Name a file to write.")
    if target.is_dir():
        raise UsageError(f"{str(target)!r} is a folder.", f"Name a file in it: {target / 'data.jsonl'}")
    if not printed and target.exists() and not force:
        raise UsageError(f"{str(target)!r} already exists.", "Choose another name, or replace it: --force")
    try:
        done = convert(
            data,
            target,
            to,
            input_column=listed(input),
            output_column=listed(output),
            system_prompt=read_text(system_prompt),
            messages=message_columns(thread, speaker, assistant),
            skip=skip,
            meta=meta,
        )
    except KeyboardInterrupt as stop:
        raise Interrupted("Interrupted; nothing was written.") from stop
    if json:
        out(jsonlib.dumps(_account(done, target, to), ensure_ascii=False))
        return
    for line in _sentences(done, target, to):
        if printed:
            errors.print(line, markup=False, soft_wrap=True)
        else:
            out(line)


def _account(done: Converted, target: Path, to: str) -> dict:
    return {
        "read": done.read,
        "written": done.written,
        "to": to,
        "out": str(target),
        "explanations": done.explanations,
        "notes": done.notes,
        "said": done.said,
        "left_out": [{"file": place.file, "line": place.line, "reason": reason} for place, reason in done.left_out],
    }


def _sentences(done: Converted, target: Path, to: str) -> list[str]:
    lines = [*done.explanations, *(f"! {note}" for note in done.notes)]
    where = "standard output" if str(target) == "-" else str(target)
    lines.append(f"\n{done.read:,} records read, {done.written:,} rows written to {where} as {to}.")
    lines += [f"! {text}" for text in done.said]
    if done.left_out:
        lines.append(f"! {len(done.left_out):,} records were left out, because {to} cannot hold them:")
        lines += [f"    {place}: {reason}" for place, reason in done.left_out[:_NAMED]]
        if len(done.left_out) > _NAMED:
            lines.append(f"    and {len(done.left_out) - _NAMED:,} more (--json lists all)")
    if not done.left_out and not done.said:
        lines.append("Nothing was lost.")
    return lines
