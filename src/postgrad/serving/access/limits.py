"""Bounds on what clients may send: bodies while they stream in, requests and tokens a minute by key.

The buckets are policy without I/O: the time is an argument.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from postgrad.models.generation.generate import Completion
from postgrad.models.generation.incremental import Piece
from postgrad.registry.keys import ApiKey
from postgrad.serving.inference.prepared import PreparedRequest
from postgrad.serving.wire.api_errors import ApiError

MEGABYTE = 1 << 20
MAX_BODY = 16 * MEGABYTE
"""Of every request that has no larger bound of its own."""
LARGER = {"/v1/files": 513 * MEGABYTE, "/v1/uploads": 65 * MEGABYTE}
"""By the path's beginning: a file of 512 MB and a part of 64 MB, with the form around them."""
BODY_PAUSE_S = 60
"""A client that sends nothing for so long in the middle of a body is cut off."""


@dataclass
class Bucket:
    """So many a minute, refilled evenly.

    Args:
        limit: A minute; also the most that can be saved up.
    """

    limit: int
    level: float = field(default=-1.0)
    at: float = 0.0

    def now(self, now: float) -> float:
        """What is left."""
        if self.level < 0 and not self.at:
            self.level = float(self.limit)
        self.level = min(float(self.limit), self.level + (now - self.at) * self.limit / 60 if self.at else self.level)
        self.at = now
        return self.level

    def take(self, amount: float, now: float) -> bool:
        """Takes what is there; nothing where it is not enough."""
        if self.now(now) < amount:
            return False
        self.level -= amount
        return True

    def wait(self, amount: float, now: float) -> float:
        """Seconds until so much is there."""
        return max(0.0, (amount - self.now(now)) * 60 / self.limit)


@dataclass
class Allowance:
    """What one key may still do."""

    requests: Bucket | None
    tokens: Bucket | None

    def headers(self, now: float) -> dict[str, str]:
        """OpenAI's headers."""
        out: dict[str, str] = {}
        for name, bucket in (("requests", self.requests), ("tokens", self.tokens)):
            if bucket is not None:
                out[f"x-ratelimit-limit-{name}"] = str(bucket.limit)
                out[f"x-ratelimit-remaining-{name}"] = str(max(0, math.floor(bucket.now(now))))
                out[f"x-ratelimit-reset-{name}"] = duration(bucket.wait(bucket.limit, now))
        return out


class RateLimits:
    """The allowances of all keys, in this process."""

    def __init__(self) -> None:
        self._kept: dict[str, Allowance] = {}

    def of(self, key: ApiKey | None) -> Allowance:
        """A key's allowance; without limits where there is no key."""
        if key is None:
            return Allowance(None, None)
        asked = (key.requests_per_minute, key.tokens_per_minute)
        kept = self._kept.get(key.id)
        if kept is None or tuple(b and b.limit for b in (kept.requests, kept.tokens)) != asked:
            kept = self._kept[key.id] = Allowance(*(Bucket(n) if n else None for n in asked))
        return kept


