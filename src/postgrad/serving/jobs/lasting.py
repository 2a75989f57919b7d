"""A thread of the server that does one kind of work, turn by turn, and that no fault of a turn ends."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from postgrad.errors import StorageError

PAUSE_S = 0.5
_log = logging.getLogger(__name__)


class Lasting:
    """The thread. What a turn raises is logged and seen in `fault` until a turn ends well again.

    Args:
        name: Of the work, as `/health` says it.
        turn: One piece of work; says whether there was any, else the thread rests for a moment.
        stop: Set when the server ends.
    """

    def __init__(self, name: str, turn: Callable[[], bool], stop: threading.Event) -> None:
        self.name, self._turn, self._stop = name, turn, stop
        self.fault: str | None = None
        self._thread = threading.Thread(target=self._work_on, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    @property
    def state(self) -> str:
        """`ok`, or what is wrong with the last turn."""
        if self._thread.is_alive() or self._thread.ident is None or self._stop.is_set():
            return self.fault or "ok"
        return "the thread has ended"

    def _work_on(self) -> None:
        while not self._stop.is_set():
            busy = False
            try:
                busy = self._turn()
                self.fault = None
            except (StorageError, OSError) as error:  # a full disk or a locked database passes; the work is tried again
                self.fault = f"cannot do its work: {type(error).__name__}"
                _log.warning("%s: %s", self.name, error)
            except Exception as error:  # noqa: BLE001 - whatever one piece of work holds, the others go on
                self.fault = f"cannot do its work: {type(error).__name__}"
                _log.error("%s: a fault of ours", self.name, exc_info=error)
            if not busy:
                self._stop.wait(PAUSE_S)
