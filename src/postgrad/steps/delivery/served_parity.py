"""The gate on this house's own engine: a model as it is served here, held to its own plain code; its form with
passages too, by ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch

from postgrad.evaluation.prompting import PromptBuilder
from postgrad.export.leaving import Leaving
from postgrad.export.parity.contestant import Contestant, Said
from postgrad.export.parity.gate import Tolerance
from postgrad.models.generation.generate import Decoding
from postgrad.models.generation.incremental import answer
from postgrad.models.language_model import LanguageModel
from postgrad.records import Message, ToolDefinition

HERE = Tolerance(0.1)
"""In bfloat16 a model is about so far from its own float32."""
HERE_EXACT = Tolerance(0.002)


class OwnEngine:
    """A registered model in the engine that measures and serves.

    Args:
        leaving: The model.
        builder: How it is asked.
    """

    def __init__(self, leaving: Leaving, builder: PromptBuilder, name: str = "postgrad serve") -> None:
        self._model = LanguageModel(leaving.base)
        self._model.use(leaving.trained, leaving.name)
        self._builder = builder
        self.name = f"{name} ({self._model.device.dtype})"
        self.dtype = self._model.device.dtype

    def prompt(self, messages: Sequence[Message], tools: Sequence[ToolDefinition]) -> Sequence[int]:
        return self._builder.build(messages, tools).ids

    def logprobs(self, ids: Sequence[int], begin: int) -> Sequence[float]:
        with torch.inference_mode():
            hidden = self._model.body(input_ids=torch.tensor([list(ids)], device=self._model.device.kind))[0]
            logits_TV = self._model.head(hidden)[0, :-1]
            logprobs_TV = torch.log_softmax(logits_TV, -1)
            taken = torch.tensor(list(ids[1:]), device=logprobs_TV.device)
            return logprobs_TV.gather(1, taken[:, None])[begin - 1 :, 0].cpu().tolist()

    def answer(self, messages: Sequence[Message], tools: Sequence[ToolDefinition], most: int) -> Said:
        renderer, ids = self._model.renderer, list[int]()
        decoding, finish, text = Decoding(most).for_chat(renderer), "length", ""
        for pieces in answer(self._model, list(self.prompt(messages, tools)), decoding):
            for piece in pieces:
                ids += [token.id for token in piece.tokens]
                if piece.done is not None:
                    finish, text = piece.done.finish, piece.done.text
        return Said(tuple(ids), renderer.decode(ids) if renderer.thinking else text, finish)


def own_contestant(leaving: Leaving, builder: PromptBuilder) -> Iterator[Callable[[], Contestant]]:
    """The one engine."""
    yield lambda: OwnEngine(leaving, builder)
