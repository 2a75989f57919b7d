"""The log-probability of every token of a prompt, as programs of others ask for it that score texts.

Shapes: T time, H hidden, V vocabulary.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence

import torch

from postgrad.models.generation.kv_cache import growing_cache, read_on, reads_in_parts
from postgrad.models.generation.logits import Token
from postgrad.models.generation.pace import Pace
from postgrad.models.language_model import LanguageModel

_BLOCK = 128
"""Logits of so many places are there at once."""


def scored_prompt(
    model: LanguageModel, ids: Sequence[int], alternatives: int, pace: Pace
) -> Generator[None, None, list[Token]]:
    """Each token of a prompt after the first, with its log-probability after those before it. Yields between parts of a
    long prompt, so that others can have a turn; whole where the model cannot read on.

    Args:
        alternatives: How many of the likeliest tokens to give beside each.
        pace: Says how long a part is.
    """
    parts, read = reads_in_parts(model), 0
    cache, before_H = growing_cache(model.module.config) if parts else None, None
    out: list[Token] = []
    while read < len(ids):
        start = time.perf_counter()
        part = torch.tensor(ids[read : read + pace.tokens()] if parts else ids, device=model.device.kind)
        with torch.inference_mode():
            if cache is None:
                hidden_TH = model.body(input_ids=part[None], use_cache=False)[0][0]
            else:
                hidden_TH = read_on(model, part[None], cache)[0]
            if before_H is None:
                seen_TH, wanted = hidden_TH[:-1], part[1:]
            else:
                seen_TH, wanted = torch.cat([before_H, hidden_TH[:-1]]), part
            before_H = hidden_TH[-1:]
            for begin in range(0, len(wanted), _BLOCK):
                out += _tokens(model, seen_TH[begin : begin + _BLOCK], wanted[begin : begin + _BLOCK], alternatives)
        read += len(part)
        pace.took(len(part), time.perf_counter() - start)
        yield
    return out


def _tokens(model: LanguageModel, hidden_TH: torch.Tensor, wanted_T: torch.Tensor, alternatives: int) -> list[Token]:
    logprobs_TV = torch.log_softmax(model.head(hidden_TH), -1)
    own = logprobs_TV.gather(1, wanted_T[:, None])[:, 0].tolist()
    best = logprobs_TV.topk(min(alternatives, logprobs_TV.shape[-1]), -1)
    tops = [tuple(zip(i, p, strict=True)) for i, p in zip(best.indices.tolist(), best.values.tolist(), strict=True)]
    return [Token(i, p, top) for i, p, top in zip(wanted_T.tolist(), own, tops, strict=True)]
