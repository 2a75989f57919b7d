"""The HTTP interface: OpenAI's paths, one router a concept, behind the layers that every request passes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from postgrad.json_types import JsonObject
from postgrad.pages.docs_page import render_docs, render_start
from postgrad.registry.keys import Audit, Keys, KeyUsage
from postgrad.serving.access.audit import GUIDE, AuditTrail, Counters, Watched
from postgrad.serving.access.auth import Gate
from postgrad.serving.access.limits import BodyLimit, RateLimits
from postgrad.serving.access.quotas import Quotas
from postgrad.serving.inference.engine import Engine
from postgrad.serving.inference.scheduler import MAX_PLACES, Scheduler
from postgrad.serving.inference.streaming import Answering
from postgrad.serving.install import ServerParts, install
from postgrad.serving.wire import api_errors
from postgrad.serving.wire.response_schemas import ErrorAnswer, Health
from postgrad.serving.wire.strict_json import WholeJson
from postgrad.version import __version__

_log = logging.getLogger(__name__)
CANARY_S = 180.0
"""How often the canaries of adapters in memory are asked."""
_QUANTA = 5
"""An adapter keeps the model for so many times what putting it in place took …"""
_SHORTEST_S, _LONGEST_S = 0.5, 5.0
"""… within these bounds: on a busy machine others would wait too long."""


class Server(FastAPI):
    """FastAPI within our own layers: even the answer to a fault of ours has an id and is counted."""

    layers: Callable[[ASGIApp], ASGIApp] = staticmethod(lambda app: app)

    def build_middleware_stack(self) -> ASGIApp:
        return self.layers(super().build_middleware_stack())

    def openapi(self) -> JsonObject:
        if self.openapi_schema is None:
            self.openapi_schema = _described(self)
        return self.openapi_schema


def make_app(
    engine: Engine,
    api_key: str | None = None,
    *,
    guard: bool = True,
    places: int = MAX_PLACES,
    idle_seconds: float = 900.0,
) -> FastAPI:
    """The application.

    Args:
        engine: Answers.
        api_key: An administrator's key besides those in the catalogue; where there is none at all, everybody is let in.
        guard: Where everybody is let in, refuse what a page in a browser could send.
        places: Requests that may wait or be answered at once; more get 429.
        idle_seconds: The model leaves memory when nothing was asked for so long; 0 keeps it.
    """
    trail, counters = AuditTrail(Audit(engine.catalogue)), Counters()
    turns = Scheduler(lambda: min(_LONGEST_S, max(_SHORTEST_S, _QUANTA * engine.computing.loaded.swap_seconds)), places)
    answering, quotas = Answering(engine, turns), Quotas(KeyUsage(engine.catalogue))
    rates = RateLimits()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        idle = asyncio.create_task(_look_after(engine, idle_seconds))
        try:
            yield
        finally:
            idle.cancel()
            await asyncio.to_thread(trail.close)
            await asyncio.to_thread(quotas.close)

    app = Server(
        title="postgrad",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,  # FastAPI's own pages take their scripts from a public address
        redoc_url=None,
        default_response_class=WholeJson,
        description="OpenAI-compatible chat, completions and embeddings for base and tuned models.",
    )
    keys = Keys(engine.catalogue)
    app.layers = lambda inner: Watched(BodyLimit(Gate(inner, keys, api_key, guard, quotas, rates)), trail, counters)
    api_errors.install(app)

    @app.get("/health", response_model=Health, tags=["Server"], operation_id="health")
    async def health() -> JsonObject:
        """Whether the server lives, and what each of its workers says of itself; needs no key."""
        workers = {thread.name: thread.state for thread in app.state.workers()}
        faults = engine.computing.out_of_service
        status = "ok" if all(state == "ok" for state in workers.values()) and not faults else "degraded"
        return {
            "status": status,
            "workers": workers,
            "version": __version__,
            "model": engine.computing.loaded.name,
            "inside": turns.inside,
            "out_of_service": dict(faults),
        }

    @app.get("/metrics", response_class=PlainTextResponse, tags=["Server"], operation_id="metrics")
    async def metrics() -> str:
        """Counters for Prometheus."""
        more = {"postgrad_answers_inside": turns.inside, "postgrad_adapter_swaps_total": engine.computing.loaded.swaps}
        return counters.text(more)

    @app.get("/docs", response_class=HTMLResponse, include_in_schema=False)
    async def docs() -> str:
        """Every path and field."""
        return render_docs(app.openapi())

    if (guide := guide_folder()) is not None:
        app.mount(GUIDE, StaticFiles(directory=guide, html=True), name="guide")

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    def start(request: Request) -> str:
        """Where everything is; what there is to ask is told by paths that look who asks."""
        return render_start(str(request.base_url).rstrip("/"), api_key is not None or keys.any(), guide is not None)

    install(app, ServerParts(engine, answering, quotas, rates))
    return app


def guide_folder() -> Path | None:
    """The site as `make docs` built it: in the installed package, or in a checkout; None where nobody did."""
    package = Path(__file__).parents[1]
    found = (package / "guide", package.parents[1] / "build" / "site")
    return next((folder for folder in found if (folder / "index.html").exists()), None)


async def _look_after(engine: Engine, idle_seconds: float) -> None:
    """Gives memory back when nothing was asked for so long (0: never), and asks the canaries of what is in memory."""
    while True:
        await asyncio.sleep(min(30.0, idle_seconds / 4) if idle_seconds else 30.0)
        try:
            if idle_seconds:
                await asyncio.wrap_future(engine.compute.submit(engine.computing.unload_after, idle_seconds))
            await asyncio.wrap_future(engine.compute.submit(engine.computing.look_through, CANARY_S))
        except Exception:  # noqa: BLE001 - one failure must not end the looking after
            _log.exception("Looking after the models in memory failed; it is tried again.")


def _described(app: FastAPI) -> JsonObject:
    """The page's data: errors as they really are, and the key."""
    page = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    schemas = page.setdefault("components", {}).setdefault("schemas", {})
    model = ErrorAnswer.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(model.pop("$defs", {}))
    schemas["ErrorAnswer"] = model
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    page["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    page["security"] = [{"key": []}, {}]  # the second: a server without keys, on its own machine
    error = {
        "description": "An error.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}}},
    }
    for operations in page["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            operation["responses"]["4XX"] = operation["responses"]["5XX"] = error
            content = operation["responses"].get("200", {}).get("content", {})
            if operation.get("operationId") in ("createChatCompletion", "createCompletion"):
                content["text/event-stream"] = {"schema": {"type": "string"}}
    return page
