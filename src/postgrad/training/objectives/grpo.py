"""Reinforcement by groups (GRPO, https://arxiv.org/abs/2402.03300): answers are sampled, graded, and made likelier the
better they are than the others to the same prompt.

Loss of an answer with advantage A, its tokens' ratio ρ = p/p_sampled and its divergence k3
(http://joschu.net/blog/kl-approx.html) from the starting model: the mean over its tokens of −min(ρA, clip(ρ)A) + βk3,
with A = (reward − mean of the group) / standard deviation of the group. `dr_grpo` (https://arxiv.org/abs/2503.20783)
leaves out the division by the deviation, and divides by the longest possible answer instead of each answer's length:
both favour some answers over others for no good reason.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from postgrad.errors import TrainingError
from postgrad.models.generation.generate import Decoding
from postgrad.models.rendering.render import Rendered, Renderer, TooLong
from postgrad.models.rendering.task_prompts import Prompt, render_prompt
from postgrad.progress import Said, Working
from postgrad.records import Record, Task
from postgrad.training.batching import microbatches
from postgrad.training.forward import Forward
from postgrad.training.objectives import Objective, Prepared, Start
from postgrad.training.objectives.preparing import prepared
from postgrad.training.rewards import Reward
from postgrad.training.sampling import Sampled, cache_tokens, sample
from postgrad.training.sequences import token_logprobs
from postgrad.training.step_metrics import Tally

FIGURES = (
    "reward",
    "reward_std",
    "frac_reward_zero_std",
    "completions/mean_length",
    "completions/clipped_ratio",
    "grader_faults",
    "kl",
    "clip_ratio",
)
"""As TRL calls them. `frac_reward_zero_std`: groups whose answers all got the same reward, from which nothing is
learned; `completions/clipped_ratio`: answers that did not come to an end; `grader_faults`: answers whose grading
failed."""
LOSSES = ("grpo", "dr_grpo")
TINY = 1e-4


@dataclass(frozen=True, slots=True)
class Attempt(Rendered):
    """A sampled answer after its prompt; the answer's tokens have weight 1.

    Attributes:
        number: In the batch.
        advantage: How much better than its group.
    """

    number: int = 0
    advantage: float = 0.0


class Grpo(Objective):
    """The objective `grpo`.

    Args:
        renderer: Makes prompts and reads answers.
        reward: Grades answers.
        max_length: Tokens of prompt and answer; the model's context when None.
        too_long: What happens to longer prompts.
        loss: One of `LOSSES`; `grpo` when None.
        beta: Weight of the divergence from the starting model; 0 when None.
        samples: Answers in a group.
        answer_tokens: Longest answer.
        temperature: Of the sampling, and of the likelihoods that are trained.
        ratio_clip: How far a token's ratio is followed: 1 ± this.
        repeats: Optimiser steps made with one batch of answers.
        eval_samples: Answers to each validation prompt: one is greedy, several are sampled.
    """

    name = "grpo"
    validates = True

    def __init__(
        self,
        renderer: Renderer,
        reward: Reward | None = None,
        max_length: int | None = None,
        too_long: TooLong = "error",
        loss: str | None = None,
        beta: float | None = None,
        samples: int = 8,
        answer_tokens: int = 256,
        temperature: float = 1.0,
        ratio_clip: float = 0.2,
        repeats: int = 1,
        eval_samples: int = 1,
    ) -> None:
        if reward is None:
            raise TrainingError("The objective grpo needs a grader.", "Name one in training.grader.")
        self.renderer, self.reward, self.max_length = renderer, reward, max_length
        self.too_long: TooLong = too_long
        self.kind, self.beta, self.samples, self.answer_tokens = loss or "grpo", beta or 0.0, samples, answer_tokens
        self.temperature, self.ratio_clip, self.repeats = temperature, ratio_clip, repeats
        self.eval_samples, self.units = eval_samples, samples
        self.tally = Tally(FIGURES)
        self.start: Start | None = None
        self.before: float | None = None
        self.attempts: list[Attempt] = []
        self.old: dict[int, list[float]] = {}
        self.reference: dict[int, list[float]] = {}

    def prepare(self, records: Sequence[Record]) -> Prepared:
        """Prompts of tasks, each with room for an answer; all faulty ones are named in one error."""
        return prepared(
            records,
            Task,
            self._rendered,
            "prompts",
            "grpo trains on tasks",
            "Give prompts with what a grader needs to judge an answer.",
        )

    def _rendered(self, task: Task) -> Prompt | None:
        return render_prompt(self.renderer, task, self.answer_tokens, self.max_length, self.too_long)

    def weight(self, example: Rendered) -> float:
        """Every answer counts alike."""
        return 1.0

    def sequences(self, example: Rendered) -> tuple[Rendered, ...]:
        half = len(example.ids) // 2
        return (replace(example, weights=(0.0,) * half + (1.0,) * (len(example.ids) - half)),)

    def room(self, example: Rendered) -> int:
        return len(example.ids) + self.answer_tokens

    def sampled(self, example: Rendered) -> int:
        return cache_tokens(len(example.ids), self.answer_tokens, 10 * self.samples)

    def guess(self, vocabulary: int) -> float:
        return math.inf

    def begin(self, start: Start, examples: Sequence[Rendered], held: Sequence[Rendered]) -> Working[None]:
        """Measures the starting model's reward on validation, once."""
        if self.beta and not start.attached.has_base:
            raise TrainingError(
                "A divergence from the starting model needs it beside the trained one, which full fine-tuning has"
                " given up.",
                "Set training.beta to 0, or take method lora.",
            )
        self.start = start
        state = start.folder.read_state()
        self.before = state.get("reward_before")
        if self.before is None and held:
            self.before = -self.validate(held)
            self.tally.restore({})
            if start.world.leads:
                start.folder.path.mkdir(parents=True, exist_ok=True)
                start.folder.write_state(state.get("state", "queued"), reward_before=self.before)
            yield Said(f"Mean reward of the starting model on {len(held)} validation prompts: {self.before:.3f}.")

    def batch(self, drawn: Sequence[Rendered], step: int) -> list[Rendered] | None:
        """Sampled and graded answers to the prompts drawn; the same ones for `repeats` steps."""
        if step and (step - 1) % self.repeats and self.attempts:
            return list(self.attempts)
        start = self._started()
        numbered = list(enumerate(_prompts(drawn)))
        own = start.world.share(numbered)
        seeds = [[_seed(start.seed, step, at, k) for k in range(self.samples)] for at, _ in own]
        answers = sample(
            start.forward.model,
            [p.ids for _, p in own],
            seeds,
            Decoding(self.answer_tokens, self.temperature),
            start.stopped,
        )
        if start.world.any(answers is None) or answers is None:
            return None
        rewards = self._graded([p for _, p in own], answers)
        made = [self._group(p, a, r) for (_, p), a, r in zip(own, answers, rewards, strict=True)]
        groups = sorted(
            start.world.gathered([(at, g) for (at, _), g in zip(own, made, strict=True)]), key=lambda g: g[0]
        )
        self.attempts = [replace(a, number=n) for n, a in enumerate(a for _, group in groups for a in group)]
        self.old = self._likelihoods() if self.repeats > 1 else {}
        with start.attached.as_base():
            self.reference = self._likelihoods() if self.beta else {}
        return list(self.attempts)

    def _graded(self, prompts: Sequence[Prompt], answers: Sequence[Sequence[Sampled]]) -> list[list[float]]:
        """Rewards by group; counts what is worth knowing."""
        texts = [
            (p.task, self.renderer.answer_text(a.ids, special=bool(p.task.tools)))
            for p, group in zip(prompts, answers, strict=True)
            if p.task
            for a in group
        ]
        graded = list(self.reward(texts)) if texts else []
        if wrong := [t.source for (t, _), g in zip(texts, graded, strict=True) if not math.isfinite(g.reward)]:
            raise TrainingError(f"The grader gave no finite number to an answer to {wrong[0]}.", "Mend the grader.")
        flat = iter(graded)
        rewards = [[next(flat).reward for _ in group] for group in answers]
        every = [a for group in answers for a in group]
        self.tally.add("reward", sum(g.reward for g in graded), len(graded))
        self.tally.add("completions/mean_length", sum(len(a.ids) for a in every), len(every))
        self.tally.add("completions/clipped_ratio", sum(not a.finished for a in every), len(every))
        self.tally.add("grader_faults", sum(bool(g.fault) for g in graded), len(graded))
        return rewards

    def _group(self, prompt: Prompt, answers: Sequence[Sampled], rewards: Sequence[float]) -> list[Attempt]:
        found = advantages(rewards, divide=self.kind == "grpo")
        spread = statistics.stdev(rewards) if len(rewards) > 1 else 0.0
        self.tally.add("reward_std", spread)
        self.tally.add("frac_reward_zero_std", float(spread == 0))
        return [
            Attempt(prompt.ids + a.ids, prompt.weights + (1.0,) * len(a.ids), origin=prompt.origin, advantage=advantage)
            for a, advantage in zip(answers, found, strict=True)
        ]

    def _likelihoods(self) -> dict[int, list[float]]:
        """What the model as it is makes of the answers, token by token."""
        start, found = self._started(), {}
        for part in start.world.share(list(microbatches(self.attempts, start.token_budget))):
            together = _together(part)
            with torch.no_grad():
                logps = token_logprobs(start.forward, together, temperature=self.temperature)
            found |= {a.number: values.tolist() for a, values in zip(together, logps, strict=True)}
        return dict(start.world.gathered(list(found.items())))

    def loss(self, forward: Forward, batch: Sequence[Rendered], step: int | None = None) -> torch.Tensor:
        """Sum over the answers of the microbatch; those from which nothing can be learned are not computed."""
        live = [a for a in _together(batch) if a.advantage or self.beta]
        total = torch.zeros((), dtype=torch.float64, device=forward.model.device.kind)
        if not live:
            return total
        for attempt, logps in zip(live, token_logprobs(forward, live, step, self.temperature), strict=True):
            kept = self.old.get(attempt.number)
            old = logps.detach() if kept is None else torch.tensor(kept, device=logps.device)
            total = total + self._loss_of(attempt, logps.double(), old.double())
        return total

    def _loss_of(self, attempt: Attempt, logps_N: torch.Tensor, old_N: torch.Tensor) -> torch.Tensor:
        ratio = (logps_N - old_N).exp()
        clipped = ratio.clamp(1 - self.ratio_clip, 1 + self.ratio_clip)
        tokens = -torch.minimum(ratio * attempt.advantage, clipped * attempt.advantage)
        self.tally.add("clip_ratio", (clipped != ratio).sum().item(), len(ratio))
        if self.beta:
            away = torch.tensor(self.reference[attempt.number], dtype=torch.float64, device=ratio.device) - logps_N
            k3 = away.exp() - away - 1
            tokens = tokens + self.beta * k3
            self.tally.add("kl", k3.sum().item(), len(k3))
        return tokens.sum() / (len(tokens) if self.kind == "grpo" else self.answer_tokens)

    def validate(self, held: Sequence[Rendered]) -> float:
        """Minus the mean reward of answers to the validation prompts; runs to its end."""
        start = self._started()
        numbered = start.world.share(list(enumerate(_prompts(held))))
        seeds = [[_seed(start.seed, "eval", at, k) for k in range(self.eval_samples)] for at, _ in numbered]
        own = [prompt for _, prompt in numbered]
        decoding = Decoding(self.answer_tokens, 0.0 if self.eval_samples == 1 else self.temperature)
        rewards = self._graded(own, sample(start.forward.model, [p.ids for p in own], seeds, decoding) or [])
        total, count = start.world.sum([sum(map(sum, rewards)), float(sum(map(len, rewards)))])
        return -total / count

    def state(self) -> dict[str, Any]:
        """The answers that the next steps repeat, with their likelihoods when they were sampled."""
        if self.repeats == 1:
            return {}
        made = [[list(a.ids), a.supervised, a.origin, a.number, a.advantage] for a in self.attempts]
        return {"attempts": made, "old": list(self.old.items()), "reference": list(self.reference.items())}

    def load(self, state: dict[str, Any]) -> None:
        if not state:
            return
        self.attempts = [
            Attempt(tuple(ids), (0.0,) * (len(ids) - n) + (1.0,) * n, origin=origin, number=number, advantage=advantage)
            for ids, n, origin, number, advantage in state["attempts"]
        ]
        self.old, self.reference = dict(state["old"]), dict(state["reference"])

    def in_words(self, metrics: dict[str, list[tuple[int, float]]], best_step: int) -> str:
        found = dict(metrics.get("eval_reward", []))
        words = []
        if best_step in found and self.before is not None:
            words.append(
                f"The mean reward on validation went from {self.before:.3f} to {found[best_step]:.3f} (best at step"
                f" {best_step})."
            )
        if equal := [value for _, value in metrics.get("frac_reward_zero_std", [])]:
            share = sum(equal) / len(equal)
            words.append(
                f"In {100 * share:.0f} % of the groups all answers got the same reward, so they taught nothing."
            )
        if faults := sum(value for _, value in metrics.get("grader_faults", [])):
            share = faults / len(metrics["grader_faults"])
            words.append(f"The grading of {100 * share:.1f} % of the answers failed; they got the reward 0.")
        return " ".join(words)

    def _started(self) -> Start:
        if self.start is None:
            raise RuntimeError("answers are sampled before the training has begun")
        return self.start


def advantages(rewards: Sequence[float], *, divide: bool) -> list[float]:
    """How much better each answer is than the mean of its group, in its standard deviations if `divide`; 0 where all
    are equal."""
    if len(set(rewards)) < 2:
        return [0.0] * len(rewards)
    mean = sum(rewards) / len(rewards)
    scale = statistics.stdev(rewards) + TINY if divide else 1.0
    return [(r - mean) / scale for r in rewards]


def _seed(seed: int, step: int | str, prompt: int, answer: int) -> int:
    return random.Random(f"{seed}/{step}/{prompt}/{answer}").getrandbits(62)


def _prompts(examples: Sequence[Rendered]) -> list[Prompt]:
    return [e for e in examples if isinstance(e, Prompt)]


def _together(batch: Sequence[Rendered]) -> list[Attempt]:
    """The attempts of a microbatch, those with one prompt beside each other."""
    return sorted((e for e in batch if isinstance(e, Attempt)), key=lambda a: a.number)
