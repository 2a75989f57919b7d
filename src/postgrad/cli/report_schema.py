"""`postgrad report-schema`: the published schemas."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from postgrad.cli.support.door import out
from postgrad.errors import UsageError


def command(
    which: Annotated[
        str, typer.Argument(help="report, check, results (each line of results.jsonl) or compare.")
    ] = "report",
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="Write all of them to this folder instead, one file each.")
    ] = None,
) -> None:
    """Prints the JSON schema of a file that postgrad writes."""
    from postgrad.report.schemas import SCHEMAS, schema_of
    from postgrad.storage import write_atomic

    if out_folder is not None:
        for name in SCHEMAS:
            out(str(write_atomic(out_folder / f"{name}.json", _text(schema_of(name)), 0o644)))
        return
    if which not in SCHEMAS:
        raise UsageError(f"There is no schema {which!r}.", f"The schemas: {', '.join(SCHEMAS)}.")
    out(_text(schema_of(which)).rstrip())


def _text(schema: dict) -> str:
    return jsonlib.dumps(schema, indent=2, ensure_ascii=False) + "\n"
