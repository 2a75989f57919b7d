"""A preference as a model sees it: one prompt with two answers. No torch: `estimate` counts with it.

Both sides are rendered by the one renderer; learned are the assistant's messages after the prompt, never those in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from postgrad.errors import DataError
from postgrad.models.rendering.render import Rendered, Renderer, TooLong
from postgrad.records import Conversation, Message, Preference

_NOTHING = Rendered((), ())


@dataclass(frozen=True, slots=True)
class RenderedPair(Rendered):
    """Both sides of a preference; `ids` and `weights` are those of the chosen side followed by those of the rejected
    one.

    Attributes:
        chosen: The better answer with its prompt.
        rejected: The worse one with the same prompt.
        margin: By how much the better one should be ahead; None where nobody says.
    """

    chosen: Rendered = _NOTHING
    rejected: Rendered = _NOTHING
    margin: float | None = None


def render_pair(
    renderer: Renderer, record: Preference, max_length: int | None = None, too_long: TooLong = "error"
) -> RenderedPair | None:
    """The pair held to `max_length` (each side); None where the policy is to drop. Answers are never cut.

    A prompt that must be cut is cut to the same text on both sides.

    Raises:
        DataError: a side is too long under the policy `error`, has nothing to learn, or equals the other.
    """
    sides = [_conversation(record, answer) for answer in (record.chosen, record.rejected)]
    rendered = [renderer.render(side) for side in sides]
    limit = min(max_length or renderer.context, renderer.context)
    longest = max(range(2), key=lambda i: len(rendered[i].ids))
    if (tokens := len(rendered[longest].ids)) > limit:
        if too_long == "drop":
            return None
        if too_long == "error":
            raise DataError(
                f"{record.source}: a side of the preference has {tokens} tokens, more than {limit}.",
                "Shorten it, raise training.max_length, or set training.too_long to truncate_prompt or drop.",
            )
        prompt = renderer.shortened(sides[longest], limit).messages[: len(record.prompt)]
        sides = [replace(side, messages=(*prompt, *side.messages[len(prompt) :])) for side in sides]
        rendered = [renderer.render(side) for side in sides]
    _refuse_useless(record, rendered)
    chosen, rejected = rendered
    cut = max(0, tokens - len(rendered[longest].ids))
    return RenderedPair(
        chosen.ids + rejected.ids, chosen.weights + rejected.weights, cut, str(record.source), chosen, rejected
    )


def _conversation(record: Preference, answer: tuple[Message, ...]) -> Conversation:
    prompt = tuple(replace(m, weight=0.0) for m in record.prompt)
    return Conversation(messages=(*prompt, *answer), tools=record.tools, source=record.source)


def _refuse_useless(record: Preference, sides: list[Rendered]) -> None:
    for name, side in zip(("chosen", "rejected"), sides, strict=True):
        if not side.supervised:
            raise DataError(
                f"{record.source}: the {name} answer has no token to learn from.",
                "Give it an answer, or remove the pair.",
            )
    if sides[0].ids == sides[1].ids:
        raise DataError(
            f"{record.source}: the chosen and the rejected answer are the same, so there is no preference to learn.",
            "Remove the pair.",
        )
