"""Environments: a class of the user's that answers calls of tools while a model is sampled, and says what the whole was
worth.

The form is TRL's: public methods with type hints and docstrings (Google's style) are the tools, `reset(**fields)`
begins anew and may give a text that is put behind the last request, `get_reward()` gives the reward. Each answer gets
an object of its own. The code runs in this process: whoever loads it must have been allowed to.
"""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, cast

from postgrad.errors import DataError, UsageError
from postgrad.models.rendering.tools import Call
from postgrad.records import Message, Task, ToolDefinition
from postgrad.training.rewards import Graded, Reward

_OWN = ("reset", "get_reward")
_SHOWN = 2000
"""Characters of a tool's answer at most; more would leave the model no room."""


class Made(Protocol):
    """An object of a user's class; its other methods are the tools."""

    def reset(self, **fields: object) -> object: ...

    def get_reward(self) -> float: ...


class Environment:
    """A class of environments, looked at once.

    Attributes:
        name: For messages.
        tools: What the model is offered.

    Raises:
        UsageError: the class has not the form.
    """

    def __init__(self, make: Callable[..., object], name: str) -> None:
        self.name, self._make = name, make
        methods = dict(inspect.getmembers(make, inspect.isfunction))
        if lacking := [m for m in _OWN if m not in methods]:
            raise UsageError(f"The environment {name} has no method {lacking[0]!r}.", _FORM)
        public = {n: m for n, m in methods.items() if n not in _OWN and not n.startswith("_")}
        if not public:
            raise UsageError(f"The environment {name} has no public method that could be a tool.", _FORM)
        self.tools: tuple[ToolDefinition, ...] = tuple(self._tool(n, m) for n, m in public.items())
        parameters = [p for p in inspect.signature(methods["reset"]).parameters.values() if p.name != "self"]
        self._takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters)
        named = [p for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
        self._takes = [p.name for p in named]
        self._needs = [p.name for p in named if p.default is p.empty]

    def _tool(self, name: str, method: Callable[..., object]) -> ToolDefinition:
        from transformers.utils.chat_template_utils import get_json_schema  # here: it takes a second, and few need it

        if inspect.iscoroutinefunction(method):
            raise UsageError(f"The tool {name!r} of the environment {self.name} is asynchronous.", _FORM)
        try:
            return get_json_schema(method)
        except Exception as error:  # whatever transformers finds wrong with hints and docstring
            told = " ".join(str(error).split())
            raise UsageError(
                f"The tool {name!r} of the environment {self.name} is not described: {told}", _FORM
            ) from error

    def refuse_unfit(self, tasks: Sequence[Task]) -> None:
        """Raises DataError naming the tasks that lack a field that `reset` requires."""
        faults = [(t, lacking) for t in tasks if (lacking := [n for n in self._needs if n not in _fields(t)])]
        if faults:
            shown = "; ".join(f"{task.source} has no {', '.join(lacking)}" for task, lacking in faults[:5])
            raise DataError(
                f"{len(faults)} of {len(tasks)} tasks lack fields that {self.name}.reset requires: {shown}.",
                f"The fields of the first are: {', '.join(_fields(faults[0][0])) or 'none'}.",
            )

    def begin(self, task: Task) -> tuple[Surroundings, Task]:
        """An environment that was reset for a task, and the task with what `reset` adds to its last request.

        Raises:
            DataError: it cannot be made or reset.
        """
        fields = {n: v for n, v in _fields(task).items() if self._takes_all or n in self._takes}
        try:
            made = cast(Made, self._make())
            added = made.reset(**fields)
        except Exception as error:
            raise DataError(
                f"{task.source}: {self.name} cannot be reset: {_told(error)}.", "Mend the class."
            ) from error
        if added is not None and not isinstance(added, str):
            raise DataError(f"{task.source}: {self.name}.reset gave {added!r}.", "It must give a text, or None.")
        return Surroundings(made, self.name), _with_text(task, added or "")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """One environment at work, for one answer."""

    made: Made
    name: str

    def call(self, call: Call) -> tuple[str, bool]:
        """What a tool says, cut where it is long, and whether it failed; a fault is told to the model."""
        try:
            arguments = json.loads(call.arguments or "{}")
            if not isinstance(arguments, dict):
                raise TypeError("the arguments are no JSON object")
            said = getattr(self.made, call.name)(**arguments)
        except Exception as error:  # noqa: BLE001 - the user's code may raise anything, and the model is told
            return f"Error: {_told(error)}"[:_SHOWN], True
        text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False, default=str)
        return text[:_SHOWN], False

    def graded(self) -> Graded:
        """The reward; 0 and a fault where it cannot be had."""
        try:
            reward = float(self.made.get_reward())
        except Exception as error:  # noqa: BLE001 - likewise; it is counted
            return Graded(0.0, f"{self.name}.get_reward: {_told(error)}")
        if not math.isfinite(reward):
            return Graded(0.0, f"{self.name}.get_reward gave no finite number")
        return Graded(reward)


@dataclass(frozen=True)
class Beside:
    """What objectives that sample answers may have besides a grader, or instead of it.

    Attributes:
        held_out: Judges answers to validation prompts, for a guard.
        environment: Answers calls and rewards.
    """

    held_out: Reward | None = None
    environment: Environment | None = None


NOTHING = Beside()

_FORM = (
    "It must be a class with reset(**fields), get_reward() -> float, and public methods with type hints and a docstring"
    " that describes every argument (docs/training.md, Environments)."
)


def _fields(task: Task) -> dict[str, object]:
    reference = {"reference": task.reference} if task.reference else {}
    return {**reference, **task.fields}


def _with_text(task: Task, added: str) -> Task:
    """The task with a text behind its last request."""
    if not added:
        return task
    last = max((place for place, m in enumerate(task.prompt) if m.role == "user"), default=None)
    if last is None:
        return replace(task, prompt=(*task.prompt, Message("user", added)))
    messages = list(task.prompt)
    messages[last] = replace(messages[last], content=messages[last].content + added)
    return replace(task, prompt=tuple(messages))


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
