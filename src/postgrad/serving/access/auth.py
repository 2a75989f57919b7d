"""Who asks: keys, roles, and the server that stands open on its own machine. Sets `request.state` for every route."""

from __future__ import annotations

import hmac
import ipaddress
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from postgrad.errors import PostgradError
from postgrad.registry.keys import ORGANIZATION, PROJECT, ApiKey, KeyRole, Keys, digest
from postgrad.serving.access.limits import RateLimits, too_many
from postgrad.serving.access.quotas import Quotas
from postgrad.serving.wire.api_errors import ApiError, foreseen

REMEMBERED_S = 2.0
"""How long a looked-up key counts as valid: the longest time that a revoked key still works."""
_REMEMBERED = 1024
_READING = ("GET", "HEAD", "OPTIONS")
_GUARDED = ("/v1/", "/metrics")


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes:
        organization: Owner of what is made.
        project: The same, one level below.
        role: What may be done.
        key_id: Of the key; None for the environment's, and where no key is demanded.
    """

    organization: str = ORGANIZATION
    project: str = PROJECT
    role: KeyRole = "admin"
    key_id: str | None = None


def caller_of(request: Request) -> Caller:
    """Who sent a request."""
    return request.state.caller


class Gate:
    """Demands a key where one was ever made, counts requests against it, and holds read-only keys to reading.

    Args:
        app: The rest.
        keys: The keys in the database.
        api_key: One more key, an administrator's.
        guard: Where no key is demanded, refuse what a page in a browser could send here.
        quotas: Count what keys use in a month.
        rates: And in a minute.
    """

    def __init__(
        self, app: ASGIApp, keys: Keys, api_key: str | None, guard: bool, quotas: Quotas, rates: RateLimits
    ) -> None:
        self.app, self.keys, self.guard, self.quotas = app, keys, guard, quotas
        self.rates = rates
        self._own = digest(api_key) if api_key else None
        self._known: OrderedDict[str, tuple[float, ApiKey | None]] = OrderedDict()
        self._demanded = (-REMEMBERED_S, False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(_GUARDED):
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        state: dict[str, Any] = scope.setdefault("state", {})
        try:
            key = await self._admitted(headers, state)
            caller: Caller = state["caller"]
            if caller.role == "read-only" and scope["method"] not in _READING:
                raise ApiError(
                    403,
                    "This key is read-only: it may not create, change, delete, or query models.",
                    "insufficient_permissions",
                )
            now = time.monotonic()
            bucket = state["allowance"].requests
            if bucket is not None and not bucket.take(1, now):
                error = too_many("requests", bucket, 1, now)
                error.headers = {**(error.headers or {}), **state["allowance"].headers(now)}
                raise error
        except ApiError as error:
            await error.response()(scope, receive, send)
            return
        except PostgradError as error:
            await foreseen(error).response()(scope, receive, send)
            return

        async def send_with_limits(message: Message) -> None:
            if message["type"] == "http.response.start" and key is not None:
                fresh = state["allowance"].headers(time.monotonic())
                message["headers"] = [
                    *message.get("headers", []),
                    *((k.encode(), v.encode()) for k, v in fresh.items()),
                ]
            await send(message)

        await self.app(scope, receive, send_with_limits)

    async def _admitted(self, headers: dict[str, str], state: dict[str, Any]) -> ApiKey | None:
        """Sets the request's state; the key of the database, where it came with one."""
        scheme, _, secret = headers.get("authorization", "").partition(" ")
        secret = secret.strip() if scheme.lower() == "bearer" else ""
        key = None
        if self._own is not None and secret and hmac.compare_digest(digest(secret), self._own):
            caller = Caller()
        elif not await self._any():
            if self.guard:
                _refuse_strangers(headers)
            caller = Caller()
        else:
            key = await self._find(secret) if secret else None
            if key is None:
                said = "Incorrect API key provided." if secret else "You didn't provide an API key."
                raise ApiError(
                    401,
                    f"{said} Send it as `Authorization: Bearer KEY`; `postgrad keys create` creates one.",
                    "invalid_api_key",
                    headers={"www-authenticate": "Bearer"},
                )
            if key.tokens_per_month is not None:
                await run_in_threadpool(self.quotas.read, key)
            caller = Caller(key.organization, key.project, key.role, key.id)
        state.update(
            caller=caller,
            organization=caller.organization,
            project=caller.project,
            role=caller.role,
            key_id=caller.key_id,
            allowance=self.rates.of(key),
            quotas=self.quotas,
            key=key,
        )
        return key

    async def _any(self) -> bool:
        """Whether a key is demanded."""
        if self._own is not None or self._demanded[1]:
            return True
        if time.monotonic() - self._demanded[0] >= REMEMBERED_S:
            self._demanded = (time.monotonic(), await run_in_threadpool(self.keys.any))
        return self._demanded[1]

    async def _find(self, secret: str) -> ApiKey | None:
        name = digest(secret)
        at, key = self._known.get(name, (-REMEMBERED_S, None))
        if time.monotonic() - at >= REMEMBERED_S:
            key = await run_in_threadpool(self.keys.find, secret)
            self._known[name] = (time.monotonic(), key)
            self._known.move_to_end(name)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return key


def _refuse_strangers(headers: dict[str, str]) -> None:
    """A server without keys answers programs of its own machine; a page in a browser could reach it by a name of the
    page's own that points here (which shows in `host`), or by sending blindly (which shows in `origin` and in
    `sec-fetch-site`).

    Raises:
        ApiError: the request came so.
    """
    host, origin = headers.get("host", ""), headers.get("origin")
    if host and not _is_local(host):
        raise ApiError(
            403,
            f"This server has no keys and answers only its own machine; the request names {host!r}. Create a key:"
            " `postgrad keys create`.",
            "not_local",
        )
    own = origin in (f"http://{host}", f"https://{host}") and host != ""
    if (origin is not None and not own and not _is_loopback(origin)) or headers.get("sec-fetch-site") == "cross-site":
        raise ApiError(
            403,
            "This server has no keys and answers no pages of other places"
            + (f"; this one is {origin[:200]!r}" if origin else "")
            + ". Create a key: `postgrad keys create`.",
            "not_local",
        )


def _is_loopback(origin: str) -> bool:
    """Whether a page comes from this machine."""
    try:
        parts = urlsplit(origin)
        name = parts.hostname or ""
        if parts.scheme not in ("http", "https") or name == "localhost" or name.endswith(".localhost"):
            return parts.scheme in ("http", "https")
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_local(host: str) -> bool:
    """Whether a host is an address, or a name that no public name server can give away."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return "." not in name or name.endswith(".localhost")
    return True
