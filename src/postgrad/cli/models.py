"""`postgrad models`: the registry."""

from __future__ import annotations

import json as jsonlib
from typing import TYPE_CHECKING, Annotated

import typer

from postgrad.cli.support.door import out
from postgrad.errors import UsageError

if TYPE_CHECKING:
    from postgrad.registry.catalogue import ModelEntry


def command(
    action: Annotated[
        str, typer.Argument(help="list, show, pull, promote, rollback, delete, lineage or verify.")
    ] = "list",
    model: Annotated[str | None, typer.Argument(help="NAME, NAME@VERSION or NAME@ALIAS (pull: a base model).")] = None,
    alias: Annotated[str, typer.Option(help="The alias to move.")] = "production",
    repair: Annotated[
        bool, typer.Option("--repair", help="verify: mend what is damaged, where a copy is left.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else.")] = False,
) -> None:
    """Lists, shows, promotes, rolls back, deletes and verifies registered models; pulls base models."""
    from postgrad.registry import Catalogue
    from postgrad.registry.names import Names

    if action == "pull":
        from postgrad.models.base_models import find_model

        out(str(find_model(_needed(model, action)).folder))
        return
    catalogue = Catalogue()
    if action == "list":
        entries = catalogue.list(model)
        if json:
            out(jsonlib.dumps([_view(catalogue, e, Names(catalogue).meaning(e)) for e in entries]))
            return
        for e in entries:
            aliases = [a for a, v in catalogue.aliases(e.name).items() if v == e.version]
            score = f"{e.details['metric']} {e.details['score']:.3f}" if "score" in e.details else "not evaluated"
            out(
                f"{e.id:<28} {e.base:<24} {score}  {e.created:%Y-%m-%d %H:%M}  {e.details.get('recommendation', '')}"
                f" {' '.join(aliases)}"
            )
        if not entries:
            out("No model is registered yet: `postgrad run DATA` creates one.")
        return
    if action == "verify":
        entries = catalogue.list(model) or ([Names(catalogue).entry(model)] if model else [])
        _verify(entries, repair, json)
        return
    name = _needed(model, action)
    if action in ("show", "lineage"):
        entry = Names(catalogue).entry(name)
        out(jsonlib.dumps(_view(catalogue, entry, Names(catalogue).meaning(entry)), indent=None if json else 2))
    elif action == "promote":
        out(f"{alias} of {name.partition('@')[0]} is now {catalogue.promote(name, alias).id}")
    elif action == "rollback":
        out(f"{alias} of {name} is now back at {catalogue.rollback(name, alias).id}")
    elif action == "delete":
        out(f"deleted {catalogue.delete(name).id}")
    else:
        raise UsageError(
            f"There is no action {action!r}.", "Actions: list, show, pull, promote, rollback, delete, lineage, verify."
        )


def _verify(entries: list[ModelEntry], repair: bool, json: bool) -> None:
    """Hashes every file of the models and their reports anew; exit code 1 where something is still wrong."""
    from postgrad.blobs import Blobs

    blobs, faults = Blobs(), list[dict[str, str]]()
    for entry in entries:
        found = blobs.looked_through(entry.blob, repair)
        if entry.report is not None and (state := blobs.state(entry.report)) != "sound":
            found["report.json"] = state
        faults += [{"model": entry.id, "file": name or "(list of files)", "state": s} for name, s in found.items()]
    if json:
        out(jsonlib.dumps({"models": len(entries), "faults": faults}))
    else:
        for fault in faults:
            out(f"{fault['model']}: {fault['file']} is {fault['state']}")
        left = sum(fault["state"] != "repaired" for fault in faults)
        hint = " `--repair` mends what it has a copy of." if left and not repair else ""
        out(f"{len(entries)} models looked through, {left} files damaged or missing.{hint}")
    if any(fault["state"] != "repaired" for fault in faults):
        raise typer.Exit(1)


def _needed(model: str | None, action: str) -> str:
    if model is None:
        raise UsageError(
            f"`postgrad models {action}` requires a model's name.", "`postgrad models list` shows the names."
        )
    return model


def _view(catalogue, entry, also: list[str]) -> dict:
    return {
        "id": entry.id,
        "name": entry.name,
        "version": entry.version,
        "base": entry.base,
        "base_hash": entry.base_hash,
        "method": entry.method,
        "blob": entry.blob,
        "template": entry.template,
        "data_hash": entry.data_hash,
        "report": entry.report,
        "details": entry.details,
        "created": entry.created.isoformat(),
        "also_called": also,
        "aliases": [a for a, v in catalogue.aliases(entry.name).items() if v == entry.version],
    }
