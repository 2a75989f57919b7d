"""Which examples make a step, and how a step is cut into microbatches. Pure: no torch, no files.

A global batch is fixed by seed and step; it is sorted by length and cut under a token budget, which changes memory and
speed but not the loss: that is normalised by the supervised weight of the whole global batch.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence

from postgrad.models.rendering.render import Rendered


def steps_of(examples: int, batch_size: int, epochs: float) -> int:
    """Optimiser steps of a training; the last batch of an epoch may be smaller."""
    return max(1, math.ceil(math.ceil(examples / batch_size) * epochs - 1e-9))


def global_batch(examples: int, batch_size: int, seed: int, step: int) -> list[int]:
    """Indices of the examples of a 1-based step: a fresh permutation every epoch."""
    per_epoch = math.ceil(examples / batch_size)
    epoch, place = divmod(step - 1, per_epoch)
    order = list(range(examples))
    random.Random(f"{seed}/{epoch}").shuffle(order)
    return order[place * batch_size : (place + 1) * batch_size]


def dealt(batch: Sequence[Rendered], parts: int) -> list[list[Rendered]]:
    """A step's examples for so many processes: about equally many tokens each, and none idle while another has two.

    The longest example goes to whoever has the fewest tokens; the loss does not hang on who has which.
    """
    if parts == 1:
        return [list(batch)]
    out: list[list[Rendered]] = [[] for _ in range(parts)]
    loads = [0] * parts
    for example in sorted(batch, key=lambda e: -len(e.ids)):
        least = min(range(parts), key=lambda i: (loads[i], i))
        out[least].append(example)
        loads[least] += len(example.ids)
    return out


def microbatches(batch: Sequence[Rendered], token_budget: int) -> Iterator[list[Rendered]]:
    """Longest first; as many as fit under the budget once padded; an example over the budget goes alone."""
    current: list[Rendered] = []
    for example in sorted(batch, key=lambda e: -len(e.ids)):
        if current and len(current[0].ids) * (len(current) + 1) > token_budget:
            yield current
            current = []
        current.append(example)
    if current:
        yield current


def answer_seed(seed: int, when: int | str, prompt: int, answer: int) -> int:
    """Of one sampled answer: a function of the training's seed, the step (or another occasion), and its place."""
    return random.Random(f"{seed}/{when}/{prompt}/{answer}").getrandbits(62)
