"""The training loop. It knows no objective, no method and no terminal: it yields a `Step` after each optimiser step.

Killed and resumed equals uninterrupted: everything that decides the next step (trained weights, optimiser moments, best
weights, early-stopping state) is in the checkpoint, and the data order is a function of seed and step alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

import torch

from postgrad.errors import TrainingError
from postgrad.models.device import is_out_of_memory
from postgrad.models.rendering.render import Rendered
from postgrad.progress import Said
from postgrad.storage import sha256_json
from postgrad.training.batching import dealt, microbatches
from postgrad.training.forward import Forward
from postgrad.training.guards import Seen, rung
from postgrad.training.loop_state import LoopState
from postgrad.training.objectives.base import Objective
from postgrad.training.optimizers import Optimizer, rate_at
from postgrad.training.parallel import World
from postgrad.training.token_accuracy import Hits
from postgrad.training.weights import checkpoints
from postgrad.training.weights.frontier import CANDIDATE, GENERAL, TASK, Frontier
from postgrad.training_run import RunFolder, Step
from postgrad.training_settings import LoopSettings

HOPELESS = 5
"""So many steps in a row whose loss is above that of guessing evenly, after it was below, are called divergence."""


COOLING = 0.5
"""A training that validation ends goes on from its best weights for so many steps of those that they took, at most."""


class Settings(LoopSettings):
    """What the loop needs to know. Same settings, data and machine: same weights."""

    total_steps: int
    """Optimiser steps if nothing stops it early."""
    learning_rate: float = 1e-3
    """Peak."""
    clip: float = 1.0
    """Largest norm of the gradient; longer ones are shortened to it."""
    validate_every: int = 10
    """Steps between validations (the last step is always validated)."""
    seed: int = 0
    """Of the order of the data."""
    guess: float = math.inf
    """Loss of guessing evenly: log of the vocabulary's size."""


class _TooLargeError(Exception):
    """A microbatch did not fit into memory, here or in another process."""


