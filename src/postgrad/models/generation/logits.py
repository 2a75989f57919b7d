"""How one answer is steered token by token: penalties, biases, a grammar's mask, and the log-probabilities that are
kept.

Shapes: V vocabulary. The log-probabilities kept are the model's own, before anything is steered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch

from postgrad.models.generation.generate import Decoding, choose


class Mask(Protocol):
    """What tokens may come next; moves on with each token taken."""

    def allowed(self, size: int) -> torch.Tensor:
        """(size,) of bool."""
        ...

    def take(self, token: int) -> None:
        """The token that was taken."""
        ...


class Grammar(Protocol):
    """A form that answers must have."""

    def begin(self) -> Mask:
        """A mask at the beginning of an answer."""
        ...


@dataclass(frozen=True)
class Steering:
    """What may be asked of decoding beyond `Decoding`.

    Attributes:
        frequency_penalty: Taken from a token's logit for each time that it has been generated.
        presence_penalty: Taken once from the logit of every token that has been generated.
        bias: Added to logits, by token id.
        alternatives: How many of the likeliest tokens to keep beside each one taken.
        grammar: Form that the answer must have.
        special: Whether special tokens other than the end marks stay in the text: some templates write tool calls with
            them.
    """

    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    bias: Mapping[int, float] = field(default_factory=dict)
    alternatives: int = 0
    grammar: Grammar | None = None
    special: bool = False


@dataclass(frozen=True, slots=True)
class Token:
    """A token taken, its natural log-probability, and the likeliest ones in its place as (id, log-probability)."""

    id: int
    logprob: float
    alternatives: tuple[tuple[int, float], ...] = ()


class Chooser:
    """Takes the tokens of one answer; call it with the logits (V,) of each next token.

    Args:
        decoding: Temperature and top_p.
        steering: The rest.
        seed: Of this answer's sampling.
    """

    def __init__(self, decoding: Decoding, steering: Steering, seed: int) -> None:
        self.decoding, self.steering = decoding, steering
        self.tokens: list[Token] = []
        self._mask = steering.grammar.begin() if steering.grammar else None
        self._seen: Counter[int] = Counter()
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(self, logits_V: torch.Tensor) -> tuple[int, float]:
        steered_V = self._steered(logits_V)
        token = int(choose(steered_V[None], self.decoding, self._generator)[0])
        logprobs_V = torch.log_softmax(logits_V, -1)
        logprob = float(logprobs_V[token])
        top: tuple[tuple[int, float], ...] = ()
        if self.steering.alternatives:
            best = logprobs_V.topk(min(self.steering.alternatives, len(logprobs_V)))
            top = tuple(zip(best.indices.tolist(), best.values.tolist(), strict=True))
        self.tokens.append(Token(token, logprob, top))
        self._seen[token] += 1
        if self._mask is not None:
            self._mask.take(token)
        return token, logprob

    def _steered(self, logits_V: torch.Tensor) -> torch.Tensor:
        asked = self.steering
        penalised = bool(self._seen and (asked.frequency_penalty or asked.presence_penalty))
        if not (penalised or asked.bias or self._mask):
            return logits_V
        out = logits_V.clone()
        if penalised:
            places = torch.tensor(list(self._seen), device=out.device)
            counts = torch.tensor(list(self._seen.values()), dtype=out.dtype, device=out.device)
            out[places] -= asked.frequency_penalty * counts + asked.presence_penalty
        for token, value in asked.bias.items():
            out[token] += value
        if self._mask is not None:
            out[~self._mask.allowed(len(out)).to(out.device)] = -torch.inf
        return out
