"""Continued pretraining on raw text: predict every token. Documents are cut into windows; none attends to another."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from postgrad.errors import DataError
from postgrad.models.rendering.render import Rendered, Renderer, TooLong
from postgrad.models.rendering.windows import windows
from postgrad.records import Record, Text
from postgrad.training.forward import Forward
from postgrad.training.objectives import Objective, Prepared


class Pretrain(Objective):
    """The objective `pretrain`.

    Args:
        renderer: Gives the tokenizer.
        max_length: Tokens in a window; 1,024 (or the model's context, if smaller) when None.
        too_long: Not asked: long documents are cut into windows and nothing is lost.
    """

    name = "pretrain"

    def __init__(self, renderer: Renderer, max_length: int | None = None, too_long: TooLong = "error") -> None:
        self.renderer, self.max_length = renderer, max_length

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
            examples += windows(self.renderer, record, self.max_length)
        return Prepared(tuple(examples), 0, 0)

    def weight(self, example: Rendered) -> float:
        return sum(example.weights)

    def loss(self, forward: Forward, batch: Sequence[Rendered], step: int | None = None) -> torch.Tensor:
        """Sum of nats over all tokens but each window's first."""
        return forward.loss(batch, step)
