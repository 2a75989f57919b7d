"""`postgrad models`: the registry."""

from __future__ import annotations

import json as jsonlib
from typing import Annotated

import typer

from postgrad.cli.support.door import out
from postgrad.errors import UsageError


def command(
    action: Annotated[str, typer.Argument(help="list, show, pull, promote, rollback, delete or lineage.")] = "list",
    model: Annotated[str | None, typer.Argument(help="NAME, NAME@VERSION or NAME@ALIAS (pull: a base model).")] = None,
    alias: Annotated[str, typer.Option(help="The alias to move.")] = "production",
    json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else.")] = False,
) -> None:
    """Lists, shows, promotes, rolls back and deletes registered models; pulls base models."""
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
            f"There is no action {action!r}.", "Actions: list, show, pull, promote, rollback, delete, lineage."
        )


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
