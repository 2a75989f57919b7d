"""Answers as they grow, for the routers: a place, turns, the computing thread, and a client that may leave at any
time."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from fastapi import Request
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from postgrad.errors import PostgradError
from postgrad.models.generation.generate import Completion
from postgrad.models.generation.incremental import Piece
from postgrad.models.generation.logits import Token
from postgrad.serving.inference.engine import Engine
from postgrad.serving.inference.prepared import PreparedRequest
from postgrad.serving.inference.scheduler import FullError, Scheduler, Ticket
from postgrad.serving.wire.api_errors import ApiError, foreseen

T = TypeVar("T")
SLOW_CLIENT_S = 60
"""A stream whose client takes no data for so long is ended, so that it does not keep its place."""


@dataclass(frozen=True)
class Answer:
    """One finished answer with its tokens."""

    completion: Completion
    tokens: tuple[Token, ...]


class Answering:
    """Gives out the pieces of requests' answers.

    Args:
        engine: Computes them.
        turns: Says whose turn it is.
    """

    def __init__(self, engine: Engine, turns: Scheduler) -> None:
        self.engine, self.turns = engine, turns

    @asynccontextmanager
    async def pieces(self, request: PreparedRequest) -> AsyncIterator[AsyncGenerator[Piece, None]]:
        """A place, and the pieces of the request's answers as they come.

        Raises:
            ApiError: there is no place left.
        """
        with self._place(request, self._weights(request)) as ticket:
            steps = self.engine.begin(request)

            async def grow() -> AsyncGenerator[Piece, None]:
                while True:
                    ticket.adapter = self._weights(request)
                    async with self.turns.turn(ticket):
                        fresh = await asyncio.wrap_future(self.engine.compute.submit(steps.next))
                    if fresh is None:
                        return
                    for piece in fresh:
                        yield piece

            try:
                async with aclosing(grow()) as growing:
                    yield growing
            finally:
                self.engine.compute.submit(steps.close)

    async def scored(self, request: PreparedRequest) -> list[Token]:
        """The tokens of the request's prompt after the first, with their log-probabilities.

        Raises:
            ApiError: there is no place left.
        """
        with self._place(request, request.served.blob or "") as ticket:
            scoring, more = self.engine.score(request), True
            while more:
                async with self.turns.turn(ticket):
                    more = await asyncio.wrap_future(self.engine.compute.submit(scoring.next))
            return scoring.tokens

    @contextlib.contextmanager
    def _place(self, request: PreparedRequest, weights: str) -> Iterator[Ticket]:
        with contextlib.ExitStack() as stack:
            try:
                mine = self.turns.place(request.served.base, weights, request.tokens, request.served.owner)
                ticket = stack.enter_context(mine)
            except FullError as full:
                raise ApiError(
                    429,
                    "The engine is currently overloaded, please try again later.",
                    "engine_overloaded",
                    kind="requests",
                    headers={"retry-after": str(full.retry_after)},
                ) from None
            yield ticket

    def _weights(self, request: PreparedRequest) -> str:
        """What has to stand in the base's weights for this request: the same for all that grow together."""
        served = request.served
        return "" if self.engine.computing.shares(served) else served.blob or ""

    async def whole(self, request: PreparedRequest) -> list[Answer]:
        """All answers of a request, finished."""
        tokens: list[list[Token]] = [[] for _ in range(request.count)]
        done: list[Completion | None] = [None] * request.count
        async with self.pieces(request) as pieces:
            async for piece in pieces:
                tokens[piece.index] += piece.tokens
                done[piece.index] = piece.done or done[piece.index]
        return [Answer(c, tuple(t)) for c, t in zip(done, tokens, strict=True) if c is not None]


async def unless_left(request: Request, work: Awaitable[T]) -> T:
    """The work's result; the work is given up when the client leaves first.

    Raises:
        ApiError: the client left (nobody reads this; the log does).
    """
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ApiError(499, "The client closed the connection.", kind="client_error")
    finally:
        for task in (working, leaving):
            if not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class EventStream(StreamingResponse):
    """Server-sent events from an open stack of resources, closed at once when the client leaves or takes no data.

    Args:
        lines: The events' data.
        stack: What the lines need; closed afterwards, come what may.
    """

    def __init__(self, lines: AsyncIterator[str], stack: contextlib.AsyncExitStack) -> None:
        super().__init__(_framed(lines), media_type="text/event-stream", headers={"cache-control": "no-cache"})
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def timely(message: Message) -> None:
            async with asyncio.timeout(SLOW_CLIENT_S):
                await send(message)

        try:
            with contextlib.suppress(TimeoutError):
                await super().__call__(scope, receive, timely)
        finally:
            await self._stack.aclose()


async def _framed(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    try:
        async for line in lines:
            yield f"data: {line}\n\n"
    except PostgradError as error:  # 200 has been sent: the error can only be said in the stream
        yield f"data: {json.dumps(foreseen(error).body)}\n\n"
    yield "data: [DONE]\n\n"
