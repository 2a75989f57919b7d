"""A reward model at work: what answers are worth, one number each, by the hidden state of the last token.

Requests and answers are rendered as they were in training, by the one renderer; a request that is too long for the
model is cut at its beginning, an answer never.

Shapes: B answers, T time, H hidden.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from postgrad.models.adapters.scalar_head import scored
from postgrad.models.adapters.trained_weights import ScoringWeights
from postgrad.models.language_model import LanguageModel
from postgrad.records import Conversation, Message, ToolDefinition

TOKENS = 4096
"""Computed at once, padding with them."""
Asked = tuple[Sequence[Message], str]
"""A request and an answer to it."""


class RewardModel:
    """A reward model in memory.

    Args:
        model: Its base; the trained weights are put in place.
        weights: What was trained.
        instruction: That it was trained with: put before requests that have none. None for none.
    """

    def __init__(self, model: LanguageModel, weights: ScoringWeights, instruction: str | None = None) -> None:
        self.model, self.instruction = model, instruction
        model.use(weights.body)
        self._head_H = weights.head.to(model.device.kind)

    def rewards(self, answers: Sequence[Asked], tools: Sequence[Sequence[ToolDefinition]] = ()) -> list[float]:
        """What each answer is worth, in order; any finite number, the larger the better.

        Args:
            answers: (messages of the request, the answer) pairs.
            tools: Of each request; none when empty.

        Raises:
            DataError: an answer alone is longer than the model's context, or a message holds what is no text.
        """
        shown = [self._ids(messages, answer, tools[i] if tools else ()) for i, (messages, answer) in enumerate(answers)]
        out = [0.0] * len(shown)
        for part in _alike([len(ids) for ids in shown]):
            for place, reward in zip(part, self._of([shown[i] for i in part]), strict=True):
                out[place] = reward
        return out

    def _ids(self, messages: Sequence[Message], answer: str, tools: Sequence[ToolDefinition]) -> tuple[int, ...]:
        own = tuple(messages)
        if self.instruction and not any(m.role == "system" for m in own):
            own = (Message("system", self.instruction), *own)
        conversation = Conversation(messages=(*own, Message("assistant", answer)), tools=tuple(tools))
        renderer = self.model.renderer
        ids = renderer.render(conversation).ids
        if len(ids) > renderer.context:
            ids = renderer.render(renderer.shortened(conversation, renderer.context)).ids
        return ids

    def _of(self, rows: Sequence[Sequence[int]]) -> list[float]:
        """Right padding needs no mask under causal attention."""
        width, kind = max(map(len, rows)), self.model.device.kind
        ids_BT = torch.tensor([[*ids, *[0] * (width - len(ids))] for ids in rows], device=kind)
        ends_B = torch.tensor([len(ids) - 1 for ids in rows], device=kind)
        with torch.inference_mode():
            hidden_BTH = self.model.body(input_ids=ids_BT, use_cache=False)[0]
            return scored(hidden_BTH[torch.arange(len(rows), device=kind), ends_B], self._head_H).tolist()


def _alike(lengths: Sequence[int]) -> list[list[int]]:
    """Places of sequences that are computed together: those of alike lengths."""
    parts: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if parts and (len(parts[-1]) + 1) * lengths[place] <= TOKENS:
            parts[-1].append(place)
        else:
            parts.append([place])
    return parts
