"""Generation with the hand-written decoder: a row that ends makes room for the next prompt at once.

Prompts are read several at a time, end to end, whenever enough rows are free; between that all rows in work gain a
token a step. Shapes: B rows, V vocabulary.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence

import torch

from postgrad.models.fused.decoder import FusedDecoder, Room, SharedStates
from postgrad.models.generation.decoding import Decoding, DecodingRow, take
from postgrad.models.language_model import LanguageModel

READ_TOKENS = 2048
"""Prompts are read together up to so many tokens."""
FREE_SHARE = 4
"""New prompts are read when a quarter of the rows is free: few at once would waste the matrix products."""


def places(rows: Sequence[DecodingRow], decoding: Decoding) -> int:
    """Tokens that a row may come to hold, apart from the shared beginning."""
    return max(len(r.suffix) for r in rows) + decoding.max_new_tokens


@torch.inference_mode()
def run(
    model: LanguageModel,
    decoder: FusedDecoder,
    rows: Sequence[DecodingRow],
    prefix: SharedStates | None,
    decoding: Decoding,
    most: int,
) -> Iterator[list[DecodingRow]]:
    """Generates for the rows in place, at most so many at once; yields after every step the rows that it ended.

    Each step may run in another thread than the last.

    Args:
        prefix: What `FusedDecoder.begin` gave for the beginning that all rows share, or None.
    """
    waiting = deque(rows)
    room = Room(decoder, most, places(rows, decoding))
    room.shared = prefix
    generator = torch.Generator().manual_seed(decoding.seed)
    active: list[DecodingRow] = []
    last_B = torch.empty(0, dtype=torch.long)
    while waiting or active:
        start = time.perf_counter()
        if waiting and (not active or (most - len(active)) * FREE_SHARE >= most):
            working = _next(waiting, most - len(active))
            at = range(len(active), len(active) + len(working))
            room.lengths[at.start : at.stop] = [0] * len(at)
            hidden_BH = decoder.prefill([r.suffix for r in working], [(room, i) for i in at])
            active += working
        else:
            working, at = active, range(len(active))
            hidden_BH = decoder.step(last_B, [(room, len(active))])
        chosen_B = take(model, working, decoder.logits(hidden_BH), decoding, generator)
        last_B = torch.cat([last_B[: at.start], chosen_B])
        share = (time.perf_counter() - start) / len(working)
        for row in working:
            row.seconds += share
        done = [r for r in working if r.finish]
        last_B = _close(active, last_B, room)
        yield done


def _next(waiting: deque[DecodingRow], free: int) -> list[DecodingRow]:
    taken, tokens = [], 0
    while waiting and len(taken) < free and (not taken or tokens + len(waiting[0].suffix) <= READ_TOKENS):
        taken.append(waiting.popleft())
        tokens += len(taken[-1].suffix)
    return taken


def _close(active: list[DecodingRow], last_B: torch.Tensor, room: Room) -> torch.Tensor:
    """Takes ended rows out, filling each gap with the last row; gives the last tokens of those that go on."""
    order = list(range(len(active)))
    for place in range(len(active) - 1, -1, -1):
        if active[place].finish:
            row, token = active.pop(), order.pop()
            if place < len(active):
                room.move(len(active), place)
                active[place], order[place] = row, token
    return last_B if len(order) == len(last_B) else last_B[torch.tensor(order, dtype=torch.long)]
