"""From what an `ArmKind` says to the arm: its maker is called, or what it asks becomes the arm; the faults of others'
code are told by the arm's name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from typing import cast

from postgrad.arm_kinds import ArmKind, Ask
from postgrad.errors import DataError, PostgradError, UsageError
from postgrad.evaluation.arms import Arm, PromptFunction
from postgrad.json_types import JsonMapping
from postgrad.progress import Working
from postgrad.records import Conversation, Message, Record


def made_arm(name: str, kind: ArmKind, making: object) -> Working[Arm | str]:
    """The arm of that kind, or why it cannot be made.

    Args:
        making: What its maker is given: `steps.arms.making.Making`.

    Raises:
        UsageError: its maker is not there, or gives something else.
    """
    if kind.ask is not None:
        return asking_arm(name, kind.ask)
    found = _maker(name, kind)(making)
    if isinstance(found, Generator):
        found = yield from cast(Working[object], found)  # a maker that takes its time
    if not isinstance(found, Arm | str):
        raise UsageError(
            f"The maker of the arm {name!r} gave {found!r}.", "It returns an Arm, or half a sentence why there is none."
        )
    return found


def asking_arm(name: str, ask: Ask) -> Arm:
    """An arm that is no more than what it asks."""
    return Arm(name, False, _messages(name, ask), "Asked by a function of the user's.")


def _maker(name: str, kind: ArmKind) -> Callable[[object], object]:
    """The function, imported where it is named."""
    if not isinstance(kind.maker, str):
        return kind.maker
    module, _, function = kind.maker.partition(":")
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"The maker of the arm {name!r} ({kind.maker}) cannot be loaded: {error}") from error


def _messages(name: str, ask: Ask) -> PromptFunction:
    """The function, with what it gives as messages; it is shown no answer."""

    def messages(record: Record) -> tuple[Message, ...]:
        try:
            found = ask(_unanswered(record))
            return _as_messages(found)
        except PostgradError:
            raise
        except Exception as error:
            raise DataError(
                f"The arm {name!r} failed at {record.source}: {type(error).__name__}: {error}",
                "It gives the user's words, or messages with a role and a content. Mend it, or leave it out.",
            ) from error

    return messages


def _unanswered(record: Record) -> Record:
    """The record as it is before anybody answers, so that no arm repeats the right answer by mistake."""
    return replace(record, messages=record.prompt) if isinstance(record, Conversation) else record


def _as_messages(found: str | Sequence[Message | JsonMapping]) -> tuple[Message, ...]:
    if isinstance(found, str):
        return (Message("user", found),)
    messages = tuple(Message.from_dict(one) if isinstance(one, Mapping) else one for one in found)
    if not messages or not all(isinstance(one, Message) for one in messages):
        raise TypeError(f"it gave {found!r}")
    return messages
