"""Distillation: learn from a teacher, which may be the model itself with more to read.

`text`: the teacher's answers are learned (https://arxiv.org/abs/1606.07947, by sequences). `logits`: at each token of
fixed answers KL(teacher ‖ student) over the whole vocabulary (https://arxiv.org/abs/1503.02531 without T²).
`on_policy`: KL(student ‖ teacher) at the tokens of answers that the student samples (https://arxiv.org/abs/2306.13649
with λ = 1, β → 1); as there, nothing flows back through the sampling. All are means over tokens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from postgrad.errors import TrainingError
from postgrad.models.rendering.render import Rendered
from postgrad.objectives import ObjectiveSpec, Rates
from postgrad.progress import Said, Working
from postgrad.records import Conversation, Record
from postgrad.training.distillation import words
from postgrad.training.distillation.cost import beside_bytes, cost_of_distillation
from postgrad.training.distillation.examples import Taught, half_learned, one_answer_each, render, shown, taught
from postgrad.training.distillation.options import DistillOptions
from postgrad.training.objectives.base import Objective, Prepared, Setup, Start
from postgrad.training.objectives.preparing import prepared

if TYPE_CHECKING:
    import torch

    from postgrad.training.distillation.learning import Learning
    from postgrad.training.forward import Forward


REFUSED = "distill trains on conversations", "Give prompts, with or without answers."


class Distill(Objective):
    """The objective `distill`."""

    def __init__(self, setup: Setup, options: DistillOptions) -> None:
        self.setup, self.options, self.way = setup, options, options.way
        super().__init__(() if self.way == "text" else words.FIGURES)
        if setup.teacher is None:
            raise TrainingError("The objective distill requires a teacher.", "Name one in training.teacher.")
        self.teacher = setup.teacher
        self.units, self.validates = options.samples, self.way == "on_policy"
        self.learning: Learning | None = None
        self.before: dict[str, float] = {}
        self.prompts: list[tuple[int, int]] = []

    def prepare(self, records: Sequence[Record]) -> Prepared:
        """What student and teacher read of each conversation; all faulty ones are named in one error."""
        alone = records if self.validates else one_answer_each(self.setup.renderer, records)
        found = prepared(alone, Conversation, self._rendered, "examples", *REFUSED)
        self.prompts = self.prompts or [e.prompts for e in taught(found.examples)]  # what is trained on comes first
        return found

    def _rendered(self, record: Conversation) -> Taught | None:
        return render(self.setup, self.teacher, self.options, record)

    def weight(self, example: Rendered) -> float:
        return sum(example.weights)

    def sequences(self, example: Rendered) -> tuple[Rendered, ...]:
        (one,) = taught([example])
        both = [one, *(shown([one]) if self.way != "text" and self.teacher.model is None else [])]
        return tuple(half_learned(e) if self.validates else e for e in both)

    def room(self, example: Rendered) -> int:
        return len(example.ids) + (self.options.answer_tokens if self.validates else 0)

    def sampled(self, example: Rendered) -> int:
        from postgrad.training.sampling import cache_tokens  # here, because specs are read without torch

        tokens = self.options.answer_tokens
        return cache_tokens(len(example.ids), tokens, 10 * self.options.samples) if self.validates else 0

    def beside(self, examples: Sequence[Rendered]) -> int:
        return 0 if self.way == "text" else beside_bytes(self.teacher, taught(examples), self.validates)

    def guess(self, vocabulary: int) -> float:
        return math.log(vocabulary) if self.way == "text" else math.inf

    def begin(self, start: Start, examples: Sequence[Rendered], held: Sequence[Rendered]) -> Working[None]:
        """Asks the teacher what can be asked once, and measures how far from it the student begins."""
        if self.way == "text":
            return
        from postgrad.training.distillation.learning import Learning  # here: as above

        self.learning = Learning(start, self.teacher, self.options, self.tally)
        yield from self.learning.begin(taught(examples), taught(held))
        if held:
            self.before = self.learning.before(taught(held))
            yield Said(words.beginning(self.before))

    def batch(self, drawn: Sequence[Rendered], step: int) -> list[Rendered] | None:
        """The examples drawn; on policy the student's answers to them."""
        if self.learning is None or not self.validates:
            return list(drawn)
        return self.learning.answers(taught(drawn), step)

    def loss(self, forward: Forward, batch: Sequence[Rendered], step: int | None = None) -> torch.Tensor:
        """Sum over the supervised tokens, in nats."""
        if self.learning is None:
            return forward.loss(batch, step)
        return self.learning.loss(forward, taught(batch), step)

    @property
    def start_value(self) -> float | None:
        return self.before.get("kl")

    def validate(self, held: Sequence[Rendered]) -> float:
        """KL(student ‖ teacher) at answers of the student to the validation prompts; runs to its end."""
        return math.inf if self.learning is None else self.learning.validate(taught(held))

    def in_words(self, metrics: dict[str, list[tuple[int, float]]], best_step: int) -> str:
        return words.closing(self.teacher, self.before, metrics, best_step, self.prompts)


SPEC = ObjectiveSpec(
    "distill",
    "prompts that --set teacher=… answers",
    Conversation,
    Distill,
    cost_of_distillation,
    DistillOptions,
    Rates(),
    needs=("teacher",),
    answers=False,
)
