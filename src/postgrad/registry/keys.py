"""API keys: made once, shown once, kept as hashes; and the audit trail beside them.

A key has 256 random bits, so a plain SHA-256 of it cannot be guessed back: a slow password hash would add nothing.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, get_args

from sqlalchemy import func, select

from postgrad.errors import UsageError
from postgrad.registry.catalogue import Catalogue
from postgrad.registry.key_tables import ApiKeyRow, AuditRow
from postgrad.registry.name_tables import UsageRow

KeyRole = Literal["admin", "user", "read-only"]
ORGANIZATION = "org-local"
PROJECT = "default"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class ApiKey:
    """A key as it is kept.

    Attributes:
        id: Its public name.
        name: What its maker called it.
        hint: Its first characters.
        role: `admin`, `user` or `read-only`.
        organization: Owner of what is made with it.
        project: The same, one level below.
        requests_per_minute: None for no limit.
        tokens_per_minute: Of prompts and answers; None for no limit.
        revoked: Since when it is void.
        tokens_per_month: Of prompts and answers in a month of the calendar (UTC); None for no quota.
    """

    id: str
    name: str
    hint: str
    role: KeyRole
    organization: str
    project: str
    requests_per_minute: int | None
    tokens_per_minute: int | None
    created: datetime.datetime
    revoked: datetime.datetime | None
    tokens_per_month: int | None = None


@dataclass(frozen=True)
class AuditEvent:
    """One entry of the audit trail.

    Attributes:
        at: When.
        key_id: Who; None for the key of the environment, and where no key is demanded.
        address: From where.
        action: What: method and path of the request, ids left out; or a command.
        object_id: On what.
        status: HTTP status; 0 for a command.
    """

    at: datetime.datetime
    key_id: str | None
    organization: str | None
    project: str | None
    address: str
    action: str
    object_id: str
    status: int
    request_id: str


class Keys:
    """The keys in the catalogue's database.

    Args:
        catalogue: Where the database is.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def create(
        self,
        name: str,
        role: str = "user",
        project: str = PROJECT,
        organization: str = ORGANIZATION,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        tokens_per_month: int | None = None,
    ) -> tuple[str, ApiKey]:
        """Makes a key; its secret is given back here and never again.

        Raises:
            UsageError: the role, a name or a limit is none.
        """
        if role not in get_args(KeyRole):
            raise UsageError(f"There is no role {role!r}.", f"Roles: {', '.join(get_args(KeyRole))}.")
        for what, given in (("project", project), ("organization", organization)):
            if not _NAME.fullmatch(given):
                raise UsageError(
                    f"{given!r} cannot be the name of a {what}.",
                    "Letters, digits, dots, dashes, underscores; at most 64.",
                )
        limits = (requests_per_minute, tokens_per_minute, tokens_per_month)
        if any(limit is not None and limit < 1 for limit in limits):
            raise UsageError("A limit must be 1 or more.", "Leave it out for no limit.")
        secret = "pg-" + secrets.token_urlsafe(32)
        with self._catalogue.session() as session:
            row = ApiKeyRow(
                key_id="key_" + secrets.token_hex(8),
                name=name[:128],
                digest=digest(secret),
                hint=secret[:8] + "…",
                role=role,
                organization=organization,
                project=project,
                requests_per_minute=requests_per_minute,
                tokens_per_minute=tokens_per_minute,
                tokens_per_month=tokens_per_month,
                created=_now(),
                revoked=None,
            )
            session.add(row)
            session.flush()
            return secret, _key(row)

    def list(self) -> list[ApiKey]:
        """All keys, revoked ones too, oldest first."""
        with self._catalogue.session() as session:
            return [_key(row) for row in session.scalars(select(ApiKeyRow).order_by(ApiKeyRow.id))]

    def any(self) -> bool:
        """Whether a key was ever made: revoking the last one must not open the server to everybody."""
        with self._catalogue.session() as session:
            return session.scalar(select(func.count(ApiKeyRow.id))) != 0

    def find(self, secret: str) -> ApiKey | None:
        """The key with this secret, unless it is revoked."""
        wanted = digest(secret)
        with self._catalogue.session() as session:
            row = session.scalars(select(ApiKeyRow).where(ApiKeyRow.digest == wanted)).first()
            if row is None or not hmac.compare_digest(row.digest, wanted) or row.revoked is not None:
                return None
            return _key(row)

    def get(self, key_id: str) -> ApiKey | None:
        """The key with this public id, unless it is revoked."""
        with self._catalogue.session() as session:
            row = session.scalars(select(ApiKeyRow).where(ApiKeyRow.key_id == key_id)).first()
            return _key(row) if row is not None and row.revoked is None else None

    def revoke(self, reference: str) -> ApiKey:
        """Makes a key void, by its id or by a name that only one valid key has.

        Raises:
            UsageError: there is none, or more than one.
        """
        with self._catalogue.session() as session:
            rows = session.scalars(
                select(ApiKeyRow).where(
                    (ApiKeyRow.key_id == reference) | (ApiKeyRow.name == reference), ApiKeyRow.revoked.is_(None)
                )
            ).all()
            if len(rows) != 1:
                found = "no valid key" if not rows else f"{len(rows)} keys"
                raise UsageError(
                    f"There are {found} called {reference!r}." if rows else f"There is {found} {reference!r}.",
                    "`postgrad keys list` shows their ids.",
                )
            rows[0].revoked = _now()
            session.flush()
            return _key(rows[0])


