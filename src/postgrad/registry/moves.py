"""The moves of aliases: a history with a pointer, of which every move can be taken back and made again.

The newest move that was not taken back is where an alias stands. `rollback` takes it back, as often as there is an
earlier one; `forward` makes the one again that was taken back last; a new promotion stands after all of them.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from postgrad.errors import UsageError
from postgrad.json_types import JsonObject
from postgrad.registry.tables import AliasRow, ModelRow

PRODUCTION = "production"
"""The alias that a bare name means."""
_TAKEN = re.compile(r"@|\+rag\Z")
"""What stands behind names where they are asked for."""
_ALIAS = re.compile(r"[a-z][a-z0-9_.-]{0,63}\Z")


@dataclass(frozen=True)
class Move:
    """A promotion of a version.

    Attributes:
        undone: When it was taken back; None where it was not.
        standing: Whether it is where the alias points to.
        reason: What it was decided by, in a sentence.
        evidence: The gate's findings; None where there was no gate.
    """

    name: str
    alias: str
    version: int
    moved: datetime.datetime
    undone: datetime.datetime | None
    standing: bool
    reason: str
    evidence: JsonObject | None


def check_alias(alias: str) -> None:
    """Refuses what could be taken for something else.

    Raises:
        UsageError: it looks like a version, or cannot stand in a model's name.
    """
    if not _ALIAS.match(alias):
        why = "it would be taken for a version" if alias.isdigit() else "small letters, digits, '.', '_' and '-' only"
        raise UsageError(f"{alias!r} is no name for an alias: {why}.", "Usual names: production, candidate, staging.")


def check_name(name: str) -> None:
    """Refuses a model's name that could not be asked for.

    Raises:
        UsageError: it is empty, has blanks at its ends, or what stands behind names (`@`, `+rag`).
    """
    if not name.strip() or name != name.strip() or _TAKEN.search(name):
        raise UsageError(f"{name!r} is no name for a model.", "Leave '@', '+rag' and blanks at its ends out.")


def _moves(name: str) -> Select[AliasRow, ModelRow]:
    """Every move of every alias of a name, with the version that it goes to."""
    joined = select(AliasRow, ModelRow).join(ModelRow, AliasRow.model_id == ModelRow.id)
    return joined.where(AliasRow.name == name)


def standing(session: Session, name: str, alias: str) -> list[tuple[AliasRow, ModelRow]]:
    """The moves of an alias that were not taken back, to versions that are there, newest first."""
    rows = session.execute(
        _moves(name)
        .where(AliasRow.alias == alias, AliasRow.undone.is_(None), ~ModelRow.deleted)
        .order_by(AliasRow.id.desc())
    )
    return [(move, model) for move, model in rows]


def pointed(session: Session, name: str, alias: str) -> ModelRow | None:
    """The version that an alias points to."""
    found = standing(session, name, alias)
    return found[0][1] if found else None


def move(session: Session, row: ModelRow, alias: str, reason: str, evidence: JsonObject | None) -> None:
    """Points an alias to a version."""
    check_alias(alias)
    now = datetime.datetime.now(datetime.UTC)
    session.add(AliasRow(name=row.name, alias=alias, model_id=row.id, moved=now, reason=reason, evidence=evidence))


def take_back(session: Session, name: str, alias: str) -> ModelRow:
    """Points an alias to where it stood before its last move that was not taken back.

    Raises:
        UsageError: there is no earlier one.
    """
    found = standing(session, name, alias)
    before = next((place for place, (_, model) in enumerate(found) if model.id != found[0][1].id), None)
    if before is None:
        raise UsageError(
            f"The alias {alias!r} of {name!r} has no earlier version to go back to.",
            f"See `postgrad models lineage {name}`.",
        )
    now = datetime.datetime.now(datetime.UTC)
    for taken, _ in found[:before]:  # the same version promoted twice is one move
        taken.undone = now
    return found[before][1]


def withdraw(session: Session, name: str, alias: str) -> ModelRow:
    """Takes every move of an alias back, so that it points to nothing; gives where it stood.

    Raises:
        UsageError: it points to nothing already.
    """
    found = standing(session, name, alias)
    if not found:
        raise UsageError(f"{name!r} has no {alias!r}.", f"See `postgrad models lineage {name}`.")
    now = datetime.datetime.now(datetime.UTC)
    for taken, _ in found:
        taken.undone = now
    return found[0][1]


def make_again(session: Session, name: str, alias: str) -> ModelRow:
    """Makes the move again that was taken back last.

    Raises:
        UsageError: none was taken back since the last promotion.
    """
    found = standing(session, name, alias)
    after = found[0][0].id if found else 0
    undone = session.execute(
        _moves(name)
        .where(AliasRow.alias == alias, AliasRow.undone.is_not(None), ~ModelRow.deleted, AliasRow.id > after)
        .order_by(AliasRow.undone.desc(), AliasRow.id)
    ).all()
    last = [(taken, model) for taken, model in undone if taken.undone == undone[0][0].undone]
    if not last:
        raise UsageError(
            f"No move of the alias {alias!r} of {name!r} was taken back since its last promotion.",
            f"See `postgrad models lineage {name}`.",
        )
    for taken, _ in last:  # a withdrawal took all of them back at once
        taken.undone = None
    return last[-1][1]


def history(session: Session, name: str) -> list[Move]:
    """Every move of every alias of a name, oldest first."""
    rows = session.execute(_moves(name).order_by(AliasRow.id)).all()
    newest = {m.alias: m.id for m, model in rows if m.undone is None and not model.deleted}
    return [
        Move(m.name, m.alias, model.version, m.moved, m.undone, newest.get(m.alias) == m.id, m.reason, m.evidence)
        for m, model in rows
    ]


def aliases(session: Session, name: str) -> dict[str, int]:
    """Which version each alias of a name points to."""
    return {m.alias: m.version for m in history(session, name) if m.standing}


def all_pointed(session: Session, alias: str) -> set[tuple[str, int]]:
    """Every name with the version that an alias of it points to."""
    newest = (
        select(func.max(AliasRow.id))
        .join(ModelRow, AliasRow.model_id == ModelRow.id)
        .where(AliasRow.alias == alias, AliasRow.undone.is_(None), ~ModelRow.deleted)
        .group_by(AliasRow.name)
    )
    rows = session.execute(
        select(ModelRow.name, ModelRow.version)
        .join(AliasRow, AliasRow.model_id == ModelRow.id)
        .where(AliasRow.id.in_(newest))
    )
    return {(name, version) for name, version in rows}


def names_of(found: Sequence[Move], version: int) -> list[str]:
    """The aliases that point to a version."""
    return [m.alias for m in found if m.standing and m.version == version]
