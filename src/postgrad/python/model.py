"""A model that answers, from Python: prepared and computed by the engine of the server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from postgrad.json_types import JsonMapping
from postgrad.models.generation.generate import Completion, Decoding, complete
from postgrad.records import Message
from postgrad.registry import Catalogue
from postgrad.serving.inference.chat_preparation import room_for_answer
from postgrad.serving.inference.confidence import certified, escalate, review
from postgrad.serving.inference.engine import Engine
from postgrad.serving.inference.prepared import PreparedRequest
from postgrad.serving.wire.responses import confidence

Asked: TypeAlias = str | Sequence[Message | JsonMapping]
"""A request: its text, or the messages of a conversation (as records, or as OpenAI spells them)."""


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """One answer; `str(answer)` is its text.

    Attributes:
        confidence: How sure the model is, from 0 to 1: the geometric mean probability of the answer's tokens.
        escalate: Whether a person should see it, by the threshold that the model's run certified; None where nothing
            was certified for answers made like this one.
        review: Which fields of the answer, an object, a person should see; None where no field was certified.
        finish: `stop`, or `length` where it was cut at the limit.
        reasoning: What the model thought before it answered, where its base thinks.
    """

    text: str
    confidence: float
    escalate: bool | None
    finish: str
    prompt_tokens: int
    completion_tokens: int
    review: list[str] | None = None
    reasoning: str = ""

    def __str__(self) -> str:
        return self.text


class Model:
    """A registered or base model. It is loaded at the first request, and answers as the server does.

    Args:
        name: NAME, NAME@VERSION, NAME@ALIAS, each with `+rag` for its documents; or a base model's name, folder or
            GGUF file.

    Raises:
        ModelError: there is no such model.
    """

    def __init__(self, name: str) -> None:
        self._engine = Engine(Catalogue(), [name] if "/" in name or name.endswith(".gguf") else ())
        self._served = self._engine.find(name)
        self.name = name

    def answer(
        self, asked: Asked, *, max_tokens: int | None = None, temperature: float = 0.0, seed: int = 0
    ) -> ModelAnswer:
        """Answers one request.

        Args:
            asked: Its text, or messages.
            max_tokens: Longest answer; None for what the context has room for.
            temperature: 0 is greedy, as evaluated.
            seed: Of the sampling.

        Raises:
            DataError: it does not fit the model's template or context.
        """
        prepared = self._prepared(asked, max_tokens, temperature, seed)
        (done,) = [piece.done for piece in self._engine.stream(prepared) if piece.done is not None]
        return _answer(prepared, done)

    def answers(
        self, many: Sequence[Asked], *, max_tokens: int | None = None, temperature: float = 0.0, seed: int = 0
    ) -> list[ModelAnswer]:
        """Answers many requests together, as evaluation computes them; far faster than one by one.

        Raises:
            DataError: one does not fit the model's template or context.
        """
        prepared = [self._prepared(asked, max_tokens, temperature, seed) for asked in many]
        found: dict[int, Completion] = {}
        for limit in sorted({p.decoding.max_new_tokens for p in prepared}):
            found |= self._computed({i: p for i, p in enumerate(prepared) if p.decoding.max_new_tokens == limit})
        return [_answer(p, found[i]) for i, p in enumerate(prepared)]

    def stream(
        self, asked: Asked, *, max_tokens: int | None = None, temperature: float = 0.0, seed: int = 0
    ) -> Iterator[str]:
        """The answer piece by piece, as it is computed; the pieces joined are `answer(…).text`.

        Raises:
            DataError: it does not fit the model's template or context.
        """
        for piece in self._engine.stream(self._prepared(asked, max_tokens, temperature, seed)):
            if piece.text:
                yield piece.text

    def _computed(self, asked: Mapping[int, PreparedRequest]) -> dict[int, Completion]:
        """The answers to requests that are decoded alike, by place."""
        places, prompts = list(asked), [list(p.prompt) for p in asked.values()]
        decoding = next(iter(asked.values())).decoding

        def work() -> dict[int, Completion]:
            return {places[at]: done for at, done in complete(self._engine.use(self._served), prompts, decoding)}

        return self._engine.compute.submit(work).result()

    def _prepared(self, asked: Asked, max_tokens: int | None, temperature: float, seed: int) -> PreparedRequest:
        messages = [Message("user", asked)] if isinstance(asked, str) else [_message(m) for m in asked]
        if max_tokens is None:
            taken = len(self._engine.prepare(self._served, messages, Decoding(1)).prompt)
            max_tokens = room_for_answer(self._engine.room(self._served), taken, None)
        return self._engine.prepare(self._served, messages, Decoding(max_tokens, temperature, seed=seed))

    def __repr__(self) -> str:
        promise = certified(self._served)
        sure = ""
        if promise and promise.get("threshold") is not None:
            sure = f", {100 * promise['target_accuracy']:.0f} % right from confidence {promise['threshold']:.2f} on"
        made = f" ({self._served.entry.id} on {self._served.base})" if self._served.entry else ""
        return f"<Model {self.name}{made}{sure}; .answer(…), .answers([…]), .stream(…)>"


def load(name: str) -> Model:
    """A registered or base model that answers; see `Model`.

    Raises:
        ModelError: there is no such model.
    """
    return Model(name)


def _message(given: Message | Mapping[str, Any]) -> Message:
    return given if isinstance(given, Message) else Message.from_dict(given)


def _answer(prepared: PreparedRequest, done: Completion) -> ModelAnswer:
    return ModelAnswer(
        done.text,
        confidence(done),
        escalate(prepared, done),
        done.finish,
        done.prompt_tokens,
        done.completion_tokens,
        review(prepared, done),
        done.thought,
    )
