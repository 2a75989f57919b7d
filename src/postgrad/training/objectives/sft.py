"""Instruction tuning (supervised fine-tuning): predict the assistant's tokens, weighted as the renderer says.

Shapes: B rows, T time, N supervised positions, H hidden.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from postgrad.errors import DataError
from postgrad.models.attention import Packing
from postgrad.models.generate import shared_beginning
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
        self.renderer, self.max_length = renderer, max_length
        self.too_long: TooLong = too_long
        self.packs = True

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
        """Sum of weight × nats over the supervised tokens, without padding where the model allows it."""
        hidden_NH, targets, weights = (self._packed if self.packs else self._padded)(model, batch)
        return head_loss(model, hidden_NH, targets, weights)

    def choose_packing(self, model: Any, examples: Sequence[Rendered]) -> bool:
        """Whether examples may be laid end to end: only if the model gives the same loss either way.

        A model whose attention does not go through transformers' interface, or that carries state along the row, does not.
        """
        sample = sorted(examples, key=lambda e: len(e.ids))[:3]
        losses = []
        with torch.no_grad():
            for self.packs in (True, False):
                losses.append(self.loss(model, sample).item())
        rounding = 1e-4 if model.device.dtype == "float32" else 1e-2
        self.packs = abs(losses[0] - losses[1]) <= rounding * abs(losses[1])
        return self.packs

    def _padded(self, model: Any, batch: Sequence[Rendered]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """One example a row; right padding needs no mask under causal attention."""
        kind = model.device.kind
        width = max(len(e.ids) for e in batch)
        ids_BT = torch.tensor([list(e.ids) + [0] * (width - len(e.ids)) for e in batch], device=kind)
        hidden_BTH = model.body(input_ids=ids_BT, use_cache=False)[0]
        places = [b * width + t - 1 for b, e in enumerate(batch) for t in _learned(e)]
        return hidden_BTH.flatten(0, 1)[torch.tensor(places, device=kind)], *_targets(batch, kind)

    def _packed(self, model: Any, batch: Sequence[Rendered]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """All examples in one row, their shared beginning (template and instruction) once: no token is computed twice."""
        kind = model.device.kind
        shared = min(shared_beginning([e.ids for e in batch]), *(_learned(e)[0] - 1 for e in batch))
        ids, positions, ends, places = list(batch[0].ids[:shared]), list(range(shared)), [], []
        for e in batch:
            places += [len(ids) + t - 1 - shared for t in _learned(e)]
            ids += e.ids[shared:]
            positions += range(shared, len(e.ids))
            ends.append(len(ids))
        hidden_1TH = model.body(
            input_ids=torch.tensor([ids], device=kind), position_ids=torch.tensor([positions], device=kind), use_cache=False,
            packing=Packing(shared, tuple(ends)),
        )[0]  # fmt: skip
        return hidden_1TH[0][torch.tensor(places, device=kind)], *_targets(batch, kind)


def _learned(example: Rendered) -> list[int]:
    """Positions of the supervised tokens; the first token of all has nothing to be predicted from."""
    return [t for t, w in enumerate(example.weights) if w > 0 and t > 0]


def _targets(batch: Sequence[Rendered], kind: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and weights of the supervised positions, in order."""
    places = [(e.ids[t], e.weights[t]) for e in batch for t in _learned(e)]
    return torch.tensor([p[0] for p in places], device=kind), torch.tensor([p[1] for p in places], device=kind)
