"""Whom a client means by a model's name, and a request that was accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from postgrad.models.canary import Canary
from postgrad.models.generation.generate import Decoding
from postgrad.models.generation.logits import Steering
from postgrad.registry import ModelEntry


@dataclass(frozen=True)
class Served:
    """A model that can be asked.

    Attributes:
        name: As the client calls it.
        base: Name of the base model.
        entry: The registered model, or None for a plain base.
        grounded: Whether passages are put before the request.
        owner: Who asks: what is kept of a request's reading is for that owner alone.
        canary: What the model said when it was trained; None where that was not kept.
    """

    name: str
    base: str
    entry: ModelEntry | None
    grounded: bool = False
    owner: str = ""
    canary: Canary | None = field(default=None, repr=False, compare=False)

    @property
    def blob(self) -> str | None:
        """Digest of what is put on the base."""
        return self.entry.blob if self.entry else None


@dataclass(frozen=True)
class PreparedRequest:
    """A request that was accepted: whom to ask, the ids of the prompt, how to decode, and whether the prompt is the one
    that the model is evaluated with."""

    served: Served
    prompt: Sequence[int]
    decoding: Decoding
    steering: Steering = field(default_factory=Steering)
    count: int = 1
    as_evaluated: bool = False

    @property
    def tokens(self) -> int:
        """Bound of the tokens that its answers hold in memory."""
        return self.count * (len(self.prompt) + self.decoding.max_new_tokens)