class KeyUsage:
    """The tokens that keys used, by month.

    Args:
        catalogue: Where the database is.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def add(self, used: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], int]:
        """Adds tokens by (key, month); returns the new totals."""
        totals: dict[tuple[str, str], int] = {}
        with self._catalogue.session() as session:
            for (key_id, month), tokens in used.items():
                row = session.get(UsageRow, (key_id, month), with_for_update=True)
                if row is None:
                    session.add(row := UsageRow(key_id=key_id, month=month, tokens=0))
                    session.flush()
                row.tokens += tokens
                totals[key_id, month] = row.tokens
        return totals

    def of(self, key_id: str, month: str) -> int:
        """Tokens that a key used in a month."""
        with self._catalogue.session() as session:
            row = session.get(UsageRow, (key_id, month))
            return row.tokens if row else 0


class Audit:
    """The audit trail in the catalogue's database.

    Args:
        catalogue: Where the database is.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def add(self, deeds: Sequence[AuditEvent]) -> None:
        """Writes entries down, all or none."""
        with self._catalogue.session() as session:
            session.add_all(AuditRow(**asdict(deed)) for deed in deeds)

    def newest(self, count: int = 50) -> list[AuditEvent]:
        """The last entries, newest first."""
        with self._catalogue.session() as session:
            rows = session.scalars(select(AuditRow).order_by(AuditRow.id.desc()).limit(count))
            return [
                AuditEvent(
                    _utc(r.at),
                    r.key_id,
                    r.organization,
                    r.project,
                    r.address,
                    r.action,
                    r.object_id,
                    r.status,
                    r.request_id,
                )
                for r in rows
            ]


def digest(secret: str) -> str:
    """SHA-256 of a key, 64 hex digits."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def this_month() -> str:
    """As quotas are counted: `2026-11`, UTC."""
    return f"{_now():%Y-%m}"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _utc(moment: datetime.datetime) -> datetime.datetime:
    """SQLite forgets the zone; all moments here are UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


def _key(row: ApiKeyRow) -> ApiKey:
    role: KeyRole = "admin" if row.role == "admin" else "user" if row.role == "user" else "read-only"
    return ApiKey(
        row.key_id,
        row.name,
        row.hint,
        role,
        row.organization,
        row.project,
        row.requests_per_minute,
        row.tokens_per_minute,
        _utc(row.created),
        row.revoked and _utc(row.revoked),
        row.tokens_per_month,
    )
