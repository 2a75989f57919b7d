"""Instruction tuning (supervised fine-tuning): predict the assistant's tokens, weighted as the renderer says."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from postgrad.errors import DataError
from postgrad.models.render import Rendered, Renderer, TooLong
from postgrad.records import Conversation, Record
from postgrad.training.forward import Forward
from postgrad.training.objectives import Objective, Prepared


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
        examples: list[Rendered] = []
        faults: list[str] = []
        dropped = 0
        for record in records:
            if not isinstance(record, Conversation):
                raise DataError(f"{record.source}: sft trains on conversations, not on {type(record).__name__}.")
            try:
                rendered = self.renderer.render_for_training(record, self.max_length, self.too_long)
            except DataError as error:
                faults.append(str(error).replace("\n", " "))
                continue
            if rendered is None:
                dropped += 1
            else:
                examples.append(rendered)
        if faults:
            shown = "\n  ".join(faults[:10]) + (f"\n  and {len(faults) - 10} more" if len(faults) > 10 else "")
            raise DataError(f"{len(faults)} of {len(records)} examples cannot be trained on:\n  {shown}")
        return Prepared(tuple(examples), dropped, sum(e.truncated > 0 for e in examples))

    def weight(self, example: Rendered) -> float:
        return sum(example.weights)

    def loss(self, forward: Forward, batch: Sequence[Rendered], step: int | None = None) -> torch.Tensor:
        """Sum of weight × nats over the supervised tokens."""
        return forward.loss(batch, step)
