"""What long work says while it runs: small records that a terminal prints, a server stores and a studio streams."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
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
class Outline:
    """What is to come: a story's stages by name, in order, each with the share of the time that it usually takes."""

    shares: Mapping[str, float]
    minutes: float | None = None
    """What all of them are planned to take; None where nobody knows."""


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


Event = Outline | Stage | Said | Progress | Step
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
