"""The server put together: every router in one table, and the workers that live as long as the server.

A new endpoint is a file in `api/` with its router and one line in `ROUTERS`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.concurrency import run_in_threadpool

from postgrad.serving.access.limits import RateLimits
from postgrad.serving.access.quotas import Quotas
from postgrad.serving.api import eval_runs, evals, files, fine_tuning_jobs, permissions, report_pages, uploads
from postgrad.serving.api.chat_completions import chat_router
from postgrad.serving.api.completions import completions_router
from postgrad.serving.api.embeddings import embeddings_router
from postgrad.serving.api.graders import graders_router
from postgrad.serving.api.models import models_router
from postgrad.serving.inference.engine import Engine
from postgrad.serving.inference.streaming import Answering
from postgrad.serving.jobs.eval_queue import EvalQueue
from postgrad.serving.jobs.eval_worker import EvalWorker
from postgrad.serving.jobs.job_folder import host_id
from postgrad.serving.jobs.supervisor import Supervisor
from postgrad.serving.jobs.webhooks import receiver
from postgrad.serving.storage.store import Store


@dataclass(frozen=True, slots=True)
class ServerParts:
    """What routers may be made of.

    Attributes:
        engine: Its base models are those that can be trained; the first stands in for OpenAI's own.
        answering: Asks models, for requests and for graders and runs.
        quotas: Count the tokens of the keys in a month.
        rates: And in a minute.
    """

    engine: Engine
    answering: Answering
    quotas: Quotas
    rates: RateLimits


ROUTERS: tuple[APIRouter | Callable[[ServerParts], APIRouter], ...] = (
    lambda parts: chat_router(parts.answering),
    lambda parts: completions_router(parts.answering),
    lambda _: embeddings_router(),
    lambda parts: models_router(parts.engine),
    files.router,
    uploads.router,
    fine_tuning_jobs.router,
    permissions.router,
    lambda parts: graders_router(parts.answering),
    eval_runs.router,
    evals.router,
    report_pages.router,
)
"""Each a router, which finds the store and the queues in `request.app.state`, or a function that makes one. Of two that
fit a path the first answers."""


def install(app: FastAPI, parts: ServerParts) -> None:
    """Adds all routes to an application, the store and queues behind them, and the workers.

    Raises:
        UsageError: the webhook's settings make no sense.
    """
    store = Store(parts.engine.catalogue)
    to = receiver()
    supervisor = Supervisor(store, to)
    evaluations = EvalQueue(store, host_id())
    app.state.store, app.state.queue, app.state.engine = store, supervisor.queue, parts.engine
    app.state.notices, app.state.evals = to is not None, evaluations
    for router in ROUTERS:
        app.include_router(router if isinstance(router, APIRouter) else router(parts))
    judge = EvalWorker(evaluations, parts.answering, parts.quotas, parts.rates)
    app.state.workers = lambda: [*supervisor.threads, *([judge.thread] if judge.thread else [])]
    _accompany(app, supervisor, judge)


def _accompany(app: FastAPI, supervisor: Supervisor, worker: EvalWorker) -> None:
    """Both live as long as the server: evaluations ask its models, so their worker stops first."""
    before = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(running: FastAPI) -> AsyncIterator[Any]:
        supervisor.start()
        try:
            async with before(running) as state:
                worker.start(asyncio.get_running_loop())
                try:
                    yield state
                finally:
                    await run_in_threadpool(worker.stop)
        finally:
            await run_in_threadpool(supervisor.stop)

    app.router.lifespan_context = lifespan
