"""Which records an objective trains on: what it refuses, and what of the checked records it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from postgrad.data.casts import cast
from postgrad.data.faults import Inexpressible
from postgrad.data.load import MINIMUM, Loaded, conversations, is_usable, refuse_images
from postgrad.data.shapes import KINDS
from postgrad.errors import DataError
from postgrad.records import Conversation, Preference, Record, Task


@dataclass(frozen=True)
class Wanted:
    """What an objective wants.

    Attributes:
        refuse: Raises DataError where the data is of another kind.
        taken: Of checked records those that can be trained on, in the form that the objective takes.
        named: Many of them, for sentences.
        counts: Whether it is said how many were left out; conversations without answer are the structure check's to report.
    """

    refuse: Callable[[Loaded], None]
    taken: Callable[[Sequence[Record]], list[Any]]
    named: str
    counts: bool = True

    def usable(self, records: Sequence[Record]) -> list[Any]:
        """What can be trained on.

        Raises:
            DataError: too few.
        """
        found = self.taken(records)
        if len(found) < MINIMUM:
            raise DataError(
                f"Only {len(found)} of {len(records)} records are {self.named}; at least {MINIMUM} are needed.",
                "50 to 100 good examples are usual for a beginning.",
            )
        return found


def _refuse_no_conversations(loaded: Loaded) -> None:
    refuse_images(conversations(loaded))


def _answered(records: Sequence[Record]) -> list[Any]:
    """Conversations with an answer; the others were reported by the structure check and accepted by the user."""
    return [r for r in records if isinstance(r, Conversation) and r.answer_text.strip()]


def _refuse_no_preferences(loaded: Loaded) -> None:
    other = next((r for r in loaded.records if not isinstance(r, Preference)), None)
    if other is not None:
        raise DataError(
            f"{other.source.file} holds {KINDS[type(other)]} ({loaded.shape}, {len(loaded.records)} records); the objective "
            "dpo needs preferences: a prompt with a better and a worse answer each.",
            "See docs/data.md for the shapes of preferences; for answers alone train with --objective sft.",
        )


def _preferences(records: Sequence[Record]) -> list[Any]:
    return [r for r in records if isinstance(r, Preference) and is_usable(r)]


def _refuse_no_tasks(loaded: Loaded) -> None:
    other = next((r for r in loaded.records if not isinstance(r, Task | Conversation)), None)
    if other is not None:
        raise DataError(
            f"{other.source.file} holds {KINDS[type(other)]} ({loaded.shape}, {len(loaded.records)} records); the objective "
            "grpo needs prompts with what a grader needs to judge an answer.",
            "See docs/data.md for the shapes of tasks; pairs of request and right answer will do too.",
        )


def _tasks(records: Sequence[Record]) -> list[Any]:
    """Tasks; the answer of a conversation becomes the reference."""
    out: list[Any] = []
    for record in records:
        if is_usable(record):
            try:
                out += cast(record, (Task,))[0]
            except Inexpressible:  # an answer that is a call of tools is no reference in words; the difference is counted
                continue
    return out


CONVERSATIONS = Wanted(_refuse_no_conversations, _answered, "conversations with an answer", counts=False)
PREFERENCES = Wanted(_refuse_no_preferences, _preferences, "preferences with two answers")
WANTED: dict[str, Wanted] = {
    "sft": CONVERSATIONS,
    "pretrain": CONVERSATIONS,
    "dpo": PREFERENCES,
    "grpo": Wanted(_refuse_no_tasks, _tasks, "tasks with a prompt"),
}
