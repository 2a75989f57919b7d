"""The training loop. It knows no objective and no terminal: it yields a `Step` after each optimiser step.

Killed and resumed equals uninterrupted: everything that decides the next step (trained weights, optimiser moments, best
weights, early-stopping state) is in the checkpoint, and the data order is a function of seed and step alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import torch

from postgrad.errors import TrainingError
from postgrad.models.render import Rendered
from postgrad.run import RunFolder, Step
from postgrad.storage import sha256_json
from postgrad.training import checkpoints
from postgrad.training.batching import global_batch, microbatches, steps_of
from postgrad.training.objectives import Objective

Ending = Literal["finished", "stopped early", "paused", "cancelled"]


@dataclass(frozen=True)
class Settings:
    """What the loop needs to know. Same settings, data and machine: same weights.

    Attributes:
        total_steps: Optimiser steps if nothing stops it early.
        validate_every: Steps between validations (the last step is always validated).
        patience: Validations without improvement after which it stops.
        learning_rate: Peak.
        warmup: Share of steps in which the rate rises linearly; then cosine to a tenth.
    """

    total_steps: int
    batch_size: int = 8
    learning_rate: float = 1e-3
    warmup: float = 0.1
    weight_decay: float = 0.0
    clip: float = 1.0
    validate_every: int = 10
    patience: int = 3
    token_budget: int = 2048
    seed: int = 0

    def rate(self, step: int) -> float:
        """Learning rate of a 1-based step."""
        rise = max(1, math.ceil(self.warmup * self.total_steps))
        if step <= rise:
            return self.learning_rate * step / rise
        share = (step - rise) / max(1, self.total_steps - rise)
        return self.learning_rate * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * share)))


@dataclass
class Progress:
    """The part of the state that is not tensors."""

    step: int = 0
    best_loss: float = math.inf
    best_step: int = 0
    since_best: int = 0
    tokens: int = 0
    supervised_tokens: int = 0
    seconds: float = 0.0
    ending: str = ""
    train_loss: list[tuple[int, float]] = field(default_factory=list)
    validation_loss: list[tuple[int, float]] = field(default_factory=list)


class Trainer:
    """One training.

    Args:
        model: A `LanguageModel` whose trained parameters require gradients; the others do not.
        objective: Gives losses.
        train: Examples.
        validation: Examples that decide early stopping and the best weights; may be empty.
        settings: See `Settings`.
        folder: Where checkpoints and the control file lie.
        identity: Hashes of model and data; a checkpoint of another identity is refused.
    """

    def __init__(
        self,
        model: Any,
        objective: Objective,
        train: Sequence[Rendered],
        validation: Sequence[Rendered],
        settings: Settings,
        folder: RunFolder,
        identity: dict[str, str],
    ) -> None:
        self.model, self.objective, self.settings, self.folder = model, objective, settings, folder
        self.train, self.validation = train, validation
        self.identity = {**identity, "settings": sha256_json(asdict(settings))}
        self.parameters = {n: p for n, p in model.module.named_parameters() if p.requires_grad}
        if not self.parameters:
            raise TrainingError("Nothing is set to be trained.")
        self.optimizer = torch.optim.AdamW(
            list(self.parameters.values()),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            betas=(0.9, 0.99),
            fused=True,
        )
        self.progress = Progress()
        self.best: dict[str, torch.Tensor] = {}

    def run(self, stopped: Callable[[], bool] = lambda: False, checkpoint_every: int = 20) -> Iterator[Step]:
        """Trains, resuming from the newest whole checkpoint; yields every step.

        `progress.ending` says how it ended. After a pause, or when `stopped()` turns true, the state is checkpointed and
        the same call resumes.

        Raises:
            TrainingError: the loss is not finite, or the checkpoint belongs to another training.
        """
        self._resume()
        if self.progress.ending in ("paused", "cancelled"):
            self.progress.ending = ""
        while not self.progress.ending and self.progress.step < self.settings.total_steps:
            start = time.perf_counter()
            step = self._step(stopped, start)
            if step is None:
                self.progress.ending = "cancelled" if self.folder.command() == "cancel" else "paused"
                break
            if self.progress.since_best >= self.settings.patience:
                self.progress.ending = "stopped early"
            last = self.progress.step == self.settings.total_steps or bool(self.progress.ending)
            if last and not self.progress.ending:
                self.progress.ending = "finished"
            if last or self.progress.step % checkpoint_every == 0:
                self._checkpoint()
            self.folder.append_step(step)
            yield step
        if self.progress.ending in ("paused", "cancelled"):
            self._checkpoint()

    def use_best(self) -> None:
        """Sets the trained parameters to the best validated ones (the last ones without validation)."""
        with torch.no_grad():
            for name, value in self.best.items():
                self.parameters[name].copy_(value)

    def _step(self, stopped: Callable[[], bool], start: float) -> Step | None:
        """One optimiser step; None (with nothing changed) when asked to stop between microbatches."""
        number = self.progress.step + 1
        batch = [
            self.train[i] for i in global_batch(len(self.train), self.settings.batch_size, self.settings.seed, number)
        ]
        weight = sum(self.objective.weight(e) for e in batch)
        total = 0.0
        self.optimizer.zero_grad(set_to_none=True)
        for micro in microbatches(batch, self.settings.token_budget):
            if stopped() or self.folder.command():
                self.optimizer.zero_grad(set_to_none=True)
                return None
            loss = self.objective.loss(self.model, micro)
            (loss / weight).backward()
            total += loss.item()
        mean = total / weight
        norm = torch.nn.utils.clip_grad_norm_(list(self.parameters.values()), self.settings.clip).item()
        if not (math.isfinite(mean) and math.isfinite(norm)):
            self._diverged(number, mean)
        rate = self.settings.rate(number)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        return self._account(number, batch, mean, norm, rate, start)

    def _account(
        self, number: int, batch: Sequence[Rendered], mean: float, norm: float, rate: float, start: float
    ) -> Step:
        """Counts the step, validates when it is due, and makes the record."""
        tokens, supervised = sum(len(e.ids) for e in batch), sum(e.supervised for e in batch)
        p = self.progress
        p.step, p.tokens, p.supervised_tokens = number, p.tokens + tokens, p.supervised_tokens + supervised
        p.train_loss.append((number, mean))
        seconds = time.perf_counter() - start
        p.seconds += seconds
        value, best = None, False
        if self.validation and (number % self.settings.validate_every == 0 or number == self.settings.total_steps):
            value = self.validation_loss()
            best = value < p.best_loss
            p.validation_loss.append((number, value))
            p.since_best = 0 if best else p.since_best + 1
            if best:
                p.best_loss, p.best_step = value, number
                self.best = {n: v.detach().clone() for n, v in self.parameters.items()}
        return Step(number, self.settings.total_steps, mean, tokens, supervised, seconds, rate, norm, value, best)

    def validation_loss(self) -> float:
        """Mean nats per supervised token over the validation examples; logits are never kept."""
        total = weight = 0.0
        with torch.no_grad():
            for micro in microbatches(self.validation, self.settings.token_budget):
                total += self.objective.loss(self.model, micro).item()
                weight += sum(self.objective.weight(e) for e in micro)
        return total / weight

    def _diverged(self, number: int, mean: float) -> None:
        raise TrainingError(
            f"The loss became {mean} at step {number}: the training diverged. The state of step {self.progress.step} is kept.",
            f"Lower training.learning_rate (now {self.settings.learning_rate:g}) and run again.",
        )

    def _checkpoint(self) -> None:
        tensors = {f"now/{n}": p for n, p in self.parameters.items()}
        tensors.update({f"best/{n}": p for n, p in self.best.items()})
        for name, parameter in self.parameters.items():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"adam/{key}/{name}"] = value
        checkpoints.save(
            self.folder.checkpoints,
            self.progress.step,
            tensors,
            {"progress": asdict(self.progress), "identity": self.identity},
        )

    def _resume(self) -> None:
        found, _ = checkpoints.newest(self.folder.checkpoints)
        if found is None:
            return
        if differing := [k for k, v in self.identity.items() if found.state["identity"].get(k) != v]:
            raise TrainingError(
                f"The checkpoint in {str(self.folder.checkpoints)!r} belongs to another training: other {' and '.join(differing)}.",
                "Use the settings, data and base model it was begun with, or start anew in another folder.",
            )
        self.progress = Progress(**found.state["progress"])
        self.progress.train_loss = [(s, v) for s, v in self.progress.train_loss]
        self.progress.validation_loss = [(s, v) for s, v in self.progress.validation_loss]
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(found.tensors[f"now/{name}"])
                moments = {
                    k.split("/")[1]: v
                    for k, v in found.tensors.items()
                    if k.startswith("adam/") and k.endswith(f"/{name}")
                }
                if moments:
                    self.optimizer.state[parameter] = {
                        k: v.to(parameter.device) if k != "step" else v for k, v in moments.items()
                    }
        self.best = {n.removeprefix("best/"): v for n, v in found.tensors.items() if n.startswith("best/")}


def plan_steps(examples: int, batch_size: int, epochs: float, max_steps: int | None) -> int:
    """Steps of a training, bounded by `max_steps`."""
    return min(steps_of(examples, batch_size, epochs), max_steps or 10**9)


def in_words(progress: Progress) -> str:
    """What the loss curves say, for the report."""
    if not progress.validation_loss:
        return "No validation was measured."
    first, last = progress.validation_loss[0][1], progress.validation_loss[-1][1]
    text = f"Validation loss went from {first:.3f} to {progress.best_loss:.3f} (best at step {progress.best_step})."
    if last > progress.best_loss * 1.02 and progress.best_step < progress.step:
        text += f" After that it rose to {last:.3f} while the training loss kept falling: the model began to overfit, so the weights of step {progress.best_step} were kept."
    elif progress.best_step == progress.validation_loss[-1][0]:
        text += " It was still falling at the end: more epochs or more data may help."
    return text
