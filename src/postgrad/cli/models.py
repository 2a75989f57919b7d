"""`postgrad models`: the registry."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from postgrad.cli.support.door import StopSign, out, show
from postgrad.errors import UsageError

if TYPE_CHECKING:
    from postgrad.registry.catalogue import Catalogue, ModelEntry

ACTIONS = ("list", "show", "pull", "promote", "rollback", "forward", "withdraw", "delete", "lineage", "verify", "clean")


def command(
    action: Annotated[str, typer.Argument(help=f"{', '.join(ACTIONS[:-1])} or {ACTIONS[-1]}.")] = "list",
    model: Annotated[str | None, typer.Argument(help="NAME, NAME@VERSION or NAME@ALIAS (pull: a base model).")] = None,
    alias: Annotated[str, typer.Option(help="The alias to move.")] = "production",
    data: Annotated[
        list[Path] | None,
        typer.Option(help="promote: examples to measure this version and the present one on (may be repeated)."),
    ] = None,
    force: Annotated[
        str,
        typer.Option(
            help="promote, clean: why what speaks against it is passed over; the reason of a promotion is kept."
        ),
    ] = "",
    repair: Annotated[
        bool, typer.Option("--repair", help="verify: mend what is damaged, where a copy is left.")
    ] = False,
    pretend: Annotated[bool, typer.Option("--pretend", help="clean: only say what would be freed.")] = False,
    now: Annotated[
        bool, typer.Option("--now", help="clean: what commands of the last day kept, too; nothing else may be running.")
    ] = False,
    svg: Annotated[Path | None, typer.Option(help="lineage: write a picture to this file.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else.")] = False,
) -> None:
    """Lists, shows, promotes, rolls back, deletes and verifies registered models; pulls base models."""
    from postgrad.registry import Catalogue
    from postgrad.registry.names import Names

    if action not in ACTIONS:
        raise UsageError(f"There is no action {action!r}.", f"Actions: {', '.join(ACTIONS)}.")
    if action == "pull":
        from postgrad.models.base_models import find_model

        out(str(find_model(_needed(model, action)).folder))
        return
    catalogue = Catalogue()
    if action == "list":
        _list(catalogue, catalogue.list(model), json)
    elif action == "verify":
        entries = catalogue.list(model) or ([Names(catalogue).entry(model)] if model else [])
        _verify(entries, repair, json)
    elif action == "clean":
        _clean(catalogue, pretend, now, force, json)
    elif action == "show":
        entry = Names(catalogue).entry(_needed(model, action))
        out(jsonlib.dumps(_view(catalogue, entry, Names(catalogue).meaning(entry)), indent=None if json else 2))
    elif action == "lineage":
        _lineage(catalogue, Names(catalogue).entry(_needed(model, action)), svg, json)
    elif action == "promote":
        _promote(_needed(model, action), alias, data or [], force, json)
    elif action == "delete":
        deleted = catalogue.delete(_needed(model, action)).id
        out(f"deleted {deleted}; `postgrad models clean` frees what it was made of")
    else:
        name = _needed(model, action)
        if action == "withdraw":
            out(f"{alias} of {name} is nothing now; it was {catalogue.withdraw(name, alias).id}")
            return
        moved = catalogue.rollback(name, alias) if action == "rollback" else catalogue.forward(name, alias)
        where = "back at" if action == "rollback" else "again at"
        out(f"{alias} of {name} is now {where} {moved.id}")


def _list(catalogue: Catalogue, entries: list[ModelEntry], json: bool) -> None:
    from postgrad.blobs import Blobs
    from postgrad.cli.support.model_tables import table
    from postgrad.registry.names import Names

    if json:
        out(jsonlib.dumps([_view(catalogue, e, Names(catalogue).meaning(e)) for e in entries]))
    elif entries:
        out("\n".join(table(catalogue, Blobs(), entries)))
    else:
        out("No model is registered yet: `postgrad run DATA` creates one.")


def _promote(model: str, alias: str, data: list[Path], force: str, json: bool) -> None:
    from postgrad.workflows.promote import promote

    with StopSign().watching() as stop:
        done = show(promote(model, alias, data=data, force=force, stopped=stop), stop, quiet=json)
    if json:
        out(jsonlib.dumps(done.to_dict()))
        return
    before = f" (until now {done.before.id}; back: `postgrad models rollback {done.entry.name}`)" if done.before else ""
    out(f"{alias} of {done.entry.name} is now {done.entry.id}{before}")


def _lineage(catalogue: Catalogue, entry: ModelEntry, svg: Path | None, json: bool) -> None:
    from postgrad.blobs import Blobs
    from postgrad.cli.support.model_tables import story
    from postgrad.steps.delivery.lineage import lineage_of

    lineage = lineage_of(catalogue, Blobs(), entry)
    if svg is not None:
        from postgrad.steps.delivery.lineage_boxes import picture_of
        from postgrad.storage import write_atomic

        write_atomic(svg, picture_of(lineage), 0o644)
    if json:
        out(jsonlib.dumps(lineage.to_dict()))
        return
    out("\n".join(story(lineage)))
    if svg is not None:
        out(f"Picture: {svg}")


def _clean(catalogue: Catalogue, pretend: bool, now: bool, force: str, json: bool) -> None:
    from postgrad.blobs import Blobs
    from postgrad.steps.delivery.cleaning import clean

    blobs = Blobs()
    if not (force or pretend or blobs.own):
        raise UsageError(
            f"The store {blobs.url!r} may be shared with other catalogues, whose models are not known here.",
            'Where it is this one\'s alone: postgrad models clean --force "no other catalogue uses it".',
        )
    done = clean(catalogue, blobs, pretend=pretend, now=now)
    if json:
        out(jsonlib.dumps({"files": done.blobs, "folders": done.folders, "bytes": done.bytes, "pretend": pretend}))
        return
    verb = "would be freed" if pretend else "freed"
    freed = f"{done.blobs} stored files and {done.folders} folders, {done.bytes / 1e6:,.1f} MB"
    out(f"{freed}, {verb}: nothing refers to them.")


def _verify(entries: list[ModelEntry], repair: bool, json: bool) -> None:
    """Hashes every file of the models and what is kept with them anew; exit code 1 where something is still wrong."""
    from postgrad.blobs import Blobs

    blobs, faults = Blobs(), list[dict[str, str]]()
    for entry in entries:
        found = blobs.looked_through(entry.blob, repair)
        kept = {
            "report.json": entry.report,
            **{n: entry.details.get(n) for n in ("trace", "scores", "probes", "canary")},
        }
        for name, digest in kept.items():
            if digest and (state := blobs.state(str(digest))) != "sound":
                found[name] = state
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


def _view(catalogue: Catalogue, entry: ModelEntry, also: list[str]) -> dict[str, object]:
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
