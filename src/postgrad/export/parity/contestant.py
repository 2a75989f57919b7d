"""What the gate asks of an engine in which an exported model runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from postgrad.records import Message, ToolDefinition


@dataclass(frozen=True)
class Said:
    """An engine's answer.

    Attributes:
        ids: Generated, with the end mark where the engine gives it; None where it tells text alone.
        text: Without marks.
        finish: `stop` or `length`.
    """

    ids: tuple[int, ...] | None
    text: str
    finish: str


class CannotSayError(Exception):
    """An engine has no way to answer what was asked of it; the part of the gate is left out, and said."""


class Contestant(Protocol):
    """An exported model in an engine.

    Attributes:
        name: Of the engine with its version, for people.
    """

    name: str

    def prompt(self, messages: Sequence[Message], tools: Sequence[ToolDefinition]) -> Sequence[int]:
        """Ids of the prompt, as the engine itself makes them of a client's messages.

        Raises:
            CannotSayError: it does not tell.
        """
        ...

    def logprobs(self, ids: Sequence[int], begin: int) -> Sequence[float]:
        """Log-probabilities of the tokens after the first `begin`, each after all before it.

        Raises:
            CannotSayError: it does not tell.
        """
        ...

    def answer(self, messages: Sequence[Message], tools: Sequence[ToolDefinition], most: int) -> Said:
        """Its greedy answer to a client's messages, ended as the engine ends it.

        Raises:
            CannotSayError: it cannot answer such messages.
        """
        ...
