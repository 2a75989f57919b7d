"""Graders and evaluations on the server, put together: routes, and the worker that lives as long as the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from postgrad.serving.access.quotas import Quotas
from postgrad.serving.api import eval_runs, evals, report_pages
from postgrad.serving.api.graders import graders_router
from postgrad.serving.inference.streaming import Answering
from postgrad.serving.jobs.eval_queue import EvalQueue
from postgrad.serving.jobs.eval_worker import EvalWorker
from postgrad.serving.jobs.job_folder import host_id


def install(app: FastAPI, answering: Answering, quotas: Quotas) -> None:
    """Adds graders, evaluations and report pages to an application that has jobs.

    Args:
        answering: Asks models for graders and runs.
        quotas: Count the tokens of the keys that made the runs.
    """
    queue = EvalQueue(app.state.store, host_id())
    app.state.evals = queue
    worker = EvalWorker(queue, answering, quotas)
    for router in (graders_router(answering), eval_runs.router, evals.router, report_pages.router):
        app.include_router(router)
    before = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(running: FastAPI) -> AsyncIterator[Any]:
        async with before(running) as state:
            worker.start(asyncio.get_running_loop())
            try:
                yield state
            finally:
                await run_in_threadpool(worker.stop)

    app.router.lifespan_context = lifespan
