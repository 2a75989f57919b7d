"""Instruction tuning (supervised fine-tuning): predict the assistant's tokens, weighted as the renderer says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from postgrad.models.rendering.render import Rendered
from postgrad.objectives import ObjectiveSpec, Options, Rates
from postgrad.records import Conversation, Record
from postgrad.training.compute_plan import cost_of_conversations
from postgrad.training.objectives.base import Objective, Prepared, Setup
from postgrad.training.objectives.preparing import prepared

if TYPE_CHECKING:
    import torch

    from postgrad.training.forward import Forward


class Sft(Objective):
    """The objective `sft`."""

    def __init__(self, setup: Setup, options: Options) -> None:
        super().__init__()
        self.setup = setup

    def prepare(self, records: Sequence[Record]) -> Prepared:
        """Renders conversations, one example an answer where the template asks for that; all faulty ones are named in
        one error."""
        return prepared(
            [t for r in records for t in (self.setup.renderer.as_asked(r) if isinstance(r, Conversation) else (r,))],
            Conversation,
            self._rendered,
            "examples",
            "sft trains on conversations",
            "Pairs of a better and a worse answer are for --objective dpo, raw text is for --objective pretrain.",
        )

    def _rendered(self, record: Conversation) -> Rendered | None:
        return self.setup.renderer.render_for_training(record, self.setup.max_length, self.setup.too_long)

    def weight(self, example: Rendered) -> float:
        return sum(example.weights)

    def loss(self, forward: Forward, batch: Sequence[Rendered], step: int | None = None) -> torch.Tensor:
        """Sum of weight × nats over the supervised tokens."""
        return forward.loss(batch, step)


SPEC = ObjectiveSpec("sft", "answers", Conversation, Sft, cost_of_conversations, rates=Rates(short=3.0))
