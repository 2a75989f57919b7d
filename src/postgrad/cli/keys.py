"""`postgrad keys`: API keys of the server, and its audit trail."""

from __future__ import annotations

import datetime
import getpass
import json as jsonlib
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from postgrad.cli.support.door import errors, out
from postgrad.errors import UsageError
from postgrad.json_types import JsonObject

if TYPE_CHECKING:
    from postgrad.registry.keys import Keys


_CLOSES = (
    "! This is the first key: from now on the server demands one of everybody, on this machine too, and it goes on"
    " doing so when the key is revoked."
)


def command(
    action: Annotated[str, typer.Argument(help="create, list, revoke or audit.")] = "list",
    name: Annotated[str | None, typer.Argument(help="create: a name for the key; revoke: its id or name.")] = None,
    role: Annotated[str, typer.Option(help="admin, user, or read-only (may list, may not query models).")] = "user",
    project: Annotated[str, typer.Option(help="Project that owns what is created with the key.")] = "default",
    organization: Annotated[str, typer.Option(help="The project's organisation.")] = "org-local",
    requests_per_minute: Annotated[int | None, typer.Option(help="Rate limit; none by default.")] = None,
    tokens_per_minute: Annotated[
        int | None, typer.Option(help="Rate limit on prompts and answers together; none by default.")
    ] = None,
    tokens_per_month: Annotated[
        int | None, typer.Option(help="Quota of prompt and answer tokens in a calendar month (UTC); none by default.")
    ] = None,
    last: Annotated[int, typer.Option(help="audit: number of entries.", min=1)] = 50,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else.")] = False,
) -> None:
    """Creates, lists and revokes API keys; shows the audit trail. A server sees changes within two seconds."""
    from postgrad.registry import Catalogue
    from postgrad.registry.keys import Audit, Keys, KeyUsage, this_month

    catalogue = Catalogue()
    keys = Keys(catalogue)
    if action == "create":
        name = name or _asked(keys)
        first = not keys.any()
        secret, key = keys.create(
            name, role, project, organization, requests_per_minute, tokens_per_minute, tokens_per_month
        )
        _note(catalogue, "keys create", key.id)
        if json:
            out(jsonlib.dumps({"key": secret, **_plain(key)}))
            return
        out(secret)
        errors.print(
            f"{key.id}: role {key.role}, project {key.project}. The key is shown only once; only its hash is stored.",
            markup=False,
            soft_wrap=True,
        )
        if first:
            errors.print(_CLOSES, markup=False, soft_wrap=True)
    elif action == "list":
        found = keys.list()
        if json:
            out(jsonlib.dumps([_plain(key) for key in found]))
            return
        for key in found:
            limits = [
                f"{n} {what}/min"
                for n, what in ((key.requests_per_minute, "requests"), (key.tokens_per_minute, "tokens"))
                if n
            ]
            if key.tokens_per_month:
                used = KeyUsage(catalogue).of(key.id, this_month())
                limits.append(f"{used:,} of {key.tokens_per_month:,} tokens used this month")
            state = f"revoked {key.revoked:%Y-%m-%d}" if key.revoked else ", ".join(limits) or "no limits"
            out(
                f"{key.id}  {key.hint:<9}  {key.role:<9}  {key.organization}/{key.project:<12}  {key.created:%Y-%m-%d} "
                f" {key.name}  ({state})"
            )
        if not found:
            out(
                "There are no keys: the server answers everybody on this machine. `postgrad keys create NAME` makes"
                " one."
            )
    elif action == "revoke":
        if name is None:
            raise UsageError("`postgrad keys revoke` requires a key's id or name.", "`postgrad keys list` shows them.")
        key = keys.revoke(name)
        _note(catalogue, "keys revoke", key.id)
        out(jsonlib.dumps(_plain(key)) if json else f"revoked {key.id} ({key.name})")
    elif action == "audit":
        deeds = Audit(catalogue).newest(last)
        if json:
            out(jsonlib.dumps([_plain(deed) for deed in deeds]))
            return
        for deed in deeds:
            who = deed.key_id or "-"
            out(
                f"{deed.at:%Y-%m-%d %H:%M:%S}  {who:<20}  {deed.address:<15}  {deed.status or '':>3}  {deed.action} "
                f" {deed.object_id}"
            )
        if not deeds:
            out("The audit trail is empty.")
    else:
        raise UsageError(f"There is no action {action!r}.", "Actions: create, list, revoke, audit.")


def _note(catalogue: Any, action: str, key_id: str) -> None:
    """What is done to keys on the command line is in the trail too, with the user's name on this machine."""
    from postgrad.registry.keys import Audit, AuditEvent

    now = datetime.datetime.now(datetime.UTC)
    Audit(catalogue).add([AuditEvent(now, None, None, None, f"cli:{getpass.getuser()}"[:64], action, key_id, 0, "")])


def _plain(item: Any) -> JsonObject:
    """JSON-safe."""
    return {k: v.isoformat() if isinstance(v, datetime.datetime) else v for k, v in vars(item).items()}


def _asked(keys: Keys) -> str:
    """The name of a key that was given none.

    Raises:
        UsageError: nobody sits there to say it.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            "A key requires a name, by which it is listed and revoked.",
            f"postgrad keys create NAME, for example {getpass.getuser()}-laptop.",
        )
    if not keys.any():
        errors.print(_CLOSES, markup=False, soft_wrap=True)
    return typer.prompt("Name of the key (whose it is, or what uses it)", err=True)
