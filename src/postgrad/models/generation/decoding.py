"""What is asked of an answer, an answer in the making, and how its tokens are taken.

Shapes: B rows, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch

from postgrad.models.language_model import LanguageModel
from postgrad.models.rendering.render import Renderer

THINKING_ROOM = 512
"""Tokens that a model that thinks may take for its reasoning, where nothing says more; at most half of its context."""


def room_to_think(renderer: Renderer, wanted: int = 0) -> int:
    """Tokens that the reasoning before an answer may take; 0 where the model does not think."""
    return min(renderer.context // 2, max(THINKING_ROOM, wanted)) if renderer.thinking else 0


@dataclass(frozen=True, slots=True)
class Decoding:
    """How answers are decoded. Temperature 0 is greedy.

    Attributes:
        max_new_tokens: At most so many tokens an answer.
        temperature: Divides the logits.
        top_p: Samples from the smallest set with at least this probability.
        seed: Of the sampling.
        stop: Texts that end an answer; not part of it.
        one_line: Whether the first line that is not blank is the whole answer.
        alone: Whether what is drawn for an answer depends on its prompt and the seed alone, not on what is answered
            beside it.
    """

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    one_line: bool = False
    alone: bool = False

    def for_chat(self, renderer: Renderer) -> Decoding:
        """The same for prompts that the renderer writes: the marks of its turns end an answer too."""
        return replace(self, stop=(*self.stop, *renderer.stops))

    def with_thought(self, renderer: Renderer) -> Decoding:
        """The same with room for the reasoning before the answer, where the model thinks."""
        return replace(self, max_new_tokens=self.max_new_tokens + room_to_think(renderer))

    def cut(self, text: str) -> tuple[str, bool]:
        """The text up to where it ends, and whether it ends there."""
        text, ended = cut_at_stop(text, self.stop)
        if not self.one_line:
            return text, ended
        begin = len(text) - len(text.lstrip())
        line, broken, _ = text[begin:].partition("\n")
        return line, ended or bool(broken)


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer.

    Attributes:
        text: Without the end mark.
        finish: `stop` (the model or a stop text ended it) or `length`.
        prompt_tokens: Tokens of the whole prompt, shared beginning included.
        completion_tokens: Tokens generated, end mark included.
        logprob: Sum of the natural log-probabilities of the generated tokens.
        seconds: Its share of the time of the steps that it was part of.
        recalled: Tokens of the prompt that were not read, because an earlier request had begun alike.
        thought: The reasoning before the answer, where the model thinks.
        thought_tokens: Of the completion's tokens, those of the reasoning.
    """

    text: str
    finish: str
    prompt_tokens: int
    completion_tokens: int
    logprob: float
    seconds: float
    recalled: int = 0
    thought: str = ""
    thought_tokens: int = 0


Choose = Callable[[torch.Tensor], tuple[int, float]]
"""From the logits (V,) of the next token to the token taken and its natural log-probability."""


@dataclass(slots=True)
class DecodingRow:
    """A row in the making.

    Attributes:
        index: Its place in what was asked.
        suffix: The prompt's ids after what the batch shares.
        choose: Takes the row's tokens where each row is steered by itself; None where the batch is decoded alike.
        chance: Draws the row's tokens alone, so that what is drawn depends on no other row; None: the batch's.
        seconds: Its share of the time of the steps that it was part of.
        recalled: Tokens of its prompt that were found, because they had been read before.
    """

    index: int
    suffix: Sequence[int]
    choose: Choose | None = None
    chance: torch.Generator | None = None
    ids: list[int] = field(default_factory=list)
    logprob: float = 0.0
    finish: str = ""
    seconds: float = 0.0
    recalled: int = 0


def choose(
    logits_BV: torch.Tensor, decoding: Decoding, generator: torch.Generator, own: Sequence[torch.Generator] = ()
) -> torch.Tensor:
    """Next token of each row: (B,).

    Args:
        generator: Draws for all rows.
        own: One a row, where each row is drawn by its own.
    """
    if decoding.temperature <= 0:
        return logits_BV.argmax(-1)
    probabilities = torch.softmax(logits_BV / decoding.temperature, -1).cpu()
    if decoding.top_p < 1:
        ordered, places = probabilities.sort(descending=True)
        ordered[ordered.cumsum(-1) - ordered > decoding.top_p] = 0
        probabilities = torch.zeros_like(probabilities).scatter_(1, places, ordered)
    if not own:
        return torch.multinomial(probabilities, 1, generator=generator)[:, 0].to(logits_BV.device)
    reached_BV = probabilities.cumsum(-1)
    drawn_B = torch.stack([torch.rand((), generator=g) for g in own])
    found_B = torch.searchsorted(reached_BV, (drawn_B * reached_BV[:, -1])[:, None], right=True)[:, 0]
    return found_B.clamp_(max=probabilities.shape[-1] - 1).to(logits_BV.device)


def take(
    model: LanguageModel,
    rows: Sequence[DecodingRow],
    logits_BV: torch.Tensor,
    decoding: Decoding,
    generator: torch.Generator,
) -> torch.Tensor:
    """Takes each row's next token (B,) and marks the rows that are done."""
    if rows[0].choose is None:
        chosen_B = choose(logits_BV, decoding, generator, [row.chance for row in rows if row.chance])
        logprobs = (logits_BV.gather(1, chosen_B[:, None])[:, 0] - logits_BV.logsumexp(-1)).tolist()
    else:
        steered = [row.choose(logits_V) for row, logits_V in zip(rows, logits_BV, strict=True) if row.choose]
        chosen_B = torch.tensor([token for token, _ in steered], device=logits_BV.device)
        logprobs = [logprob for _, logprob in steered]
    for row, token, logprob in zip(rows, chosen_B.tolist(), logprobs, strict=True):
        extend(model.renderer, row, token, logprob, decoding)
    return chosen_B


def extend(renderer: Renderer, row: DecodingRow, token: int, logprob: float, decoding: Decoding) -> None:
    """Puts a token that was taken behind a row, and marks the row if that ends it."""
    row.ids.append(token)
    row.logprob += logprob
    if token in renderer.end_ids or _has_ended(renderer, row.ids, decoding):
        row.finish = "stop"
    elif len(row.ids) >= decoding.max_new_tokens:
        row.finish = "length"


def _has_ended(renderer: Renderer, ids: Sequence[int], decoding: Decoding) -> bool:
    """Whether a text that ends an answer stands in these tokens; looked for where the last may have completed it."""
    if not (decoding.one_line or decoding.stop):
        return False
    if renderer.thinking:
        return (said := renderer.said(ids)).over and decoding.cut(said.answer)[1]
    if decoding.one_line:
        return decoding.cut(renderer.decode(ids))[1]
    tail = ids[-4 * max(map(len, decoding.stop)) :]  # a character is four tokens at most, where each is a byte
    return cut_at_stop(renderer.decode(tail), decoding.stop)[1]


def cut_at_stop(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """The text before the first stop text, and whether there was one."""
    places = [at for s in stops if (at := text.find(s)) >= 0]
    return (text[: min(places)], True) if places else (text, False)


def completion_of(model: LanguageModel, row: DecodingRow, shared: int, decoding: Decoding) -> Completion:
    """What a finished row has become."""
    said = model.renderer.said(row.ids)
    text, _ = decoding.cut(said.answer)
    return Completion(
        text,
        row.finish,
        shared + len(row.suffix),
        len(row.ids),
        row.logprob,
        row.seconds,
        row.recalled,
        said.thought,
        said.thought_tokens,
    )
