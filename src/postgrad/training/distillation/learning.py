"""What `distill` does between its teacher and its student: asks the one, compares the other.

Shapes: N supervised positions of a microbatch, H hidden.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from postgrad.errors import TrainingError
from postgrad.models.generation.generate import Decoding
from postgrad.models.rendering.render import Rendered
from postgrad.progress import Working
from postgrad.training.batching import microbatches
from postgrad.training.distillation.distance import Side, distance
from postgrad.training.distillation.examples import Taught, half_learned, shown, taught
from postgrad.training.distillation.options import DistillOptions
from postgrad.training.distillation.passes import TeacherPasses
from postgrad.training.distillation.sampled import own_answers
from postgrad.training.distillation.teacher import Teacher
from postgrad.training.forward import Forward
from postgrad.training.objectives.base import Start
from postgrad.training.step_metrics import Tally


class Learning:
    """A student at its teacher's.

    Args:
        start: Of the training.
        teacher: Who teaches.
        options: Of the objective.
        tally: Where `kl` and `agreement` are counted.

    Raises:
        TrainingError: the teacher is the starting model and will be overwritten.
    """

    def __init__(self, start: Start, teacher: Teacher, options: DistillOptions, tally: Tally) -> None:
        self.start, self.options, self.tally = start, options, tally
        self.on_policy = options.way == "on_policy"
        if self.on_policy and teacher.model is None and not start.attached.has_base:
            raise TrainingError(
                "A model that teaches itself on policy must stay what it was, and full fine-tuning overwrites it.",
                "Take method lora, or set training.mode to logits.",
            )
        self.passes = TeacherPasses(start, teacher)
        self.divergence = "reverse" if self.on_policy else "forward"
        self.decoding = Decoding(options.answer_tokens, options.temperature)
        self.kept: dict[int, torch.Tensor] = {}
        self._answers: list[Taught] = []

    def begin(self, examples: Sequence[Taught], held: Sequence[Taught]) -> Working[None]:
        """Has the teacher read the answers that stay the same."""
        both = [*examples, *held]
        if self.on_policy:
            yield from self.passes.choose([half_learned(e) for e in shown(both)])
            return
        yield from self.passes.choose(shown(both))
        states = yield from self.passes.once(shown(both))
        self.kept = {} if states is None else {id(e): s for e, s in zip(both, states, strict=True)}

    def before(self, held: Sequence[Taught]) -> dict[str, float]:
        """How far the student begins from its teacher on validation; measured once for a run."""
        folder = self.start.folder
        state = folder.read_state()
        if (known := state.get("distance_before")) is not None:
            return known
        value = self.validate(held) if self.on_policy else self._measured(held)
        found = {"kl": value, "agreement": self.tally.taken(self.start.world)["agreement"]}
        self.start.world.wait()  # until all have looked
        if self.start.world.leads:
            folder.path.mkdir(parents=True, exist_ok=True)
            folder.write_state(state.get("state", "queued"), distance_before=found)
        return found

    def answers(self, prompts: Sequence[Taught], step: int) -> list[Rendered] | None:
        """The student's answers in a step, read by the teacher; None when asked to stop."""
        found = own_answers(self.start, prompts, self.decoding, self.options.samples, step)
        if found is None:
            return None
        self._taken_up(found)
        return list(found)

    def validate(self, held: Sequence[Taught]) -> float:
        """Nats a token at the student's answers to validation prompts, drawn alike each time; runs to its end."""
        found = own_answers(self.start, held, self.decoding, 1, "eval", stoppable=False)
        self._taken_up(found or [])
        return self._measured(found or [])

    def loss(self, forward: Forward, examples: Sequence[Taught], step: int | None) -> torch.Tensor:
        """Sum over the tokens of a microbatch, in nats; float64 scalar."""
        o = self.options
        missing = [e for e in examples if id(e) not in self.kept]
        states = {id(e): s for e, s in zip(missing, self.passes.states(shown(missing)), strict=True)}
        theirs = torch.cat([states[id(e)] if id(e) in states else self.kept[id(e)] for e in examples])
        hidden = forward.hidden(examples, step)
        head = forward.model.module.get_output_embeddings()
        student = Side(hidden.states, forward.model.head, [p for p in head.parameters() if p.requires_grad])
        found = distance(student, Side(theirs, self.passes.head), hidden.weights, self.divergence, o.temperature)
        self.tally.add("kl", found.total.item(), hidden.weights.sum().item())
        self.tally.add("agreement", found.agreed, len(hidden.weights))
        return found.total

    def _taken_up(self, answers: list[Taught]) -> None:
        """Has the teacher read sampled answers; all processes get all of it."""
        world = self.start.world
        own = world.share(list(range(len(answers))))
        read = self.passes.states(shown([answers[i] for i in own]))
        found = dict(world.gathered([(i, s.cpu() if world.size > 1 else s) for i, s in zip(own, read, strict=True)]))
        self._answers = answers  # alive as long as they are known by id
        self.kept = {id(a): found[i] for i, a in enumerate(answers)}

    def _measured(self, examples: Sequence[Taught]) -> float:
        """Nats a token."""
        total = weight = 0.0
        with torch.no_grad():
            for part in self.start.world.share(list(microbatches(examples, self.start.token_budget))):
                total += self.loss(self.start.forward, taught(part), None).item()
                weight += sum(sum(e.weights) for e in part)
        total, weight = self.start.world.sum([total, weight])
        return total / weight
