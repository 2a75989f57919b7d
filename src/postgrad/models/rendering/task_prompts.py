"""A task as a model sees it before it answers: its prompt, with room for an answer. No torch: `estimate` counts with
it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from postgrad.errors import DataError
from postgrad.models.rendering.render import Rendered, Renderer, TooLong
from postgrad.records import Conversation, Message, Task


@dataclass(frozen=True, slots=True)
class TaskPrompt(Rendered):
    """A prompt to be answered: its ids, none of them learned, and the task that its answers are graded by."""

    task: Task | None = None


def render_prompt(
    renderer: Renderer, task: Task, answer_tokens: int, max_length: int | None = None, too_long: TooLong = "error"
) -> TaskPrompt | None:
    """The prompt held to `max_length` with its answer; None where the policy is to drop.

    Raises:
        DataError: too long under the policy `error`.
    """
    limit = min(max_length or renderer.context, renderer.context) - answer_tokens
    ids, cut = renderer.prompt_ids(task.prompt, task.tools), 0
    if len(ids) > limit:
        if too_long == "drop":
            return None
        if too_long == "error" or limit < 1:
            raise DataError(
                f"{task.source}: the prompt has {len(ids)} tokens, and answers may have {answer_tokens}: together more "
                f"than {limit + answer_tokens}.",
                "Shorten it, lower training.answer_tokens, or set training.too_long to truncate_prompt or drop.",
            )
        task = _shortened(renderer, task, limit)
        cut = len(ids)
        ids = renderer.prompt_ids(task.prompt, task.tools)
        cut -= len(ids)
    return TaskPrompt(tuple(ids), (0.0,) * len(ids), cut, str(task.source), task)


def _shortened(renderer: Renderer, task: Task, limit: int) -> Task:
    whole = Conversation(messages=(*task.prompt, Message("assistant", "a")), tools=task.tools, source=task.source)
    return replace(task, prompt=renderer.shortened(whole, limit).messages[:-1])
