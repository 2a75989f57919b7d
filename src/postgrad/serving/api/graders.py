"""`/v1/fine_tuning/alpha/graders`: a grader tried on one answer, or looked over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fastapi import Request
from pydantic import StrictStr
from starlette.concurrency import run_in_threadpool

from postgrad.errors import UsageError
from postgrad.evaluation import graders
from postgrad.json_types import JsonObject
from postgrad.serving.access.code_graders import sandbox_for
from postgrad.serving.access.limits import Bucket, refuse_overdrawn
from postgrad.serving.inference.internal_client import InternalClient
from postgrad.serving.inference.streaming import Answering
from postgrad.serving.storage.store import writer_of
from postgrad.serving.wire.api_errors import ApiError
from postgrad.serving.wire.strict import Strict
from postgrad.serving.wire.strict_json import ApiRouter


class Looked(Strict):
    """The body of `validate`."""

    grader: JsonObject


class Tried(Looked):
    """The body of `run`."""

    model_sample: StrictStr
    item: JsonObject | None = None


def graders_router(answering: Answering) -> ApiRouter:
    """The routes.

    Args:
        answering: Asks the models of score_model and label_model graders.
    """
    router = ApiRouter(prefix="/v1/fine_tuning/alpha/graders", tags=["fine-tuning"])

    @router.post("/run", operation_id="runGrader")
    async def run(body: Tried, request: Request) -> JsonObject:
        """The reward of one answer; what goes wrong on the way stands in `metadata.errors`."""
        owner, state = writer_of(request), request.state
        minute: Bucket | None = state.allowance.tokens
        refuse_overdrawn(minute)
        loop = asyncio.get_running_loop()
        asker = InternalClient(answering, loop, owner, state.quotas, state.key, minute=minute)

        def work() -> JsonObject:
            sandbox = sandbox_for([body.grader], "grader")
            return graders.run(body.grader, body.model_sample, body.item, ask=asker.grading(), sandbox=sandbox)

        return await run_in_threadpool(_judged, work)

    @router.post("/validate", operation_id="validateGrader")
    def validate(body: Looked) -> JsonObject:
        """The grader itself, where nothing is wrong with it."""
        return _judged(lambda: graders.validate(body.grader))

    return router


def _judged(work: Callable[[], JsonObject]) -> JsonObject:
    """The work's answer; a grader that is none becomes OpenAI's error."""
    try:
        return work()
    except UsageError as error:
        raise ApiError(400, str(error), "invalid_grader", "grader") from error
