"""Records of the kind that an objective trains on: what is refused, and what of the checked records is taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from postgrad.data.load import MINIMUM, LoadedRecords, conversations, is_usable, refuse_images
from postgrad.data.shapes.conversions import cast
from postgrad.data.shapes.registry import KINDS
from postgrad.data.shapes.row_errors import Inexpressible
from postgrad.errors import DataError
from postgrad.objectives import spec_of
from postgrad.records import Conversation, Message, Preference, Rating, Record, Task, Text


@dataclass(frozen=True)
class Wanted:
    """What an objective wants.

    Attributes:
        refuse: Raises DataError where the data is of another kind.
        read: The records in the form that the objective takes, before they are checked.
        trainable: Of checked records those that can be trained on by a fine-tuning job.
        answered: Of checked records those that the commands take.
        named: Many of them, for sentences.
        counts: Whether it is said how many were left out; conversations without answer are the structure check's to
            report.
        least: So many there must be; one document may be a book.
    """

    refuse: Callable[[LoadedRecords], None]
    read: Callable[[Sequence[Record]], list[Record]]
    trainable: Callable[[Sequence[Record]], list[Record]]
    answered: Callable[[Sequence[Record]], list[Record]]
    named: str
    counts: bool = True
    least: int = MINIMUM

    def usable(self, records: Sequence[Record]) -> list[Record]:
        """What can be trained on.

        Raises:
            DataError: too few.
        """
        found = self.answered(records)
        if len(found) < self.least:
            raise DataError(
                f"Only {len(found)} of {len(records)} records are {self.named}; at least {self.least} are needed.",
                "50 to 100 good examples are a usual start.",
            )
        return found


def _refuse_no_conversations(loaded: LoadedRecords) -> None:
    refuse_images(conversations(loaded))


def _conversations(records: Sequence[Record]) -> list[Record]:
    return [r for r in records if isinstance(r, Conversation) and is_usable(r)]


def _answered(records: Sequence[Record]) -> list[Record]:
    """Conversations with an answer; the others were reported by the structure check and accepted by the user."""
    return [r for r in records if isinstance(r, Conversation) and r.answer_text.strip()]


def _refuse_no_preferences(loaded: LoadedRecords) -> None:
    _refuse_others(loaded, (Preference,), "preferences: a prompt with a better and a worse answer each")


def _refuse_no_ratings(loaded: LoadedRecords) -> None:
    _refuse_others(loaded, (Rating,), "ratings: a prompt with an answer that is good or bad")


def _refuse_no_texts(loaded: LoadedRecords) -> None:
    _refuse_others(loaded, (Text,), "raw text: .txt or .md files, or JSON Lines with the one key 'text'")


def _refuse_no_tasks(loaded: LoadedRecords) -> None:
    wanted = "prompts, with what a grader needs to judge an answer; pairs of request and right answer work too"
    _refuse_others(loaded, (Task, Conversation), wanted)


def _refuse_no_prompts(loaded: LoadedRecords) -> None:
    _refuse_others(loaded, (Task, Conversation), "prompts, with or without an answer")
    refuse_images([r for r in loaded.records if isinstance(r, Conversation)])


def _refuse_others(loaded: LoadedRecords, kinds: tuple[type[Record], ...], wanted: str) -> None:
    other = next((r for r in loaded.records if not isinstance(r, kinds)), None)
    if other is not None:
        raise DataError(
            f"{other.source.file} holds {KINDS[type(other)]} ({loaded.shape}, {len(loaded.records)} records); this"
            f" objective needs {wanted}.",
            "The shapes are in docs/data.md; for answers only use --objective sft.",
        )


def _preferences(records: Sequence[Record]) -> list[Record]:
    return [r for r in records if isinstance(r, Preference) and is_usable(r)]


def _ratings(records: Sequence[Record]) -> list[Record]:
    return [r for r in records if isinstance(r, Rating) and is_usable(r)]


def _texts(records: Sequence[Record]) -> list[Record]:
    return [r for r in records if isinstance(r, Text) and r.text.strip()]


def _as_tasks(records: Sequence[Record]) -> list[Record]:
    """Conversations as tasks: the answer becomes the reference; one that ends with the request has none."""
    out: list[Record] = []
    for record in records:
        if isinstance(record, Conversation) and record.answer is None:
            fields = dict(record.meta)
            out.append(Task(prompt=record.messages, fields=fields, tools=record.tools, source=record.source))
        else:
            try:
                out += cast(record, (Task,))[0]
            except Inexpressible:  # no reference in words: left as it is, and counted when tasks are taken
                out.append(record)
    return out


def _prompts(records: Sequence[Record]) -> list[Record]:
    """Conversations without an answer as tasks, of which no check expects one."""
    return [
        Task(prompt=r.messages, fields=dict(r.meta), tools=r.tools, source=r.source)
        if isinstance(r, Conversation) and r.answer is None
        else r
        for r in records
    ]


def _requests(records: Sequence[Record]) -> list[Record]:
    """Conversations and tasks as conversations; a reference is the answer."""
    out: list[Record] = []
    for record in records:
        if isinstance(record, Task) and is_usable(record):
            answer = (Message("assistant", record.reference),) if record.reference.strip() else ()
            messages, meta = (*record.prompt, *answer), {**record.meta, **record.fields}
            out.append(Conversation(messages=messages, tools=record.tools, source=record.source, meta=meta))
        elif isinstance(record, Conversation) and is_usable(record):
            out.append(record)
    return out


def _tasks(records: Sequence[Record]) -> list[Record]:
    return [r for r in records if isinstance(r, Task) and is_usable(r)]


WANTED: dict[type[Record], Wanted] = {
    Conversation: Wanted(
        _refuse_no_conversations, list, _conversations, _answered, "conversations with an answer", counts=False
    ),
    Preference: Wanted(_refuse_no_preferences, list, _preferences, _preferences, "preferences with two answers"),
    Rating: Wanted(_refuse_no_ratings, list, _ratings, _ratings, "ratings with an answer"),
    Task: Wanted(_refuse_no_tasks, _as_tasks, _tasks, _tasks, "tasks with a prompt"),
    Text: Wanted(_refuse_no_texts, list, _texts, _texts, "texts", least=1),
}
"""By kind of record, one entry each."""


PROMPTS = Wanted(_refuse_no_prompts, _prompts, _requests, _requests, "requests")
"""Where conversations need no answer."""


def wanted_by(objective: str) -> Wanted:
    """What an objective wants."""
    spec = spec_of(objective)
    return WANTED[spec.records] if spec.answers else PROMPTS
