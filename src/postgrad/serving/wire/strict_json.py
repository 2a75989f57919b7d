"""JSON as it comes in and goes out: nothing is taken that could not be sent back, and nothing stored breaks a list.

Every router is an `ApiRouter`, so that the rule holds on every route.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from postgrad.json_types import well_formed
from postgrad.serving.wire.api_errors import ApiError

MOST_PARTS = 500_000
"""Objects and lists in one body: each takes hundreds of bytes of memory, whatever it holds."""
_log = logging.getLogger(__name__)


def parts_of(text: bytes) -> int:
    """At most so many objects and lists are in a JSON text."""
    return text.count(b"{") + text.count(b"[")


def read_json(body: bytes) -> object:
    """A request's body.

    Raises:
        json.JSONDecodeError: it is no JSON.
        ApiError: it holds half a character, a number that is infinite or too long, or too many parts.
    """
    if parts_of(body) > MOST_PARTS:
        raise ApiError(
            413, f"The request's body holds more than {MOST_PARTS:,} objects and lists.", "request_too_large"
        )
    try:
        value = json.loads(body)
    except json.JSONDecodeError:
        raise
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"We could not parse the JSON body of your request: {error}.") from error
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (ValueError, RecursionError):
        where = next(_odd(value), "")
        message = "a text that is not Unicode (half of a pair of surrogates), or a number that is infinite or none"
        raise ApiError(400, f"Invalid value for {where!r}: it holds {message}.", "invalid_value", where) from None
    return value


def _odd(value: Any) -> Iterator[str]:
    """The places of what has no form in JSON; the way to each is put together only where it is found."""
    way: list[str] = []
    waiting: list[Iterator[tuple[str, Any]]] = [iter([("", value)])]
    while waiting:
        name, part = next(waiting[-1], (None, None))
        if name is None:
            waiting.pop()
            if way:
                way.pop()
            continue
        if isinstance(part, dict | list):
            if isinstance(part, dict) and any(_wrong(key) for key in part):
                yield _place(way, name)
            way.append(name)
            inside = part.items() if isinstance(part, dict) else enumerate(part)
            waiting.append((str(key), value) for key, value in inside)
        elif _wrong(part):
            yield _place(way, name)


def _place(way: list[str], name: str) -> str:
    return ".".join(step[:64] for step in [*way[:8], name] if step)[:200]


def _wrong(part: object) -> bool:
    if isinstance(part, str):
        return any("\ud800" <= c <= "\udfff" for c in part)
    return isinstance(part, float) and (part != part or part in (float("inf"), -float("inf")))


class _StrictRequest(Request):
    async def json(self) -> object:
        if not hasattr(self, "_read"):
            self._read = read_json(await self.body())
        return self._read


class _StrictRoute(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Any]:
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handle(_StrictRequest(request.scope, request.receive))

        return strict


class ApiRouter(APIRouter):
    """A router whose bodies are read by `read_json`."""

    def __init__(self, prefix: str = "", tags: Sequence[str] = ()) -> None:
        super().__init__(prefix=prefix, tags=list(tags), route_class=_StrictRoute)


class WholeJson(JSONResponse):
    """An answer in JSON; what an older version stored and JSON has no form for is replaced, so that a list stays
    readable."""

    def render(self, content: Any) -> bytes:
        try:
            return super().render(content)
        except (ValueError, RecursionError) as error:
            _log.warning("A stored value has no form in JSON and is shown changed: %s", type(error).__name__)
            return super().render(_mended(content))


def _mended(value: Any) -> Any:
    if isinstance(value, dict):
        return {_mended(key): _mended(inside) for key, inside in value.items()}
    if isinstance(value, list):
        return [_mended(inside) for inside in value]
    if isinstance(value, str):
        return well_formed(value)
    return None if _wrong(value) else value
