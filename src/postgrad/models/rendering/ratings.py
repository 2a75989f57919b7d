"""A rating as a model sees it: one answer that is wanted or not. No torch: `estimate` counts with it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from postgrad.models.rendering.render import Rendered, Renderer, TooLong
from postgrad.records import Conversation, Rating


@dataclass(frozen=True, slots=True)
class RenderedRating(Rendered):
    """A rated answer with its prompt.

    Attributes:
        good: Whether it is wanted.
    """

    good: bool = True

    @property
    def begins(self) -> int:
        """Place of the answer's first learned token."""
        return next(t for t, weight in enumerate(self.weights) if weight)


def render_rating(
    renderer: Renderer, record: Rating, max_length: int | None = None, too_long: TooLong = "error"
) -> RenderedRating | None:
    """The rated answer held to `max_length`; None where the policy is to drop. Answers are never cut.

    Raises:
        DataError: it is too long under the policy `error`, or has nothing to learn.
    """
    prompt = tuple(replace(m, weight=0.0) for m in record.prompt)
    asked = Conversation(messages=(*prompt, *record.completion), source=record.source)
    found = renderer.render_for_training(asked, max_length, too_long)
    if found is None:
        return None
    return RenderedRating(**{f.name: getattr(found, f.name) for f in fields(Rendered)}, good=record.good)


def crossed(asked: RenderedRating, answered: RenderedRating, room: int) -> Rendered:
    """The prompt of one rating with the answer of another, which does not belong to it; of a prompt that is too long
    for that the end.

    Args:
        asked: Whose prompt.
        answered: Whose answer.
        room: Tokens that the model has room for.
    """
    ids = asked.ids[: asked.begins] + answered.ids[answered.begins :]
    weights = asked.weights[: asked.begins] + answered.weights[answered.begins :]
    return Rendered(ids[-room:], weights[-room:], 0, answered.origin)
