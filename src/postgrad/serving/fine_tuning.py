"""The jobs' side of the server, put together: routes, the store, and the supervisor that lives as long as the
server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from postgrad.serving.api import files, fine_tuning_jobs, permissions, uploads
from postgrad.serving.inference.engine import Engine
from postgrad.serving.jobs.supervisor import Supervisor
from postgrad.serving.jobs.webhooks import receiver
from postgrad.serving.storage.store import Store


def install(app: FastAPI, engine: Engine) -> None:
    """Adds files, uploads, fine-tuning jobs and what they leave behind to an application.

    Args:
        engine: Its base models are those that can be trained; the first stands in for OpenAI's own.

    Raises:
        UsageError: the webhook's settings make no sense.
    """
    store = Store(engine.catalogue)
    to = receiver()
    supervisor = Supervisor(store, to)
    app.state.store, app.state.queue, app.state.engine = store, supervisor.queue, engine
    app.state.notices = to is not None
    for part in (files, uploads, fine_tuning_jobs, permissions):
        app.include_router(part.router)
    before = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(running: FastAPI) -> AsyncIterator[Any]:
        supervisor.start()
        try:
            async with before(running) as state:
                yield state
        finally:
            await run_in_threadpool(supervisor.stop)

    app.router.lifespan_context = lifespan
