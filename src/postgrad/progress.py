"""What long work says while it runs: small records that a terminal prints, a server stores and a studio streams."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

from postgrad.training_run import Step

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of the story begins."""

    name: str
    title: str


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence worth reading; `warning` when it asks for attention."""

    text: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """So much of a stage is done."""

    done: int
    total: int
    unit: str
    note: str = ""


Event = Stage | Said | Progress | Step
Working = Generator[Event, None, T]
"""Yields events and returns a T: `result = yield from work(…)`."""


def finished(work: Working[T], heard: Callable[[Event], object] = lambda _: None) -> T:
    """Goes through all events of long work and returns its result.

    Args:
        work: Begun or not.
        heard: Called with every event.
    """
    while True:
        try:
            event = next(work)
        except StopIteration as done:
            return done.value
        heard(event)
