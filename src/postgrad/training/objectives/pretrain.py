"""Continued pretraining on raw text: predict every token. Documents are cut into windows; none attends to another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from postgrad.errors import DataError
from postgrad.models.rendering.render import Rendered
from postgrad.models.rendering.windows import windows
from postgrad.objectives import ObjectiveSpec, Options
from postgrad.records import Conversation, Record, Text
from postgrad.training.compute_plan import cost_of_texts
from postgrad.training.objectives.base import Objective, Prepared, Setup

if TYPE_CHECKING:
    import torch

    from postgrad.training.forward import Forward


class Pretrain(Objective):
    """The objective `pretrain`; `max_length` is the window, 1,024 (or the model's context, if smaller) when None.
    `too_long` is not asked: long documents are cut into windows and nothing is lost."""

    def __init__(self, setup: Setup, options: Options) -> None:
        super().__init__()
        self.setup = setup

    def prepare(self, records: Sequence[Record]) -> Prepared:
        """Windows of all documents.

        Raises:
            DataError: a record is no text, or has none.
        """
        examples: list[Rendered] = []
        for record in records:
            if not isinstance(record, Text):
                raise DataError(
                    f"{record.source}: pretrain trains on raw text, not on {type(record).__name__}.",
                    "Give .txt or .md files, or JSON Lines with the one key 'text'; for answers use --objective sft.",
                )
            if not record.text.strip():
                raise DataError(f"{record.source}: the document is empty.", "Remove it.")
            examples += windows(self.setup.renderer, record, self.setup.max_length)
        return Prepared(tuple(examples), 0, 0)

    def general(self, record: Record) -> Sequence[Rendered]:
        """A conversation as `sft` learns it: text alone would keep no manners."""
        if not isinstance(record, Conversation):
            return self.prepare([record]).examples
        shown = (
            self.setup.renderer.render_for_training(part, self.setup.max_length, self.setup.too_long)
            for part in self.setup.renderer.as_asked(record)
        )
        return [example for example in shown if example is not None]

    def weight(self, example: Rendered) -> float:
        return sum(example.weights)

    def loss(self, forward: Forward, batch: Sequence[Rendered], step: int | None = None) -> torch.Tensor:
        """Sum of nats over all tokens but each window's first."""
        return forward.loss(batch, step)


SPEC = ObjectiveSpec("pretrain", "raw text", Text, Pretrain, cost_of_texts)
