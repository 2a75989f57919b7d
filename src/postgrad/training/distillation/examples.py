"""Examples of a training that learns from a teacher: what the student reads, and beside it what the teacher reads. No
torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from postgrad.errors import DataError
from postgrad.models.rendering.render import Rendered, Renderer
from postgrad.models.rendering.task_prompts import render_prompt
from postgrad.records import Conversation, Record, Task, asked_text
from postgrad.training.distillation.options import DistillOptions
from postgrad.training.distillation.teacher import Teacher, instructed
from postgrad.training.objectives.base import Setup


@dataclass(frozen=True, slots=True)
class Taught(Rendered):
    """What the student reads: an answer after its prompt, or a prompt to be answered (no weight above zero).

    Attributes:
        shown: What the teacher reads, with the same answer.
    """

    shown: Rendered | None = None

    @property
    def begins(self) -> int:
        """Tokens before the first that is learned."""
        return next((t for t, weight in enumerate(self.weights) if weight > 0), len(self.ids))

    @property
    def prompts(self) -> tuple[int, int]:
        """Tokens of the teacher's prompt and of the student's."""
        more = 0 if self.shown is None else len(self.shown.ids) - len(self.ids)
        return self.begins + more, self.begins


def render(setup: Setup, teacher: Teacher, options: DistillOptions, record: Conversation) -> Taught | None:
    """What both read of a conversation; None where the length policy drops it.

    Raises:
        DataError: no request, no answer where one is learned, or it is too long for one of the two.
    """
    if not any(m.role == "user" for m in record.prompt) or not asked_text(record.prompt).strip():
        raise DataError(f"{record.source}: there is no request in it.", "Give it one, or leave it out.")
    if options.way == "on_policy":
        return _open(setup, teacher, record, options.answer_tokens)
    found = setup.renderer.render_for_training(record, setup.max_length, setup.too_long)
    if found is None:
        return None
    example = Taught(**{f.name: getattr(found, f.name) for f in fields(Rendered)})
    if options.way == "logits":
        shown = teacher.reads(record, found)
        return replace(example, shown=shown) if teacher.has_room(record, len(shown.ids), setup.too_long) else None
    if teacher.prompt:  # it has read this, and is not asked again: for the account of what is saved
        ids = setup.renderer.prompt_ids(instructed(record.prompt, teacher.prompt), record.tools)
        longer = (*ids, *found.ids[example.begins :])
        return replace(example, shown=Rendered(longer, (0.0,) * len(longer)))
    return example


def _open(setup: Setup, teacher: Teacher, record: Conversation, answer_tokens: int) -> Taught | None:
    """A prompt that the student answers itself."""
    task = Task(prompt=record.prompt, tools=record.tools, source=record.source)
    found = render_prompt(setup.renderer, task, answer_tokens, setup.max_length, setup.too_long)
    if found is None:
        return None
    ids = teacher.prompt_ids(record)
    if not teacher.has_room(record, len(ids) + answer_tokens, setup.too_long):
        return None
    return Taught(found.ids, found.weights, found.truncated, found.origin, Rendered(tuple(ids), (0.0,) * len(ids)))


def one_answer_each(renderer: Renderer, records: Sequence[Record]) -> list[Record]:
    """The records, cut where the template asks for one answer at a time."""
    return [t for r in records for t in (renderer.as_asked(r) if isinstance(r, Conversation) else (r,))]


def answered(prompt: Taught, ids: Sequence[int]) -> Taught:
    """The prompt with an answer, for both to read."""

    def whole(before: Rendered) -> tuple[tuple[int, ...], tuple[float, ...]]:
        return (*before.ids, *ids), (*before.weights, *(1.0,) * len(ids))

    shown = None if prompt.shown is None else Rendered(*whole(prompt.shown))
    return Taught(*whole(prompt), origin=prompt.origin, shown=shown)


def taught(batch: Sequence[Rendered]) -> list[Taught]:
    """The examples as what they are."""
    return [e for e in batch if isinstance(e, Taught)]


def shown(examples: Sequence[Taught]) -> list[Rendered]:
    """What the teacher reads of them."""
    return [e.shown for e in examples if e.shown is not None]


def half_learned(prompt: Rendered) -> Rendered:
    """A prompt as if its second half were an answer, for checks of how it is computed."""
    half = len(prompt.ids) // 2
    return Rendered(prompt.ids, (0.0,) * half + (1.0,) * (len(prompt.ids) - half), origin=prompt.origin)
