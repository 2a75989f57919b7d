"""How the server lets go: of connections on which a request begins and does not go on, and of all of them at
Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

LEAVING_S = 1
"""Seconds that answers in the making get at Ctrl-C; at SIGTERM they get what the server is set to."""
HEADERS_S = 15.0
"""Seconds for a request's line and headers. For its body see `limits.BODY_PAUSE_S`."""

_Protocol: Any = AutoHTTPProtocol


class TimelyProtocol(_Protocol):
    """uvicorn's protocol with a limit for headers."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._deadline: asyncio.TimerHandle | None = None
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._let()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Sets the clock while no request is at work, and stops it when one is."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._let()
        elif self._deadline is None:
            self._deadline = asyncio.get_running_loop().call_later(HEADERS_S, self._give_up)

    def _let(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


class InterruptibleServer(uvicorn.Server):
    """uvicorn's server; at Ctrl-C it is gone within two seconds."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig == signal.SIGINT:
            self.config.timeout_graceful_shutdown = LEAVING_S
        super().handle_exit(sig, frame)
