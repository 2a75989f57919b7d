"""Long work as a Python caller sees it: call it and wait, or go through its events and take the result afterwards."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import Generic, ParamSpec, TypeVar

from postgrad.cli.support.display import StopSign, show
from postgrad.extensions import Given, calling
from postgrad.progress import Event, Working

P = ParamSpec("P")
T = TypeVar("T")


class Running(Generic[T]):
    """Work under way. Iterate over it for its events; `result` is there afterwards.

    Args:
        begin: Takes the function that says when to stop, and gives the work.
        given: The objects of the call; they hold for this work alone.
    """

    def __init__(self, begin: Callable[[Callable[[], bool]], Working[T]], given: Given | None = None) -> None:
        self._sign = StopSign()
        self._context = copy_context()
        self._context.run(calling.set, given or Given())
        self._work = begin(self._sign)
        self._results: list[T] = []
        self._error: BaseException | None = None

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        if self._error is not None:
            raise self._error
        if self._results:
            raise StopIteration
        try:
            return self._context.run(next, self._work)
        except StopIteration as done:
            self._results.append(done.value)
            raise StopIteration from None
        except BaseException as error:
            self._error = error
            raise

    @property
    def result(self) -> T:
        """What the work gives; goes through the events that are left, if there are any.

        Raises:
            PostgradError: as the work does.
        """
        for _ in self:
            pass
        return self._results[0]

    def stop(self) -> None:
        """Asks the work to stop at the next safe place, with everything kept; the same call goes on from there."""
        self._sign.set = True

    def close(self) -> None:
        """Ends the work where it stands."""
        self._context.run(self._work.close)

    def shown(self) -> T:
        """Goes through the events with the progress display, in a terminal or a notebook; gives the result.

        Raises:
            Interrupted: Ctrl-C (in a notebook: interrupt the kernel); finished stages are kept.
        """
        if threading.current_thread() is not threading.main_thread():  # signals come to the main thread alone
            return show(self._events(), self._sign)
        with self._sign.watching():
            return show(self._events(), self._sign)

    def _events(self) -> Working[T]:
        yield from self
        return self.result

    def __repr__(self) -> str:
        state = "failed" if self._error else "done" if self._results else "under way"
        return f"<Running: {state}; iterate for events, then .result>"


class DoorCall(Generic[P, T]):
    """A function of the door: called, it shows its progress and returns the result; `.events(…)` gives the work."""

    def __init__(self, begin: Callable[P, Running[T]]) -> None:
        self._begin = begin
        functools.update_wrapper(self, begin)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._begin(*args, **kwargs).shown()

    def events(self, *args: P.args, **kwargs: P.kwargs) -> Running[T]:
        """The same work, not begun: `for event in (job := pg.run.events(…)): …`, then `job.result`. Draws nothing."""
        return self._begin(*args, **kwargs)
