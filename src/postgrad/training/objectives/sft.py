"""Instruction tuning (supervised fine-tuning): predict the assistant's tokens, weighted as the renderer says.

Shapes: B rows, T time, N supervised positions, H hidden.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from postgrad.errors import DataError
from postgrad.models.render import Rendered, Renderer, TooLong
from postgrad.records import Conversation, Record
from postgrad.training.loss import head_loss
from postgrad.training.objectives import Prepared


class Sft:
    """The objective `sft`.

    Args:
        renderer: Decides ids and loss weights.
        max_length: Longest example in tokens; the model's context when None.
        too_long: What happens to longer ones.
    """

    name = "sft"

    def __init__(self, renderer: Renderer, max_length: int | None = None, too_long: TooLong = "error") -> None:
        self.renderer, self.max_length, self.too_long = renderer, max_length, too_long

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

    def loss(self, model: Any, batch: Sequence[Rendered]) -> torch.Tensor:
        """Sum of weight × nats over the supervised tokens; right padding needs no mask under causal attention."""
        width = max(len(e.ids) for e in batch)
        ids_BT = torch.tensor([list(e.ids) + [0] * (width - len(e.ids)) for e in batch], device=model.device.kind)
        places = [(b, t, e.ids[t], w) for b, e in enumerate(batch) for t, w in enumerate(e.weights) if w > 0 and t > 0]
        rows, times, targets, weights = (
            torch.tensor(column, device=model.device.kind) for column in zip(*places, strict=True)
        )
        hidden_BTH = model.body(input_ids=ids_BT, use_cache=False)[0]
        return head_loss(model, hidden_BTH[rows, times - 1], targets, weights.float())
