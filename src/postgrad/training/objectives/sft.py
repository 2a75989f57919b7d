"""Instruction tuning (supervised fine-tuning): predict the assistant's tokens, weighted as the renderer says."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from postgrad.models.rendering.render import Rendered, Renderer, TooLong
from postgrad.records import Conversation, Record
from postgrad.training.forward import Forward
from postgrad.training.objectives import Objective, Prepared
from postgrad.training.objectives.preparing import prepared


class Sft(Objective):
    """The objective `sft`.

    Args:
        renderer: Decides ids and loss weights.
        max_length: Longest example in tokens; the model's context when None.
        too_long: What happens to longer ones.
    """

    name = "sft"

    def __init__(self, renderer: Renderer, max_length: int | None = None, too_long: TooLong = "error") -> None:
        self.renderer, self.max_length = renderer, max_length
        self.too_long: TooLong = too_long

    def prepare(self, records: Sequence[Record]) -> Prepared:
        """Renders conversations; all faulty ones are named in one error."""
        return prepared(
            records,
            Conversation,
            self._rendered,
            "examples",
            "sft trains on conversations",
            "Pairs of a better and a worse answer are for --objective dpo, raw text is for --objective pretrain.",
        )

    def _rendered(self, record: Conversation) -> Rendered | None:
        return self.renderer.render_for_training(record, self.max_length, self.too_long)

    def weight(self, example: Rendered) -> float:
        return sum(example.weights)

    def loss(self, forward: Forward, batch: Sequence[Rendered], step: int | None = None) -> torch.Tensor:
        """Sum of weight × nats over the supervised tokens."""
        return forward.loss(batch, step)
