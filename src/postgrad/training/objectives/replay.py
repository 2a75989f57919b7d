"""Against forgetting: general examples mixed into another objective's, learned from their answers or held to the base
model.

With `divergence` above zero a replayed example costs divergence × KL(base ‖ model) at its supervised positions instead
of the cross-entropy of its answer: the model may change where the task needs it, not there.

Answers of the base itself are balanced: each counts as much as an average example of the task, however long either is.
Else a task whose answers are one word would be drowned by general answers of sixty.

How strongly the divergence must pull depends on data, rate and steps, so it is controlled: while the distance that is
measured on the replayed examples is above a target the weight rises, and it falls again towards its beginning below
(the adaptive coefficient of https://arxiv.org/abs/1909.08593, section 2.2).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from postgrad.json_types import JsonObject
from postgrad.models.rendering.render import Rendered
from postgrad.progress import Working
from postgrad.records import Record
from postgrad.training.batching import global_batch
from postgrad.training.forward import Forward
from postgrad.training.loss import head_divergence
from postgrad.training.methods import Attached
from postgrad.training.objectives.base import Objective, Prepared, Start
from postgrad.training.step_metrics import Tally

CUT = "cut"
"""Key of a record's metadata: whether its answer was cut, so that its end is not to be learned."""

USUAL_DIVERGENCE = 1.0
"""Weight of the divergence on the base's own answers; measured in design/0004-training.md."""
GAIN = 0.1
"""By how much a step at e times the target, or farther, raises the logarithm of the weight."""
MOST = 16.0
"""Times its beginning that the weight may rise to."""
DISTANCE, WEIGHT = "replay_kl", "replay_weight"
"""Figures of a step: KL(base ‖ model) in nats a token on what was replayed in it, and the weight it had."""


@dataclass(frozen=True, slots=True)
class Replayed(Rendered):
    """A general example among those of the task."""


def replayed_count(task: int, share: float) -> int:
    """General examples that make up `share` of a training with so many of the task."""
    return round(task * share / (1 - share))


def without_end(example: Rendered, end_ids: Collection[int]) -> Rendered:
    """The example without a loss on the mark that ends its answer, and on what follows it."""
    last = max(t for t, weight in enumerate(example.weights) if weight > 0)
    end = next(
        (t for t in range(last, -1, -1) if example.weights[t] > 0 and example.ids[t] in end_ids), len(example.ids)
    )
    return replace(example, weights=tuple(0.0 if t >= end else w for t, w in enumerate(example.weights)))


