"""Continued pretraining on raw text: predict every token. Documents are cut into windows; none attends to another.

A document is framed as the model's own pretraining was: its beginning token where the tokenizer has one that differs from
its end token, and the end token, which is learned too. Windows of a long document follow each other without overlap; each
but the first begins with the last token of the one before, so that every token is predicted once.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from postgrad.errors import DataError
from postgrad.models.render import Rendered, Renderer, TooLong
from postgrad.records import Record, Text
from postgrad.training.forward import Forward
from postgrad.training.objectives import Prepared

WINDOW = 1024


class Pretrain:
    """The objective `pretrain`.

    Args:
        renderer: Gives the tokenizer.
        max_length: Tokens in a window; 1,024 (or the model's context, if smaller) when None.
        too_long: Not asked: long documents are cut into windows and nothing is lost.
    """

    name = "pretrain"

    def __init__(self, renderer: Renderer, max_length: int | None = None, too_long: TooLong = "error") -> None:
        self.renderer = renderer
        self.window = min(max_length or WINDOW, renderer.context)

    def prepare(self, records: Sequence[Record]) -> Prepared:
        """Windows of all documents.

        Raises:
            DataError: a record is no text, or has none.
        """
        begin, end = self.renderer.frame_ids
        examples: list[Rendered] = []
        for record in records:
            if not isinstance(record, Text):
                raise DataError(
                    f"{record.source}: pretrain trains on raw text, not on {type(record).__name__}.",
                    "Give .txt or .md files, or JSON Lines with the one key 'text'; for answers use --objective sft.",
                )
            if not record.text.strip():
                raise DataError(f"{record.source}: the document is empty.", "Remove it.")
            ids = [*begin, *self.renderer.encode(record.text), *end]
            for at in range(0, len(ids) - 1, self.window - 1):
                part = tuple(ids[at : at + self.window])
                examples.append(Rendered(part, (0.0, *[1.0] * (len(part) - 1)), origin=str(record.source)))
        return Prepared(tuple(examples), 0, 0)

    def weight(self, example: Rendered) -> float:
        return sum(example.weights)

    def loss(self, forward: Forward, batch: Sequence[Rendered], step: int | None = None) -> torch.Tensor:
        """Sum of nats over all tokens but each window's first."""
        return forward.loss(batch, step)