class Trainer:
    """One training.

    Args:
        forward: The forward pass of a model whose trained parameters require gradients; the others do not.
        objective: Gives losses.
        train: Examples.
        validation: Examples that decide early stopping and the best weights; may be empty.
        settings: See `Settings`.
        folder: Where checkpoints and the control file lie.
        identity: Hashes of model and data; a checkpoint of another identity is refused.
        world: The processes that train together.
        frontier: Chooses the checkpoint that is kept; None: the one with the lowest validation loss. Where none has a
            lower one than the start, the start is kept.
    """

    def __init__(
        self,
        forward: Forward,
        objective: Objective,
        train: Sequence[Rendered],
        validation: Sequence[Rendered],
        settings: Settings,
        folder: RunFolder,
        identity: dict[str, str],
        world: World | None = None,
        frontier: Frontier | None = None,
    ) -> None:
        self.frontier = frontier
        self.forward, self.objective, self.settings, self.folder = forward, objective, settings, folder
        self.train, self.validation, self.world = train, validation, world or World()
        self.identity = {**identity, "schedule": sha256_json(settings.model_dump())}
        parameters = {n: p for n, p in forward.model.module.named_parameters() if p.requires_grad}
        if not parameters:
            raise TrainingError("Nothing is set to be trained.")
        self.optimizer = Optimizer(settings.optimizer, parameters, settings.weight_decay)
        self.token_budget = settings.token_budget
        self.progress = LoopState()
        self.best: dict[str, torch.Tensor] = {}
        self.hits = forward.hits = Hits()

    def run(self, stopped: Callable[[], bool] = lambda: False, checkpoint_every: int = 20) -> Iterator[Step | Said]:
        """Trains, resuming from the newest whole checkpoint; yields every step, and what the guards say of it.

        `progress.ending` says how it ended. After a pause, or when `stopped()` turns true, the state is checkpointed
        and the same call resumes.

        Raises:
            TrainingError: the training diverged, or the checkpoint belongs to another training.
        """
        self.resume()
        if self.progress.ending in ("paused", "cancelled"):
            self.progress.ending = ""
        if self.validation and not self.progress.step:
            self._measure_start()
        while not self.progress.ending and self.progress.step < self.settings.total_steps:
            told = len(self.progress.alarms)
            step = self._step(stopped)
            if step is None:
                self.progress.ending = "cancelled" if self.folder.command() == "cancel" else "paused"
                break
            self._end_or_cool()
            last = self.progress.step == self.settings.total_steps or bool(self.progress.ending)
            if last and not self.progress.ending:
                self.progress.ending = "finished"
            if (last or self.progress.step % checkpoint_every == 0) and not self.progress.hopeless:
                self._checkpoint()
            if self.world.leads:
                self.folder.append_step(step)
            yield step
            yield from (Said(alarm.sentence, warning=True) for alarm in self.progress.alarms[told:])
        if self.progress.ending in ("paused", "cancelled"):
            self._checkpoint()
        elif self.frontier is not None and self.progress.best_step:
            # not kept in the checkpoint: done again it gives the same
            self.frontier.offer_nearer(self.optimizer.parameters)
            self._keep(self.progress.step, best=False)
            self.hits.taken(self.world)

    def _measure_start(self) -> None:
        """What is trained, as it stands before the first step, is the best so far: nothing worse is ever kept."""
        p, objective = self.progress, self.objective
        if (value := objective.start_value) is None:
            value = self.frontier.measure().loss if self.frontier else self.validation_loss()
            p.start_metrics = objective.tally.taken(self.world, "eval_")
            self.hits.taken(self.world)
        else:
            p.start_metrics = objective.start_figures
        p.start_loss = p.best_loss = math.inf if math.isnan(value) else value
        self.best = {n: v.detach().clone() for n, v in self.optimizer.parameters.items()}

    def _end_or_cool(self) -> None:
        """Where validation has not got better for long: the best weights were left at a high rate, so the rest of the
        steps goes on from them with a rate that falls to nothing; then it is over."""
        p, s = self.progress, self.settings
        if p.guarded:
            p.ending = p.guarded
            return
        if p.cooling is not None:
            p.ending = "stopped early" if p.step >= p.cooling[1] else ""
            return
        if p.since_best < s.patience:
            return
        steps = min(s.total_steps - p.step, math.ceil(COOLING * p.kept_step)) if self.best else 0
        if steps < 2:
            p.ending = "stopped early"
            return
        self.use_best()
        p.cooling = (p.step, p.step + steps, self._rate(p.kept_step))

    def _rate(self, number: int) -> float:
        """The learning rate of a step."""
        s = self.settings
        if (cooling := self.progress.cooling) is None:
            return rate_at(number, s.total_steps, s.learning_rate, s.warmup, s.schedule)
        after, upto, rate = cooling
        return rate * (upto + 1 - number) / (upto - after + 1)

    def use_best(self) -> None:
        """Sets the trained parameters to the best validated ones (the last ones without validation)."""
        self.optimizer.put(self.best)

    def _step(self, stopped: Callable[[], bool]) -> Step | None:
        """One optimiser step; None (with nothing changed) when asked to stop between microbatches."""
        start, s, number = time.perf_counter(), self.settings, self.progress.step + 1
        drawn = (number - 1) // self.objective.repeats + 1
        batch = self.objective.batch(self.objective.draw(self.train, s.batch_size, s.seed, drawn), number)
        if batch is None:
            return None
        weight = sum(self.objective.weight(e) for e in batch)
        figures = self.objective.tally.kept()
        while True:
            try:
                total = self._accumulate(batch, weight, number, stopped)
                break
            except _TooLargeError:
                self.objective.tally.restore(figures)
                self._halve(batch)
        if total is None:
            self.objective.tally.restore({})
            self.optimizer.zero_grad()
            return None
        mean = total / weight
        self.world.add_gradients(self.optimizer.parameters.values())
        norm = torch.nn.utils.clip_grad_norm_(self.optimizer.gradients(), s.clip).item()
        if not (math.isfinite(mean) and math.isfinite(norm)):
            self._not_finite(number, mean, batch)
        self._watch(number, mean)
        rate = self._rate(number)
        self.optimizer.step(rate)
        self.optimizer.zero_grad()  # not needed any more, and validation and checkpoint need the room
        return self._account(number, batch, mean, norm, rate, start)

    def _accumulate(
        self, batch: Sequence[Rendered], weight: float, number: int, stopped: Callable[[], bool]
    ) -> float | None:
        """Gradients of the global batch; the sum of its losses, or None if asked to stop. Raises _TooLargeError."""
        self.optimizer.zero_grad()
        total, large = 0.0, False
        for micro in microbatches(dealt(batch, self.world.size)[self.world.rank], self.token_budget):
            if self.world.size == 1 and self._asked_to_stop(stopped):
                return None
            try:
                loss = self.objective.loss(self.forward, micro, number)
                if loss.requires_grad:  # not where nothing in the microbatch can be learned from
                    (loss / weight).backward()
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                large = True
                break
            total += loss.item()
        if self.world.size > 1 and self.world.any(self._asked_to_stop(stopped)):
            return None
        if self.world.any(large):
            raise _TooLargeError
        return self.world.sum([total])[0]

    def _asked_to_stop(self, stopped: Callable[[], bool]) -> bool:
        return stopped() or self.folder.command() is not None

    def _halve(self, batch: Sequence[Rendered]) -> None:
        """Smaller microbatches from here on: the same loss in more passes.

        Raises:
            TrainingError: the longest example alone does not fit.
        """
        self.optimizer.zero_grad()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        longest = max(len(e.ids) for e in batch)
        if self.token_budget <= longest:
            raise TrainingError(
                f"Memory ran out at step {self.progress.step + 1} with the one example {batch[0].origin or ''} of"
                f" {longest} tokens in a microbatch. The state of step {self.progress.step} is kept.",
                "Set training.recompute to true, training.max_length to less, or take a smaller base or method qlora.",
            )
        widest = sum(len(e.ids) for e in batch)
        self.token_budget = max(longest, min(self.token_budget, widest) // 2)

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
        value, best, metrics = None, False, self.objective.tally.taken(self.world)
        self.objective.measured(metrics)
        p.note(number, metrics)
        guarded = self._guarded()
        last = self.settings.total_steps if p.cooling is None else p.cooling[1]
        if self.validation and (number % self.settings.validate_every == 0 or number == last or guarded):
            value, found = self._validated(number)
            found |= self.objective.tally.taken(self.world, "eval_")
            metrics |= found
            p.note(number, found)
            self._guarded()
            # patience does not count the start
            lowest = min((known for _, known in p.validation_loss), default=math.inf)
            best = value < p.best_loss or (not p.best_step and value == p.best_loss)
            p.validation_loss.append((number, value))
            p.since_best = 0 if best or value < lowest else p.since_best + 1
            if best:
                p.best_loss, p.best_step = value, number
            self._keep(number, best)
        hits = self.hits.taken(self.world)
        metrics |= hits
        p.note(number, hits)
        total = self.settings.total_steps
        value = None if self.objective.validates else value
        return Step(number, total, mean, tokens, supervised, seconds, rate, norm, value, best, metrics)

    def _guarded(self) -> bool:
        """Lets the guards look at what is recorded; whether one of them ends the training."""
        p, s = self.progress, self.settings
        if s.guards != "off":
            seen = Seen(p.metrics, p.start_metrics, s.batch_size, s.kl_limit)
            p.alarms += rung(seen, p.alarms, stop=s.guards == "stop")
        return bool(p.guarded)

    def _validated(self, number: int) -> tuple[float, dict[str, float]]:
        """The validation loss, and the distances from the base where they are measured."""
        if self.frontier is None:
            return self.validation_loss(), {}
        found = self.frontier.measure()
        self.frontier.offer(number, found, self.optimizer.parameters)
        return found.loss, {TASK: found.task, GENERAL: found.general}

    def _keep(self, number: int, best: bool) -> None:
        """Keeps the weights that are the result so far."""
        if self.validation and not self.progress.best_step:
            return  # none is better than the start, which is kept
        if self.frontier is not None and (chosen := self.frontier.chosen):
            self.progress.kept_step, self.best = chosen.step, chosen.weights
        elif best:
            self.progress.kept_step = number
            self.best = {n: v.detach().clone() for n, v in self.optimizer.parameters.items()}

    def validation_loss(self) -> float:
        """The objective's own measure, else the mean loss (nats per supervised token) over the validation examples."""
        if self.objective.validates:
            return self.objective.validate(self.validation)
        total = weight = 0.0
        with torch.no_grad():
            for micro in self.world.share(list(microbatches(self.validation, self.token_budget))):
                total += self.objective.loss(self.forward, micro).item()
                weight += sum(self.objective.weight(e) for e in micro)
        total, weight = self.world.sum([total, weight])
        return total / weight

    def _watch(self, number: int, mean: float) -> None:
        """Raises TrainingError when the loss stays above that of guessing although it began below."""
        p = self.progress
        begun_below = bool(p.train_loss) and p.train_loss[0][1] < self.settings.guess
        p.hopeless = p.hopeless + 1 if begun_below and mean > self.settings.guess else 0
        if p.hopeless >= HOPELESS:
            raise self._diverged(
                f"The loss has been above {self.settings.guess:.1f}, that of guessing, for {HOPELESS} steps (now"
                f" {mean:.1f} at step {number})"
            )

    def _not_finite(self, number: int, mean: float, batch: Sequence[Rendered]) -> None:
        """Raises TrainingError: names the records whose loss is not a number, if it is not that of all."""
        with torch.no_grad():
            bad = [e.origin for e in batch if not math.isfinite(self.objective.loss(self.forward, [e]).item())]
        if bad and len(bad) < len(batch):
            raise TrainingError(
                f"The loss of {', '.join(bad)} is not a number at step {number}. The state of step {self.progress.step}"
                " is kept.",
                "Look at these records; remove or fix them and run again.",
            )
        raise self._diverged(f"The loss became {mean} at step {number}")

    def _diverged(self, what: str) -> TrainingError:
        kept = checkpoints.steps(self.folder.checkpoints)
        return TrainingError(
            f"{what}: the training diverged. "
            + (f"The state of step {kept[-1]} is kept." if kept else "No step was worth keeping."),
            f"Lower training.learning_rate (now {self.settings.learning_rate:g}) and run again.",
        )

    def _checkpoint(self) -> None:
        if self.world.leads:
            tensors = self.optimizer.state()
            if self.frontier:
                tensors |= self.frontier.tensors()
            if not self.frontier or not self.progress.best_step:
                tensors |= {f"best/{n}": v for n, v in self.best.items()}
            state = {"progress": asdict(self.progress), "identity": self.identity, "objective": self.objective.state()}
            if self.frontier:
                state["frontier"] = self.frontier.state()
            checkpoints.save(self.folder.checkpoints, self.progress.step, tensors, state)
        self.world.wait()

    def resume(self) -> None:
        """Takes up the newest whole checkpoint, if there is one.

        Raises:
            TrainingError: it belongs to another training.
        """
        found, _ = checkpoints.newest(self.folder.checkpoints)
        if found is None:
            return
        checkpoints.refuse_other(found.state["identity"], self.identity, str(self.folder.checkpoints))
        self.progress = LoopState.restored(found.state["progress"])
        self.objective.load(found.state["objective"])
        self.optimizer.load({n: v for n, v in found.tensors.items() if not n.startswith(("best/", CANDIDATE))})
        self.best = {n.removeprefix("best/"): v for n, v in found.tensors.items() if n.startswith("best/")}
        if self.frontier:
            self.frontier.load(found.state["frontier"], found.tensors)
            self._keep(self.progress.step, best=False)