class WithReplay(Objective):
    """An objective whose examples are mixed with general ones; whatever it does not change is the inner one's.

    Args:
        inner: The task's objective.
        attached: Lets the base be asked.
        divergence: Weight of the divergence; 0 learns the answers.
        target: Nats a token that it holds the model to, by raising the weight; 0: the weight stays.
    """

    def __init__(self, inner: Objective, attached: Attached, divergence: float, target: float = 0.0) -> None:
        super().__init__()
        self.inner, self.attached, self.divergence, self.target = inner, attached, divergence, target
        self.least = divergence
        self._task: list[Rendered] = []
        self._general: list[Replayed] = []
        self._beside = 0.0
        if divergence:
            inner.tally = Tally((*inner.tally.names, DISTANCE, WEIGHT))
        self.tally, self.repeats, self.units, self.validates = inner.tally, inner.repeats, inner.units, inner.validates

    def prepare(self, records: Sequence[Record]) -> Prepared:
        return self.inner.prepare(records)

    def general(self, record: Record) -> Sequence[Rendered]:
        return self.inner.general(record)

    def mixed(self, task: Sequence[Rendered], general: Sequence[Rendered], share: float) -> list[Rendered]:
        """Task examples and so many general ones that they make `share` of the whole; few of them are repeated."""
        chosen = [general[i % len(general)] for i in range(replayed_count(len(task), share) if general else 0)]
        self._general = [Replayed(e.ids, e.weights, e.truncated, e.origin) for e in chosen]
        self._task, self._beside = list(task), share / (1 - share)
        return [*self._task, *self._general]

    def an_epoch(self, examples: Sequence[Rendered]) -> int:
        return len(self._task)

    def draw(self, examples: Sequence[Rendered], batch_size: int, seed: int, number: int) -> list[Rendered]:
        """The examples of the task that the step would have without replay, and general ones beside them: as many in
        every step, so that the pull towards the base is steady and passes over the data stay what they are."""
        task = [self._task[i] for i in global_batch(len(self._task), batch_size, seed, number)]
        whole = len(self._general)
        begin, end = (math.ceil(n * batch_size * self._beside) for n in (number - 1, number))
        places = (global_batch(whole, 1, seed, place + 1)[0] for place in range(begin, end if whole else begin))
        return [*task, *(self._general[i] for i in places)]

    def balanced(self, task: Sequence[Rendered], general: Sequence[Rendered]) -> list[Rendered]:
        """The general examples, each with the weight of an average one of the task."""
        usual = sum(map(self.weight, task)) / len(task)
        return [
            replace(e, weights=tuple(w * usual / whole for w in e.weights))
            for e in general
            if (whole := self.weight(e)) > 0
        ]

    def weight(self, example: Rendered) -> float:
        """A divergence is added to the task's mean loss: counted as an example it would make the loss smaller in the
        steps that have one."""
        return 0.0 if self.divergence and isinstance(example, Replayed) else self.inner.weight(example)

    def loss(self, forward: Forward, batch: Sequence[Rendered], step: int | None = None) -> torch.Tensor:
        if not self.divergence:
            return self.inner.loss(forward, batch, step)
        general = [e for e in batch if isinstance(e, Replayed)]
        task = [e for e in batch if not isinstance(e, Replayed)]
        total = self.inner.loss(forward, task, step) if task else torch.zeros(())
        if general:
            with torch.no_grad(), self.attached.as_base():
                base = forward.hidden(general)
            now = forward.hidden(general)
            kl = head_divergence(forward.model, now.states, base.states, now.weights)
            total = total.to(kl.device) + self.divergence * kl
            if step is not None:
                self.tally.add(DISTANCE, kl.item(), now.weights.sum().item())
                self.tally.add(WEIGHT, self.divergence)
        return total

    def measured(self, figures: Mapping[str, float]) -> None:
        self.inner.measured(figures)
        if self.target and (far := figures.get(DISTANCE)) is not None:
            apart = math.log(max(far, 1e-9) / self.target)
            raised = self.divergence * math.exp(GAIN * max(-1.0, min(1.0, apart)))
            self.divergence = max(self.least, min(MOST * self.least, raised))

    def sequences(self, example: Rendered) -> tuple[Rendered, ...]:
        return self.inner.sequences(example)

    def room(self, example: Rendered) -> int:
        return self.inner.room(example)

    def sampled(self, example: Rendered) -> int:
        return self.inner.sampled(example)

    def beside(self, examples: Sequence[Rendered]) -> int:
        return self.inner.beside(examples)

    def guess(self, vocabulary: int) -> float:
        return self.inner.guess(vocabulary)

    def begin(self, start: Start, examples: Sequence[Rendered], held: Sequence[Rendered]) -> Working[None]:
        yield from self.inner.begin(start, examples, held)

    def batch(self, drawn: Sequence[Rendered], step: int) -> list[Rendered] | None:
        return self.inner.batch(drawn, step)

    def state(self) -> JsonObject:
        return {"inner": self.inner.state(), "divergence": self.divergence}

    def load(self, state: JsonObject) -> None:
        self.inner.load(state["inner"])
        self.divergence = state["divergence"]

    def validate(self, held: Sequence[Rendered]) -> float:
        return self.inner.validate(held)

    @property
    def start_value(self) -> float | None:
        return self.inner.start_value

    @property
    def start_figures(self) -> dict[str, float]:
        return self.inner.start_figures

    def in_words(self, metrics: dict[str, list[tuple[int, float]]], best_step: int) -> str:
        return self.inner.in_words(metrics, best_step)
