"""Answers of several turns: the model calls tools of an environment, reads what they say, and goes on.

What the model samples is kept token by token and trained; what the template and the tools put between is not. All that
follows the prompt has together as many tokens at most as an answer may have.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from postgrad.json_types import JsonMapping
from postgrad.models.generation.generate import Decoding
from postgrad.models.language_model import LanguageModel
from postgrad.models.rendering.task_prompts import TaskPrompt
from postgrad.models.rendering.tool_turns import ids_after_call
from postgrad.models.rendering.tools import Call, read_calls, tool_form
from postgrad.records import Message, Task
from postgrad.training.rewards import Graded
from postgrad.training.sampled.environment import Environment, Surroundings
from postgrad.training.sampling import Sampled, sample


@dataclass(frozen=True, slots=True)
class Episode(Sampled):
    """An answer of several turns; its `ids` are all that follows the prompt.

    Attributes:
        graded: What the environment gives for it.
        turns: How often the model spoke.
        unended: Whether it still called tools when its turns were used up.
        calls: Calls of tools that were made.
        failures: Of them, those that failed.
    """

    graded: Graded = field(default_factory=lambda: Graded(0.0))
    turns: int = 0
    unended: bool = False
    calls: int = 0
    failures: int = 0


def play(
    model: LanguageModel,
    environment: Environment,
    prompts: Sequence[TaskPrompt],
    seeds: Sequence[Sequence[int]],
    decoding: Decoding,
    most_turns: int,
    stopped: Callable[[], bool] = lambda: False,
) -> list[list[Episode]] | None:
    """An episode for each seed of each prompt; None when `stopped()` turned true between two tokens.

    Args:
        decoding: `max_new_tokens` bounds all that follows the prompt.
        most_turns: An episode that still calls tools after so many is cut.
    """
    opened = [
        _Open.of(model, environment, prompt, group, seed, decoding.max_new_tokens)
        for group, (prompt, some) in enumerate(zip(prompts, seeds, strict=True))
        for seed in some
    ]
    for turn in range(most_turns):
        going = [episode for episode in opened if episode.going]
        if not going:
            break
        answers = sample(
            model,
            [episode.ids for episode in going],
            [[_seed(episode.seed, turn)] for episode in going],
            replace(decoding, max_new_tokens=max(episode.left for episode in going)),
            stopped,
            groups=[episode.group for episode in going],
        )
        if answers is None:
            return None
        for episode, (answer,) in zip(going, answers, strict=True):
            episode.take(answer, last=turn == most_turns - 1)
    out: list[list[Episode]] = [[] for _ in prompts]
    for episode in opened:
        out[episode.group].append(episode.ended())
    return out


@dataclass(slots=True)
class _Open:
    """An episode that goes on."""

    model: LanguageModel
    around: Surroundings
    task: Task
    group: int
    seed: int
    ids: list[int]
    begins: int
    most: int
    weights: list[float] = field(default_factory=list)
    logprob: float = 0.0
    said: str = ""
    turns: int = 0
    calls: int = 0
    failures: int = 0
    going: bool = True
    finished: bool = False
    unended: bool = False

    @classmethod
    def of(
        cls, model: LanguageModel, environment: Environment, prompt: TaskPrompt, group: int, seed: int, tokens: int
    ) -> _Open:
        assert prompt.task is not None
        around, task = environment.begin(prompt.task)
        ids = list(prompt.ids) if task == prompt.task else model.renderer.prompt_ids(task.prompt, task.tools)
        opened = cls(model, around, task, group, seed, ids, len(ids), len(prompt.ids) + tokens)
        opened.going = opened.left > 0
        return opened

    @property
    def left(self) -> int:
        """Tokens that there is room for."""
        return self.most - len(self.ids)

    def take(self, answer: Sampled, *, last: bool) -> None:
        """Puts a turn of the model behind what was said, and what its calls bring."""
        own = answer.ids[: self.left]
        self._put(own, 1.0)
        self.logprob += answer.logprob * len(own) / max(1, len(answer.ids))
        self.turns += 1
        renderer = self.model.renderer
        self.said = renderer.answer_text(own, special=True)
        self.going = False
        if not answer.finished or len(own) < len(answer.ids):
            return
        names = [tool["function"]["name"] for tool in self.task.tools]
        beside, calls = read_calls(self.said, tool_form(renderer.template), names)
        if not calls:
            self.finished = True
            self.said = renderer.answer_text(own)
        elif last:
            self.unended = True
        else:
            self._answer(beside, calls)

    def _answer(self, beside: str, calls: Sequence[Call]) -> None:
        """Makes the calls; where there is room for what they bring the episode goes on."""
        made, results = [], []
        for call in calls:
            text, failed = self.around.call(call)
            self.calls, self.failures = self.calls + 1, self.failures + failed
            made.append(_as_message(call, f"call{self.calls:05d}"))
            results.append(Message("tool", text, name=call.name, tool_call_id=made[-1]["id"]))
        called = Message("assistant", beside, tool_calls=tuple(made))
        between = ids_after_call(self.model.renderer, called, results, self.task.tools)
        if len(between) < self.left:
            self._put(between, 0.0)
            self.going = True

    def _put(self, ids: Sequence[int], weight: float) -> None:
        self.ids += ids
        self.weights += [weight] * len(ids)

    def ended(self) -> Episode:
        return Episode(
            tuple(self.ids[self.begins :]),
            self.finished,
            self.logprob,
            tuple(self.weights),
            tuple(self.ids[: self.begins]),
            self.said,
            self.around.graded(),
            self.turns,
            self.unended,
            self.calls,
            self.failures,
        )


def _as_message(call: Call, name: str) -> JsonMapping:
    return {"id": name, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _seed(seed: int, turn: int) -> int:
    """Of a turn; the first has the answer's own."""
    return random.Random(f"{seed}/{turn}").getrandbits(62) if turn else seed