def duration(seconds: float) -> str:
    """As OpenAI writes it: `350ms`, `12s`, `1m30s`."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    whole = math.ceil(seconds)
    return f"{whole // 60}m{whole % 60}s" if whole >= 60 else f"{whole}s"


def too_many(what: str, bucket: Bucket, amount: float, now: float) -> ApiError:
    """The answer to a client that asked too much; it says when to come back."""
    wait = bucket.wait(min(amount, bucket.limit), now)
    return ApiError(
        429,
        f"Rate limit reached for {what} per min. Limit: {bucket.limit}, requested: {math.ceil(amount)}. Please try"
        f" again in {duration(wait)}.",
        "rate_limit_exceeded",
        kind=what,
        headers={"retry-after": str(max(1, math.ceil(wait))), "retry-after-ms": str(max(1, math.ceil(wait * 1000)))},
    )


def refuse_overdrawn(tokens: Bucket | None) -> None:
    """Lets work through whose tokens are counted afterwards, while any are left.

    Raises:
        ApiError: none are.
    """
    if tokens is not None and tokens.now(now := time.monotonic()) <= 0:
        raise too_many("tokens", tokens, 1, now)


class Meter:
    """Counts the tokens of one request's answers as they come.

    Args:
        prompt: Tokens of the prompt.
    """

    def __init__(self, prompt: int) -> None:
        self.prompt, self.new = prompt, 0
        self.completions: list[Completion] = []

    def grew(self, piece: Piece) -> None:
        """Counts a piece; the last one of an answer brings the exact figure."""
        self.new += len(piece.tokens)
        if piece.done is not None:
            self.completions.append(piece.done)

    def used(self, completions: Sequence[Completion]) -> None:
        """Counts whole answers."""
        self.completions += completions

    @property
    def total(self) -> int:
        return self.prompt + max(self.new, sum(c.completion_tokens for c in self.completions))


@contextmanager
def reserved(request: Request, prepared: PreparedRequest) -> Iterator[Meter]:
    """Takes the tokens that a request may need at most from its key's allowance, and gives back those it did not use.

    Raises:
        ApiError: there are not enough, or the month's quota is used up.
    """
    key, quotas = request.state.key, request.state.quotas
    quotas.check(key)
    bucket: Bucket | None = request.state.allowance.tokens
    meter = Meter(len(prepared.prompt))
    request.state.meter = meter
    taken = 0.0
    if bucket is not None:
        now = time.monotonic()
        taken = prepared.tokens if len(prepared.prompt) > bucket.limit else min(prepared.tokens, bucket.limit)
        if not bucket.take(taken, now):
            raise too_many("tokens", bucket, taken, now)
    try:
        yield meter
    finally:
        if bucket is not None:
            bucket.level += taken - meter.total
        if key is not None and key.tokens_per_month is not None:
            quotas.used(key.id, meter.total)


def spent(request: Request, tokens: int) -> None:
    """Takes the tokens of a request that costs so many in any case, from its key's minute and month.

    Raises:
        ApiError: there are not enough, or the month's quota is used up.
    """
    key, quotas = request.state.key, request.state.quotas
    quotas.check(key)
    bucket: Bucket | None = request.state.allowance.tokens
    if bucket is not None:
        now = time.monotonic()
        if not bucket.take(min(tokens, bucket.limit), now):
            raise too_many("tokens", bucket, tokens, now)
        bucket.level -= max(0, tokens - bucket.limit)
    if key is not None and key.tokens_per_month is not None:
        quotas.used(key.id, tokens)


class BodyLimit:
    """Counts a request's body while it comes in; plain ASGI, so nothing is gathered first.

    Args:
        app: The rest.
        limit: Bytes.
        larger: Other bounds by the path's beginning.
    """

    def __init__(self, app: ASGIApp, limit: int = MAX_BODY, larger: Mapping[str, int] | None = None) -> None:
        self.app, self.limit, self.larger = app, limit, dict(LARGER if larger is None else larger)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = max([self.limit, *(n for start, n in self.larger.items() if scope["path"].startswith(start))])
        headers = dict(scope["headers"])
        said = headers.get(b"content-length", b"0")
        if b"content-length" in headers and b"transfer-encoding" in headers:  # a proxy might believe the other one
            refusal = ApiError(400, "The request says the length of its body twice.", headers={"connection": "close"})
            await refusal.response()(scope, receive, send)
            return
        if said.isdigit() and int(said) > limit:
            await _too_large(limit).response()(scope, receive, send)
            return
        came, more = 0, True

        async def counted() -> Message:
            nonlocal came, more
            if not more:
                return await receive()
            try:
                async with asyncio.timeout(BODY_PAUSE_S):
                    message = await receive()
            except TimeoutError:
                raise ApiError(408, f"No data came for {BODY_PAUSE_S} seconds in the middle of the body.") from None
            more = bool(message.get("more_body"))
            came += len(message.get("body", b""))
            if came > limit:
                raise _too_large(limit)
            return message

        await self.app(scope, counted, send)


def _too_large(limit: int) -> ApiError:
    return ApiError(
        413,
        f"The request's body is larger than {limit // MEGABYTE} MB.",
        "request_too_large",
        headers={"connection": "close"},
    )
