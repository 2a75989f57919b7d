"""One training from records to an adapter: attach, plan, loop, keep the best, detach."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from postgrad.errors import Interrupted, TrainingError
from postgrad.models.device import peak_memory
from postgrad.models.language_model import LanguageModel
from postgrad.models.lora import Adapter, attach, detach, taken
from postgrad.models.render import Rendered
from postgrad.progress import Said, Working
from postgrad.records import Record
from postgrad.report import TrainingPart
from postgrad.run import RunFolder
from postgrad.training.batching import microbatches, steps_of
from postgrad.training.loop import Settings, Trainer, in_words
from postgrad.training.objectives import OBJECTIVES, Objective

FEWEST_STEPS = 100
"""A training under time pressure still makes so many steps (if the data has them)."""


@dataclass(frozen=True)
class Plan:
    """What to train: the fields of the recipe's section `training`, as plain values."""

    objective: str = "sft"
    rank: int = 16
    alpha: float = 32.0
    learning_rate: float = 1e-3
    batch_size: int = 8
    epochs: float = 3.0
    max_steps: int | None = None
    max_length: int | None = None
    too_long: Any = "error"
    warmup: float = 0.1
    patience: int = 3
    token_budget: int = 2048
    seed: int = 0
    seconds: float | None = None
    """Train at most about so long; None: as many epochs as planned."""


@dataclass(frozen=True)
class Trained:
    """A finished training."""

    adapter: Adapter
    part: TrainingPart


def train(
    model: LanguageModel,
    records: Sequence[Record],
    validation: Sequence[Record],
    plan: Plan,
    folder: RunFolder,
    identity: dict[str, str],
    stopped: Callable[[], bool],
) -> Working[Trained]:
    """Trains a LoRA adapter; resumes if the folder holds a checkpoint of the same training.

    Raises:
        DataError: records cannot be trained on.
        TrainingError: diverged, or the folder belongs to another training.
        Interrupted: `stopped()` turned true or the control file said so; checkpointed.
    """
    objective = OBJECTIVES[plan.objective](renderer=model.renderer, max_length=plan.max_length, too_long=plan.too_long)
    prepared, held = objective.prepare(records), objective.prepare(validation)
    if not prepared.examples:
        raise TrainingError(
            f"All {len(records)} training examples were dropped as too long.",
            "Raise training.max_length, or use training.too_long = truncate_prompt.",
        )
    if prepared.dropped or prepared.truncated:
        yield Said(
            f"{prepared.dropped} training examples dropped and {prepared.truncated} prompts cut because they are too long.",
            warning=True,
        )
    model.use(None)
    layers = attach(model.module, rank=plan.rank, alpha=plan.alpha, seed=plan.seed)
    try:
        if not objective.choose_packing(model, prepared.examples):
            yield Said("This model does not let examples share a row; they are padded, which is slower.", warning=True)
        settings = yield from _settings(model, objective, prepared.examples, held.examples, plan, folder)
        trainer = Trainer(model, objective, prepared.examples, held.examples, settings, folder, identity)
        folder.write_state("running")
        yield from trainer.run(stopped)
        ending = trainer.progress.ending
        if ending in ("paused", "cancelled"):
            folder.write_state("paused" if ending == "paused" else "cancelled")
            folder.clear_command()
            raise Interrupted(
                f"The training was {ending} after step {trainer.progress.step} of {settings.total_steps}; its state is kept."
            )
        trainer.use_best()
        adapter = taken(layers, plan.alpha)
    finally:
        detach(model.module, layers)
    part = _part(model, trainer, plan, settings, len(prepared.examples), prepared.truncated + held.truncated)
    folder.write_state("succeeded", part=part.model_dump())
    return Trained(adapter, part)


def _settings(
    model: LanguageModel,
    objective: Objective,
    examples: Sequence[Rendered],
    held: Sequence[Rendered],
    plan: Plan,
    folder: RunFolder,
) -> Working[Settings]:
    """The loop's settings; planned once and kept with the run, so that a resumed training has the same."""
    kept = folder.read_state().get("settings")
    if kept:
        return Settings(**kept)
    full = min(steps_of(len(examples), plan.batch_size, plan.epochs), plan.max_steps or 10**9)
    total = full
    if plan.seconds is not None:
        fitting = _fitting_steps(model, objective, examples, held, plan)
        total = min(full, max(FEWEST_STEPS, fitting))
        if fitting < total:
            yield Said(
                f"Only {max(0, fitting)} steps fit into the time that is left; {total} are made, because fewer teach too little.",
                warning=True,
            )
        elif total < full:
            yield Said(f"{total} of {full} steps are planned, to keep to the time that was given.")
    settings = Settings(
        total_steps=total, batch_size=plan.batch_size, learning_rate=plan.learning_rate, warmup=plan.warmup,
        validate_every=max(1, math.ceil(total / 5)), patience=plan.patience, token_budget=plan.token_budget, seed=plan.seed,
    )  # fmt: skip
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.write_state("queued", settings=asdict(settings))
    return settings


def _fitting_steps(
    model: LanguageModel, objective: Objective, examples: Sequence[Rendered], held: Sequence[Rendered], plan: Plan
) -> int:
    """Steps that fit into the time, from a measured forward and backward pass that changes nothing."""
    sample = examples[: 2 * plan.batch_size]
    parts = list(microbatches(sample, plan.token_budget))
    objective.loss(model, parts[0][:1]).backward()  # the first pass also allocates; it does not count
    start = time.perf_counter()
    for part in parts:
        objective.loss(model, part).backward()
    speed = sum(len(e.ids) for e in sample) / (time.perf_counter() - start)
    model.module.zero_grad(set_to_none=True)
    step_tokens = plan.batch_size * sum(len(e.ids) for e in examples) / len(examples)
    validations = 5 * sum(len(e.ids) for e in held) * 0.45  # a forward pass costs less than half
    return int(((plan.seconds or 0) * speed - validations) / step_tokens)


def _part(
    model: LanguageModel, trainer: Trainer, plan: Plan, settings: Settings, examples: int, truncated: int
) -> TrainingPart:
    p = trainer.progress
    return TrainingPart(
        objective=plan.objective, method="lora", examples=examples, supervised_tokens=p.supervised_tokens, tokens=p.tokens,
        tokens_per_second=p.tokens / max(p.seconds, 1e-9), peak_memory_bytes=peak_memory(model.device.kind), steps=p.step,
        best_step=p.best_step or p.step, seconds=p.seconds, train_loss=p.train_loss, validation_loss=p.validation_loss,
        truncated=truncated, stopped_because=p.ending, in_words=in_words(p), settings={**asdict(replace(plan, seconds=None)), "total_steps": settings.total_steps},
        device=model.device.name, dtype=model.device.dtype,
    )  # fmt: skip


def free_memory() -> None:
    """Gives cached device memory back between stages."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
