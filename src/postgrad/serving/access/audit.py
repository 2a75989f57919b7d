"""Every answer gets an id; every deed goes into the audit trail; counters are kept. Never content, never secrets.

Deeds are written by a thread of their own, in batches, so that a busy database holds no answer up.
"""

from __future__ import annotations

import datetime
import json
import logging
import queue
import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from postgrad.errors import PostgradError
from postgrad.registry.keys import Audit, AuditEvent
from postgrad.serving.access.auth import Caller
from postgrad.serving.wire.api_errors import ApiError

_log = logging.getLogger(__name__)
_BATCH = 256
_PENDING = 10_000
_PAUSE_S = 0.2
REFUSALS_A_SECOND = 5
"""Refused keys are noted no more often, so that a guesser cannot fill the disk."""
_SMALL = 16_384


class AuditTrail:
    """Writes deeds down beside the server's work.

    Args:
        audit: Where they go.
    """

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._queue: queue.Queue[AuditEvent | None] = queue.Queue(_PENDING)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def note(self, deed: AuditEvent) -> None:
        """Takes a deed; it is in the database within about a second."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._write, name="audit", daemon=True)
                self._thread.start()
        try:
            self._queue.put_nowait(deed)
        except queue.Full:
            _log.error("the audit trail cannot be written and %d events wait; lost: %s", _PENDING, deed)

    def close(self) -> None:
        """Writes down what is pending."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join(10)

    def _write(self) -> None:
        while True:
            batch = [self._queue.get()]
            time.sleep(_PAUSE_S)
            while len(batch) < _BATCH and not self._queue.empty():
                batch.append(self._queue.get())
            deeds = [deed for deed in batch if deed is not None]
            for attempt in range(5):
                try:
                    self._audit.add(deeds)
                    break
                except PostgradError as error:
                    _log.warning("the audit trail cannot be written (attempt %d): %s", attempt + 1, error)
                    time.sleep(attempt)
            else:
                for deed in deeds:
                    _log.error("lost from the audit trail: %s", deed)
            if None in batch:
                return


class Counters:
    """Figures of this process for `/metrics`."""

    def __init__(self) -> None:
        self.answers: Counter[tuple[str, int]] = Counter()
        self.prompt_tokens = self.new_tokens = self.open = 0
        self.seconds: Counter[str] = Counter()

    def text(self, more: Mapping[str, float]) -> str:
        """In the form that Prometheus reads."""
        lines = [
            f'postgrad_requests_total{{route="{route}",status="{status}"}} {n}'
            for (route, status), n in sorted(self.answers.items())
        ]
        lines += [
            f'postgrad_request_seconds_total{{route="{route}"}} {n:.6f}' for route, n in sorted(self.seconds.items())
        ]
        plain = {
            "postgrad_prompt_tokens_total": self.prompt_tokens,
            "postgrad_completion_tokens_total": self.new_tokens,
            "postgrad_requests_open": self.open,
            **more,
        }
        return "\n".join([*lines, *(f"{name} {value}" for name, value in plain.items())]) + "\n"


GUIDE = "/docs/guide"
_FOR_BROWSERS = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
_OF_DATA = (*_FOR_BROWSERS, (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"))
_OF_PAGES = (
    *_FOR_BROWSERS,
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none';"
        b" frame-ancestors 'none'",
    ),
)


_OF_GUIDE = (  # the site that `make docs` builds: its own scripts search and unfold
    *_FOR_BROWSERS,
    (
        b"content-security-policy",
        b"default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline';"
        b" img-src 'self' data:; worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
)


class Watched:
    """The outermost layer: ids, counters, the trail.

    Args:
        app: The rest.
        trail: Takes the deeds.
        counters: Takes the figures.
    """

    def __init__(self, app: ASGIApp, trail: AuditTrail, counters: Counters) -> None:
        self.app, self.trail, self.counters = app, trail, counters
        self._refused = (0.0, 0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = f"req_{uuid.uuid4().hex}"
        state: dict[str, Any] = scope.setdefault("state", {})
        state["request_id"] = request_id
        start, status = time.monotonic(), 0
        parts: list[bytes] = []

        async def noticed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                elapsed = round(1000 * (time.monotonic() - start))
                page = dict(message.get("headers", [])).get(b"content-type", b"").startswith(b"text/html")
                rules = _OF_GUIDE if scope["path"].startswith(GUIDE) else _OF_PAGES if page else _OF_DATA
                message["headers"] = [
                    *message.get("headers", []),
                    *rules,
                    (b"x-request-id", request_id.encode()),
                    (b"openai-processing-ms", str(elapsed).encode()),
                ]
            elif scope["method"] == "POST" and sum(map(len, parts)) < _SMALL:
                parts.append(message.get("body", b"")[:_SMALL])
            await send(message)

        self.counters.open += 1
        try:
            await self.app(scope, receive, noticed)
        except ApiError as error:  # a body that was refused while it came in, outside of every route
            if status:
                raise
            await error.response()(scope, receive, noticed)
        finally:
            self.counters.open -= 1
            self._count(scope, state, status, time.monotonic() - start)
            if deed := self._deed(scope, state, status, request_id, parts):
                self.trail.note(deed)

    def _count(self, scope: Scope, state: dict[str, Any], status: int, seconds: float) -> None:
        route = _route(scope) or "other"
        self.counters.answers[route, status] += 1
        self.counters.seconds[route] += seconds  # pyright: ignore[reportArgumentType]
        if (meter := state.get("meter")) is not None:
            self.counters.prompt_tokens += meter.prompt
            self.counters.new_tokens += meter.total - meter.prompt

    def _deed(
        self, scope: Scope, state: dict[str, Any], status: int, request_id: str, parts: list[bytes]
    ) -> AuditEvent | None:
        if scope["method"] in ("GET", "HEAD", "OPTIONS") and status not in (401, 403):
            return None
        if not scope["path"].startswith("/v1/"):
            return None
        if status in (401, 403):
            second, count = self._refused
            now = time.monotonic()
            self._refused = (second, count + 1) if now - second < 1 else (now, 1)
            if self._refused[1] > REFUSALS_A_SECOND:
                return None
        caller: Caller | None = state.get("caller")
        what = state.get("audit_object") or "/".join(map(str, scope.get("path_params", {}).values())) or _id_in(parts)
        client = scope.get("client")
        return AuditEvent(
            datetime.datetime.now(datetime.UTC),
            caller.key_id if caller else None,
            caller.organization if caller else None,
            caller.project if caller else None,
            str(client[0])[:64] if client else "",
            f"{scope['method']} {_route(scope) or 'unknown'}"[:128],
            str(what)[:256],
            status,
            request_id,
        )


def _route(scope: Scope) -> str:
    """The path with its ids left out."""
    return getattr(scope.get("route"), "path", "")


def _id_in(parts: list[bytes]) -> str:
    """The id of what a request made, from its answer."""
    try:
        made = json.loads(b"".join(parts))
    except ValueError:
        return ""
    return str(made.get("id") or "") if isinstance(made, dict) else ""
