"""Answers sampled from the model as it is being trained, graded and put into groups: what all objectives do that learn
from rewards. What one of them makes of a group (advantages) and of an answer (a loss) is its own.

Sampled answers are a function of seed, step and place; what later steps need of them is in the checkpoint. Imports no
torch at its top, because specs are read without it; torch is imported where it computes.

Shapes: N tokens of one answer.
"""

from __future__ import annotations

import math
import statistics
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from postgrad.errors import TrainingError
from postgrad.json_types import JsonObject
from postgrad.models.rendering.render import Rendered
from postgrad.models.rendering.task_prompts import TaskPrompt, render_prompt
from postgrad.models.rendering.tools import tool_form
from postgrad.progress import Said, Working
from postgrad.records import Record, Task
from postgrad.training.batching import answer_seed, microbatches
from postgrad.training.objectives.base import Objective, Prepared, Setup, Start
from postgrad.training.objectives.preparing import prepared
from postgrad.training.rewards import Graded
from postgrad.training.sampled.attempt import Attempt, TokenLogprobs, as_json, of_json
from postgrad.training.sampled.figures import FIGURES, TURN_FIGURES, in_words, note_answers, note_turns
from postgrad.training.sampled.options import RolloutOptions

if TYPE_CHECKING:
    import torch

    from postgrad.training.forward import Forward
    from postgrad.training.sampling import Sampled
    from postgrad.training.sequences import Readings


FEW = 8
"""Of fewer answers to validation prompts all may fail to be graded by chance: the first batch decides."""


