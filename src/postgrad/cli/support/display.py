"""The live progress display of long work, in a terminal or a notebook, and the sign that stops it at a safe place."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, TypeVar

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text

from postgrad.cli.support.course import Course
from postgrad.cli.support.interrupts import interrupt
from postgrad.errors import Interrupted
from postgrad.progress import Event, Outline, Progress, Said, Stage, Working, finished
from postgrad.training_run import Step

T = TypeVar("T")
errors = Console(stderr=True, highlight=False)
SILENCE_S = 60.0
"""Where nobody draws a bar (a pipe, a log file), how far a stage is stands on a line once in so many seconds."""


def level() -> str:
    """What is to be said, by `--log-level` (or `--quiet`)."""
    return os.environ.get("POSTGRAD_LOG_LEVEL", "info")


def say(text: str, style: str = "", markup: bool = False) -> None:
    """A line of what goes on, with its time where `--timestamps` asks for it."""
    if os.environ.get("POSTGRAD_TIMESTAMPS"):
        lead = text[: len(text) - len(text.lstrip("\n"))]
        text = f"{lead}{time.strftime('%Y-%m-%d %H:%M:%S')} {text.lstrip(chr(10))}"
    errors.print(text, style=style, markup=markup, soft_wrap=True)


class StopSign:
    """Turns Ctrl-C into a flag that long work asks for, so that it can stop at a safe place. A second one stops at
    once, and so does the first in a stage that has not asked yet: it loads or reads, and nothing in it is done."""

    def __init__(self) -> None:
        self.set = self._asked = False

    def __call__(self) -> bool:
        self._asked = True
        return self.set

    def new_stage(self) -> None:
        """What was done before is kept; nothing of what comes has been begun."""
        self._asked = False

    @contextlib.contextmanager
    def watching(self) -> Iterator[StopSign]:
        """Installs the handler for SIGINT and SIGTERM while the block runs."""

        def handle(number: int, frame: FrameType | None) -> None:
            if self.set or not self._asked:
                interrupt(number, frame)
            self.set = True
            errors.print("\nStopping at the next safe point… (Ctrl-C again to stop at once)")

        before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def show(
    work: Working[T], stop: StopSign | None = None, quiet: bool = False, heard: Callable[[Event], None] = lambda _: None
) -> T:
    """Runs a generator of events to its end, drawing them; returns its result.

    Args:
        work: The generator.
        stop: Ends it between two stages.
        quiet: Draw nothing.
        heard: Called with every event.

    Raises:
        Interrupted: the stop sign was set between two events.
    """
    columns = [
        TextColumn("  {task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    ]
    said = "quiet" if quiet else level()
    with _Bars(*columns, console=errors, transient=True, disable=said != "info" or not _can_draw()) as bar:
        task: Any = None
        pulse, course = _Pulse(), Course()

        def see(event: Event) -> None:
            nonlocal task
            heard(event)
            if stop is not None and isinstance(event, Stage):
                stop.new_stage()
            course.see(event)
            bar.head = course.line()
            if said == "info" or (said == "warning" and isinstance(event, Said) and event.warning):
                task = _draw(bar, task, event, pulse, course)
            if stop is not None and stop.set and not isinstance(event, Progress | Step):
                work.close()
                raise Interrupted("Interrupted; what was finished is kept.")

        return finished(work, see)


class _Bars(Bar):
    """The bar of the present stage, below a line that says how far the whole is."""

    head = ""

    def get_renderables(self) -> Iterator[RenderableType]:
        if self.head:
            yield Text(f"  {self.head}", style="bold")
        yield from super().get_renderables()


def _can_draw() -> bool:
    """In a notebook a bar needs ipywidgets; without it the lines are printed alone."""
    return not errors.is_jupyter or importlib.util.find_spec("ipywidgets") is not None


class _Pulse:
    """When something was last said."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def due(self) -> bool:
        """Whether it is time for a sign of life."""
        now = time.monotonic()
        if now - self._last < SILENCE_S:
            return False
        self._last = now
        return True


def _draw(bar: Bar, task: Any, event: Event, pulse: _Pulse, course: Course) -> Any:
    """Draws one event; returns the running bar's task, if any."""
    if isinstance(event, Outline):
        return task
    if isinstance(event, Stage | Said):
        if task is not None:
            bar.remove_task(task)
        if isinstance(event, Stage):
            where = course.line() if not bar.console.is_terminal else ""
            say(f"\n[bold]{event.title}[/bold]{f' ({where})' if where else ''}", markup=True)
        else:
            say(f"  {'! ' if event.warning else ''}{event.text}", "yellow" if event.warning else "")
        return None
    if isinstance(event, Progress):
        done, total, note, what = event.done, event.total, event.note, event.unit
    else:
        speed = event.tokens / max(event.seconds, 1e-9)
        done, total, what = event.step, event.total, "steps"
        note = f"loss {event.loss:.3f}, {_figures(event, '')}{speed:.0f} tokens/s"
        validated = _figures(event, "eval_")
        if event.validation_loss is not None or validated:
            loss = "" if event.validation_loss is None else f"validation loss {event.validation_loss:.3f}, "
            best = " (best)" if event.best else ""
            say(f"  step {event.step}: training loss {event.loss:.3f}, {(loss + validated).removesuffix(', ')}{best}")
    if task is None or bar.tasks[-1].total != total:
        if task is not None:
            bar.remove_task(task)
        task = bar.add_task(what, total=total, note=note)
    bar.update(task, completed=done, note=note)
    if not bar.console.is_terminal and pulse.due():
        where = course.line()
        say(f"  {what} {done}/{total} {note}{f' ({where})' if where else ''}".rstrip())
    return task


_SHOWN = {"reward": "reward", "rewards/accuracies": "reward accuracy", "rewards/margins": "margin"}


def _figures(step: Step, prefix: str) -> str:
    """What an objective measures besides its loss, as far as it is worth a glance."""
    found = [(name, step.metrics[prefix + key]) for key, name in _SHOWN.items() if prefix + key in step.metrics]
    return "".join(f"{'validation ' if prefix else ''}{name} {value:.3f}, " for name, value in found)
