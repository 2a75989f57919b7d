"""What is asked of an answer, an answer in the making, and how its tokens are taken.

Shapes: B rows, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from postgrad.models.language_model import LanguageModel


@dataclass(frozen=True, slots=True)
class Decoding:
    """How answers are decoded. Temperature 0 is greedy.

    Attributes:
        max_new_tokens: At most so many tokens an answer.
        temperature: Divides the logits.
        top_p: Samples from the smallest set with at least this probability.
        seed: Of the sampling.
        stop: Texts that end an answer; not part of it.
    """

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()


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
    """

    text: str
    finish: str
    prompt_tokens: int
    completion_tokens: int
    logprob: float
    seconds: float


Choose = Callable[[torch.Tensor], tuple[int, float]]
"""From the logits (V,) of the next token to the token taken and its natural log-probability."""


@dataclass(slots=True)
class DecodingRow:
    """A row in the making.

    Attributes:
        index: Its place in what was asked.
        suffix: The prompt's ids after what the batch shares.
        choose: Takes the row's tokens where each row is steered by itself; None where the batch is decoded alike.
        seconds: Its share of the time of the steps that it was part of.
    """

    index: int
    suffix: Sequence[int]
    choose: Choose | None = None
    ids: list[int] = field(default_factory=list)
    logprob: float = 0.0
    finish: str = ""
    seconds: float = 0.0


def choose(logits_BV: torch.Tensor, decoding: Decoding, generator: torch.Generator) -> torch.Tensor:
    """Next token of each row: (B,)."""
    if decoding.temperature <= 0:
        return logits_BV.argmax(-1)
    probabilities = torch.softmax(logits_BV / decoding.temperature, -1).cpu()
    if decoding.top_p < 1:
        ordered, places = probabilities.sort(descending=True)
        ordered[ordered.cumsum(-1) - ordered > decoding.top_p] = 0
        probabilities = torch.zeros_like(probabilities).scatter_(1, places, ordered)
    return torch.multinomial(probabilities, 1, generator=generator)[:, 0].to(logits_BV.device)


def take(
    model: LanguageModel,
    rows: Sequence[DecodingRow],
    logits_BV: torch.Tensor,
    decoding: Decoding,
    generator: torch.Generator,
) -> torch.Tensor:
    """Takes each row's next token (B,) and marks the rows that are done."""
    if rows[0].choose is None:
        chosen_B = choose(logits_BV, decoding, generator)
        logprobs = (logits_BV.gather(1, chosen_B[:, None])[:, 0] - logits_BV.logsumexp(-1)).tolist()
    else:
        steered = [row.choose(logits_V) for row, logits_V in zip(rows, logits_BV, strict=True) if row.choose]
        chosen_B = torch.tensor([token for token, _ in steered], device=logits_BV.device)
        logprobs = [logprob for _, logprob in steered]
    for row, token, logprob in zip(rows, chosen_B.tolist(), logprobs, strict=True):
        row.ids.append(token)
        row.logprob += logprob
        if token in model.renderer.end_ids or (
            decoding.stop and cut_at_stop(model.renderer.decode(row.ids), decoding.stop)[1]
        ):
            row.finish = "stop"
        elif len(row.ids) >= decoding.max_new_tokens:
            row.finish = "length"
    return chosen_B


def cut_at_stop(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """The text before the first stop text, and whether there was one."""
    places = [at for s in stops if (at := text.find(s)) >= 0]
    return (text[: min(places)], True) if places else (text, False)


def completion_of(model: LanguageModel, row: DecodingRow, shared: int, decoding: Decoding) -> Completion:
    """What a finished row has become."""
    text, _ = cut_at_stop(model.renderer.answer_text(row.ids), decoding.stop)
    return Completion(text, row.finish, shared + len(row.suffix), len(row.ids), row.logprob, row.seconds)
