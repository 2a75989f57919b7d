"""Log-probabilities of answers, and what a scalar head says of them, for the objectives that compare them: prompts that
several answers share are computed once.

Shapes: B answers, N supervised tokens of one answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from postgrad.models.adapters.scalar_head import scores
from postgrad.models.device import sums_in
from postgrad.models.rendering.render import Rendered
from postgrad.training.forward import Forward, learned, shared_part
from postgrad.training.loss import head_logprobs

WORTH = 0.1
"""Rows are cut by prompt where that saves more than this share of the tokens: products of short rows are slower."""


@dataclass(frozen=True)
class Readings:
    """What a model says of the tokens of one answer.

    Attributes:
        logps: log p of each, (N,) float32.
        values: What the scalar head says before each, (N,) float32; None where it was not asked.
    """

    logps: torch.Tensor
    values: torch.Tensor | None = None

    @property
    def listed(self) -> list[float]:
        """The values; none where it was not asked."""
        return [] if self.values is None else self.values.tolist()


def token_readings(
    forward: Forward,
    batch: Sequence[Rendered],
    step: int | None = None,
    temperature: float = 1.0,
    *,
    head: bool = False,
) -> list[Readings]:
    """What the model says of the supervised tokens of each sequence, in the order given.

    Args:
        batch: Sequences; those with one prompt should stand together.
        step: Switches training noise on.
        temperature: Divides the logits, as it did when the tokens were sampled.
        head: Whether its scalar head is asked too.
    """
    out: list[Readings] = []
    for row in rows(batch) if forward.way != "padded" else [list(batch)]:
        hidden, counts = forward.hidden(row, step), [len(learned(e)) for e in row]
        logps = head_logprobs(forward.model, hidden.states, hidden.targets, temperature).split(counts)
        values = scores(forward.model.module, hidden.states).split(counts) if head else [None] * len(counts)
        out += [Readings(*both) for both in zip(logps, values, strict=True)]
    return out


def token_logprobs(
    forward: Forward, batch: Sequence[Rendered], step: int | None = None, temperature: float = 1.0
) -> list[torch.Tensor]:
    """log p of each supervised token of each sequence, (N,) float32; see `token_readings`."""
    return [read.logps for read in token_readings(forward, batch, step, temperature)]


def answer_scores(forward: Forward, batch: Sequence[Rendered], step: int | None = None) -> torch.Tensor:
    """What the model's scalar head says at the last token of each sequence, (B,) in what sums are added up in.

    Args:
        batch: Sequences; those with one prompt should stand together.
        step: Switches training noise on.
    """
    parts = rows(batch) if forward.way != "padded" else [list(batch)]
    found = torch.cat([scores(forward.model.module, forward.last(row, step)) for row in parts])
    return found.to(sums_in(found))


def rows(batch: Sequence[Rendered]) -> list[list[Rendered]]:
    """Sequences that are laid out together: all in one row, or one row a prompt where that computes far fewer
    tokens."""
    groups: list[list[Rendered]] = []
    for sequence in batch:
        if groups and _one_prompt(groups[-1][0], sequence):
            groups[-1].append(sequence)
        else:
            groups.append([sequence])
    whole = [list(batch)]
    return groups if sum(map(_tokens, groups)) < (1 - WORTH) * _tokens(whole[0]) else whole


def _one_prompt(a: Rendered, b: Rendered) -> bool:
    first = learned(a)[0]
    return learned(b)[0] == first and a.ids[:first] == b.ids[:first]


def _tokens(row: Sequence[Rendered]) -> int:
    """Tokens that a row has once its shared beginning stands there once."""
    return sum(len(e.ids) for e in row) - (len(row) - 1) * (shared_part(row) if len(row) > 1 else 0)