class RolloutObjective(Objective):
    """An objective on graded answers; to make one, say what a group is worth and what an answer's loss is.

    Args:
        name: As in `OBJECTIVES`.
        setup: Renders prompts, reads and grades answers.
        options: How answers are sampled.
        figures: What is measured besides `FIGURES`.

    Attributes:
        compares: Whether answers are held against the others to their prompt, so that equal ones teach nothing.
    """

    compares = True

    def __init__(self, name: str, setup: Setup, options: RolloutOptions, figures: Sequence[str] = ()) -> None:
        super().__init__((*FIGURES, *figures, *(TURN_FIGURES if setup.beside.environment else ())))
        if setup.beside.environment is not None:
            tool_form(setup.renderer.template)  # refuses templates whose calls cannot be read
        elif setup.reward is None:
            raise TrainingError(f"The objective {name} requires a grader.", "Name one in training.grader.")
        self.name, self.setup, self.options, self.reward = name, setup, options, setup.reward
        self.refers = options.refers or setup.measures_kl
        self.repeats, self.units, self.validates = options.repeats, options.samples, True
        self.start: Start | None = None
        self.begun: dict[str, float] = {}
        """Figures of the starting model on validation."""
        self.proven = False
        """Whether the grader has been seen to grade."""
        self.attempts: list[Attempt] = []
        self.old: dict[int, list[float]] = {}
        self.reference: dict[int, list[float]] = {}
        self.values: dict[int, list[float]] = {}

    @abstractmethod
    def advantages(self, rewards: Sequence[float]) -> list[float]:
        """How much better each answer of a group is than what was to be expected; the rewards where none is
        compared."""

    @abstractmethod
    def loss_of(self, attempt: Attempt, found: TokenLogprobs) -> torch.Tensor:
        """The loss of an answer; float64 scalar with gradient."""

    def teaches(self, attempt: Attempt) -> bool:
        """Whether anything can be learned from an answer; others are not computed."""
        return bool(attempt.advantage)

    def settled(self, attempts: list[Attempt]) -> list[Attempt]:
        """The attempts of a batch, group after group, once `old` and `reference` are known of them."""
        return attempts

    def prepare(self, records: Sequence[Record]) -> Prepared:
        """Prompts of tasks, each with room for an answer; all faulty ones are named in one error."""
        return prepared(
            records,
            Task,
            self._rendered,
            "prompts",
            f"{self.name} trains on tasks",
            "Give prompts with what a grader needs to judge an answer.",
        )

    def _rendered(self, task: Task) -> TaskPrompt | None:
        setup = self.setup
        if (environment := setup.beside.environment) is not None:
            task = replace(task, tools=(*task.tools, *environment.tools))
        return render_prompt(setup.renderer, task, self.options.answer_tokens, setup.max_length, setup.too_long)

    def weight(self, example: Rendered) -> float:
        """Every answer counts alike."""
        return 1.0

    def sequences(self, example: Rendered) -> tuple[Rendered, ...]:
        half = len(example.ids) // 2
        return (replace(example, weights=(0.0,) * half + (1.0,) * (len(example.ids) - half)),)

    def room(self, example: Rendered) -> int:
        return len(example.ids) + self.options.answer_tokens

    def sampled(self, example: Rendered) -> int:
        from postgrad.training.sampling import cache_tokens  # here, as every import of torch in this file

        return cache_tokens(len(example.ids), self.options.answer_tokens, 10 * self.options.samples)

    def guess(self, vocabulary: int) -> float:
        return math.inf

    def begin(self, start: Start, examples: Sequence[Rendered], held: Sequence[Rendered]) -> Working[None]:
        """Measures the starting model's reward on validation, once."""
        if self.refers and not start.attached.has_base:
            raise TrainingError(
                "A divergence from the starting model requires that model, which full fine-tuning overwrites.",
                "Set training.beta to 0 and leave kl_limit out, or take method lora.",
            )
        self.start = start
        state = start.folder.read_state()
        self.begun = state.get("begun", {})
        if not self.begun and held:
            self.validate(held)
            self.begun = self.tally.taken(start.world, "eval_")
            if start.world.leads:
                start.folder.path.mkdir(parents=True, exist_ok=True)
                start.folder.write_state(state.get("state", "queued"), begun=self.begun)
            reward = self.begun["eval_reward"]
            yield Said(f"Mean reward of the starting model on {len(held)} validation prompts: {reward:.3f}.")
        self.proven = self.begun.get("eval_grader_faults", 1.0) < 1

    def batch(self, drawn: Sequence[Rendered], step: int) -> list[Rendered] | None:
        """Sampled and graded answers to the prompts drawn; the same ones for `repeats` steps."""
        if step and (step - 1) % self.repeats and self.attempts:
            return list(self.attempts)
        start = self._started()
        self.proven = self.proven or step > 1
        own = start.world.share(list(enumerate(_prompts(drawn))))
        prompts = [prompt for _, prompt in own]
        seeds = [[answer_seed(start.seed, step, at, k) for k in range(self.options.samples)] for at, _ in own]
        answers = self._sampled(start, prompts, seeds, self.options.temperature, stoppable=True)
        if start.world.any(answers is None) or answers is None:
            return None
        rewards = self._graded(prompts, answers)
        made = [self._group(p, a, r) for p, a, r in zip(prompts, answers, rewards, strict=True)]
        groups = sorted(
            start.world.gathered([(at, g) for (at, _), g in zip(own, made, strict=True)]), key=lambda g: g[0]
        )
        self.attempts = [replace(a, number=n) for n, a in enumerate(a for _, group in groups for a in group)]
        read = self._read() if self.options.recalls else {}
        self.old = {number: logps for number, (logps, _) in read.items()}
        self.values = {number: values for number, (_, values) in read.items()} if self.head else {}
        with start.attached.as_start():
            self.reference = {n: logps for n, (logps, _) in self._read().items()} if self.refers else {}
        if self.refers and not self.options.refers:
            self._measure_kl()
        self.attempts = self.settled(self.attempts)
        return list(self.attempts)

    def _sampled(
        self,
        start: Start,
        prompts: Sequence[TaskPrompt],
        seeds: Sequence[Sequence[int]],
        temperature: float,
        stoppable: bool = False,
    ) -> Sequence[Sequence[Sampled]] | None:
        """Answers to each prompt, one a seed; None when asked to stop."""
        from postgrad.models.generation.generate import Decoding  # here: torch
        from postgrad.training.sampled.turns import play  # here: torch
        from postgrad.training.sampling import sample  # here: torch

        decoding = Decoding(self.options.answer_tokens, temperature)
        stopped = start.stopped if stoppable else lambda: False
        if (environment := self.setup.beside.environment) is not None:
            return play(start.forward.model, environment, prompts, seeds, decoding, self.options.max_turns, stopped)
        return sample(start.forward.model, [p.ids for p in prompts], seeds, decoding, stopped)

    def _texts(self, prompts: Sequence[TaskPrompt], answers: Sequence[Sequence[Sampled]]) -> list[tuple[Task, str]]:
        """What is graded."""
        answer_text = self.setup.renderer.answer_text
        return [
            (p.task, a.said if a.said is not None else answer_text(a.ids, special=bool(p.task.tools)))
            for p, group in zip(prompts, answers, strict=True)
            if p.task
            for a in group
        ]

    def _graded(self, prompts: Sequence[TaskPrompt], answers: Sequence[Sequence[Sampled]]) -> list[list[float]]:
        """Rewards by group; counts what is worth knowing."""
        from postgrad.training.sampled.turns import Episode  # here: torch

        texts = self._texts(prompts, answers)
        every = [a for group in answers for a in group]
        if self.reward is None:
            episodes = [a for a in every if isinstance(a, Episode)]
            graded = [episode.graded for episode in episodes]
            note_turns(self.tally, episodes)
        else:
            graded = list(self.reward(texts)) if texts else []
        if wrong := [t.source for (t, _), g in zip(texts, graded, strict=True) if not math.isfinite(g.reward)]:
            raise TrainingError(f"The grader gave no finite number to an answer to {wrong[0]}.", "Fix the grader.")
        self._prove(graded)
        flat = iter(graded)
        rewards = [[next(flat).reward for _ in group] for group in answers]
        note_answers(self.tally, every, graded)
        return rewards

    def _prove(self, graded: Sequence[Graded]) -> None:
        """Raises TrainingError where the grader fails on all of the first answers: it will go on like that."""
        if self.proven:
            return
        faults, count = self._started().world.sum([float(sum(bool(g.fault) for g in graded)), float(len(graded))])
        self.proven = faults < count
        if not self.proven and count >= (1 if self.begun else FEW):
            raise TrainingError(
                f"The grader failed on all of the first {count:.0f} answers: {graded[0].fault if graded else ''}.",
                "Fix the grader.",
            )

    def _group(self, prompt: TaskPrompt, answers: Sequence[Sampled], rewards: Sequence[float]) -> list[Attempt]:
        spread = statistics.stdev(rewards) if len(rewards) > 1 else 0.0
        self.tally.add("reward_std", spread)
        if self.compares:
            self.tally.add("frac_reward_zero_std", float(spread == 0))
        return [
            Attempt(
                (begun := a.prompt or prompt.ids) + a.ids,
                (0.0,) * len(begun) + a.weights,
                origin=prompt.origin,
                advantage=advantage,
                finished=a.finished,
            )
            for a, advantage in zip(answers, self.advantages(rewards), strict=True)
        ]

    def _read(self) -> dict[int, tuple[list[float], list[float]]]:
        """What the model as it is makes of the answers, token by token: log-probabilities, and values with a head."""
        import torch

        start, found = self._started(), {}
        for part in start.world.share(list(microbatches(self.attempts, start.token_budget))):
            together = _together(part)
            with torch.no_grad():
                read = self._readings(start.forward, together)
            found |= {a.number: (r.logps.tolist(), r.listed) for a, r in zip(together, read, strict=True)}
        return dict(start.world.gathered(list(found.items())))

    def _readings(self, forward: Forward, attempts: Sequence[Attempt], step: int | None = None) -> list[Readings]:
        from postgrad.training.sequences import token_readings  # here: torch

        return token_readings(forward, attempts, step, self.options.temperature, head=bool(self.head))

    def _measure_kl(self) -> None:
        """The divergence from the starting model, where only a guard asks for it; the loss does without it."""
        now = self.old or {number: logps for number, (logps, _) in self._read().items()}
        away = sum(sum(now[a.number]) - sum(self.reference[a.number]) for a in self.attempts)
        self.tally.add("kl", away, sum(a.supervised for a in self.attempts))
        self.reference = {}

    def loss(self, forward: Forward, batch: Sequence[Rendered], step: int | None = None) -> torch.Tensor:
        """Sum over the answers of the microbatch; those from which nothing can be learned are not computed."""
        import torch

        from postgrad.models.device import sums_in  # here: torch

        live = [a for a in _together(batch) if self.teaches(a) and (a.finished or not self.options.mask_truncated)]
        total = torch.zeros((), device=forward.model.device.kind)
        total = total.to(sums_in(total))
        if not live:
            return total
        for attempt, read in zip(live, self._readings(forward, live, step), strict=True):
            total = total + self.loss_of(attempt, self._beside(attempt, read))
        return total

    def _beside(self, attempt: Attempt, read: Readings) -> TokenLogprobs:
        """An answer's likelihoods beside those that were kept of it."""
        import torch

        from postgrad.models.device import sums_in  # here: torch

        logps, kept, reference = read.logps, self.old.get(attempt.number), self.reference.get(attempt.number)
        old = logps.detach() if kept is None else torch.tensor(kept, device=logps.device)
        wide = sums_in(logps)
        referred = None if reference is None else torch.tensor(reference, dtype=wide, device=logps.device)
        values = None if read.values is None else read.values.to(wide)
        return TokenLogprobs(logps.to(wide), old.to(wide), referred, values)

    def validate(self, held: Sequence[Rendered]) -> float:
        """Minus the mean reward of answers to the validation prompts; runs to its end."""
        start, answers = self._started(), self.options.eval_samples
        numbered = start.world.share(list(enumerate(_prompts(held))))
        seeds = [[answer_seed(start.seed, "eval", at, k) for k in range(answers)] for at, _ in numbered]
        own = [prompt for _, prompt in numbered]
        found = self._sampled(start, own, seeds, 0.0 if answers == 1 else self.options.temperature)
        rewards = self._graded(own, found or [])
        mean, error = start.world.mean([reward for group in rewards for reward in group])
        self.tally.add("reward_error", error)
        if (judge := self.setup.beside.held_out) is not None:
            beside = judge(self._texts(own, found or []))
            held_out, error = start.world.mean([g.reward for g in beside])
            self.tally.add("held_out", held_out)
            self.tally.add("held_out_error", error)
        return -mean

    def state(self) -> JsonObject:
        """The answers that the next steps repeat, with their likelihoods when they were sampled."""
        if self.repeats == 1:
            return {}
        kept = {"old": self.old, "reference": self.reference, "values": self.values}
        return {
            "attempts": [as_json(attempt) for attempt in self.attempts],
            **{name: list(of.items()) for name, of in kept.items()},
        }

    def load(self, state: JsonObject) -> None:
        if not state:
            return
        self.attempts = [of_json(raw) for raw in state["attempts"]]
        self.old, self.reference = dict(state["old"]), dict(state["reference"])
        self.values = dict(state.get("values", []))

    @property
    def start_figures(self) -> dict[str, float]:
        return self.begun

    @property
    def start_value(self) -> float | None:
        return -self.begun["eval_reward"] if self.begun else None

    def in_words(self, metrics: dict[str, list[tuple[int, float]]], best_step: int) -> str:
        return in_words(metrics, best_step, self.begun.get("eval_reward"))

    def _started(self) -> Start:
        if self.start is None:
            raise RuntimeError("answers are sampled before the training has begun")
        return self.start


def _prompts(examples: Sequence[Rendered]) -> list[TaskPrompt]:
    return [e for e in examples if isinstance(e, TaskPrompt)]


def _together(batch: Sequence[Rendered]) -> list[Attempt]:
    """The attempts of a microbatch, those with one prompt beside each other."""
    return sorted((e for e in batch if isinstance(e, Attempt)), key=lambda a: a.number)
