"""Answers sampled from the model as it is being trained, token by token with a seed for each answer.

The seeds alone decide what is drawn, so a step that is done again after a kill draws the same answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from postgrad.models.generation.generate import (
    Decoding,
    DecodingRow,
    beginning,
    can_share,
    decode,
    shared_beginning,
)
from postgrad.models.language_model import LanguageModel

MOST_ROWS = 64
MOST_TOKENS = 16_384
"""Rows × (prompt + answer) in a batch: bounds the cache."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """An answer.

    Attributes:
        ids: Its tokens, with the end mark if it came to one.
        finished: Whether it did.
        logprob: Sum of the log-probabilities of its tokens at temperature 1, in nats.
        weights: 1 for each token that the model sampled, 0 for what others put between.
        prompt: What it answers, where that is another than was given; else empty.
        said: What it says in the end, where that is not the text of its tokens.
    """

    ids: tuple[int, ...]
    finished: bool
    logprob: float = 0.0
    weights: tuple[float, ...] = ()
    prompt: tuple[int, ...] = ()
    said: str | None = None


def sample(
    model: LanguageModel,
    prompts: Sequence[Sequence[int]],
    seeds: Sequence[Sequence[int]],
    decoding: Decoding,
    stopped: Callable[[], bool] = lambda: False,
    groups: Sequence[int] | None = None,
) -> list[list[Sampled]] | None:
    """Answers to each prompt, one a seed; None when `stopped()` turned true between two tokens.

    Args:
        groups: Of each prompt a number; prompts of one number begin alike. None: each stands alone.
    """
    wanted = [(p, seed) for p in range(len(prompts)) for seed in seeds[p]]
    out: list[list[Sampled]] = [[] for _ in prompts]
    for part in _batches(wanted, prompts, decoding.max_new_tokens, groups or range(len(prompts))):
        shown = [prompts[p] for p in dict(part)]
        shared = shared_beginning(shown) if len(shown) > 1 else len(shown[0]) - 1 if len(part) > 1 else 0
        longest = max(len(prompt) for prompt in shown) + decoding.max_new_tokens
        shared = shared if can_share(model, longest) else 0
        rows = [DecodingRow(p, prompts[p][shared:], chance=torch.Generator().manual_seed(seed)) for p, seed in part]
        prefix = beginning(model, shown[0][:shared])
        for _ in decode(model, rows, prefix, shared, decoding):
            if stopped():
                return None
        for row in rows:
            out[row.index].append(Sampled(tuple(row.ids), row.finish == "stop", row.logprob, (1.0,) * len(row.ids)))
    return out


def cache_tokens(prompt: int, new: int, rows: int) -> int:
    """Tokens in the cache at most, while so many answers to prompts of this length are sampled."""
    return min(max(MOST_TOKENS, prompt + new), min(rows, MOST_ROWS) * (prompt + new))


def _batches(
    wanted: Sequence[tuple[int, int]], prompts: Sequence[Sequence[int]], new: int, groups: Sequence[int]
) -> Iterator[list[tuple[int, int]]]:
    """Rows that are decoded together. A prompt longer than an answer goes alone: it is computed once for its
    answers."""
    batch: list[tuple[int, int]] = []
    width = 0
    for p, seed in wanted:
        wider = max(width, len(prompts[p]) + new)
        other = (
            bool(batch) and groups[batch[-1][0]] != groups[p] and max(len(prompts[p]), len(prompts[batch[-1][0]])) > new
        )
        if batch and (other or len(batch) >= MOST_ROWS or wider * (len(batch) + 1) > MOST_TOKENS):
            yield batch
            batch, wider = [], len(prompts[p]) + new
        batch.append((p, seed))
        width = wider
    if batch:
        yield batch
