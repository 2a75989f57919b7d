"""`postgrad forget-record`: which models were trained on given records, and how they are removed."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from postgrad.cli.support.door import out


def command(
    data: Annotated[list[Path], typer.Argument(help="The records, in any format that training data may have.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else.")] = False,
) -> None:
    """Says which registered models were trained on these records, exactly or nearly. Deletes nothing."""
    from postgrad.blobs import Blobs
    from postgrad.data.load import load
    from postgrad.registry import Catalogue
    from postgrad.steps.delivery.known_records import trained_on

    records = load(data, minimum=1).records
    found = trained_on(Catalogue(), Blobs(), records)
    if json:
        rows = [{"model": f.entry.id, "known": f.known, "exact": f.exact, "near": f.near} for f in found]
        out(jsonlib.dumps({"records": len(records), "models": rows}))
        return
    mine = [f for f in found if f.exact or f.near]
    for f in mine:
        near = f" and {f.near} nearly" if f.near else ""
        out(f"{f.entry.id} was trained on {f.exact} of the {len(records)} records{near}.")
    if unknown := [f.entry.id for f in found if not f.known]:
        out(f"Not known of {', '.join(unknown)}: no fingerprint of their training data was stored.")
    if not mine:
        out(f"No other of the {len(found)} registered models was trained on one of the {len(records)} records.")
        return
    out("To remove them: take the records out of the data, train again, promote the new version, then")
    for f in mine:
        out(f"  postgrad models delete {f.entry.id}")
    out("  postgrad models clean")
    out("Exports that left the house are listed by `postgrad models lineage NAME`.")
