"""What a training, and the whole job around it, would take: tokens, memory, minutes, money; here, on a rented GPU, and
at services. No torch."""

from __future__ import annotations

from dataclasses import replace

from postgrad.costs import cost_of, machine_price
from postgrad.evaluation.metrics.support.spec import reward_model_in
from postgrad.facts import load_facts
from postgrad.json_types import JsonObject
from postgrad.models.base_models import BaseModel, find_model
from postgrad.models.rendering.render import load_renderer
from postgrad.objectives import Cost
from postgrad.prices import hosted_training
from postgrad.recipe import TrainingSection
from postgrad.steps.context import USUAL_MINUTES
from postgrad.steps.course import TRAINING_SHARE
from postgrad.steps.fitting.pairs_as_prompts import needs_reward_model, reward_settings
from postgrad.steps.fitting.teacher import options_of, other_config
from postgrad.steps.known_device import KnownDevice, known_device
from postgrad.steps.time_budget import USUAL_TOKENS
from postgrad.training.distillation.cost import MOST_BYTES, ROW
from postgrad.training.memory import (
    CHECKED,
    Need,
    answering_bytes,
    fitting,
    model_bytes,
    packs,
    peak_bytes,
    reading_bytes,
    training_flops,
)
from postgrad.training.rollouts import RolloutOptions

_BEGIN_MINUTES = 2.0
"""Of a job on a rented machine: loading and checking, which no GPU makes faster."""


def estimate(
    model: BaseModel,
    plan: Cost,
    settings: TrainingSection,
    price_per_hour: float | None,
    max_minutes: float | None = None,
    pairs: Cost | None = None,
) -> JsonObject:
    """The figures of `postgrad estimate`, as JSON.

    Args:
        model: The base.
        plan: What the objective computes.
        settings: Of the training.
        price_per_hour: What an hour of this machine costs, in USD; None: the dated price of its kind.
        max_minutes: The limit of the whole job; None without one.
        pairs: What is computed where a reward model is trained on pairs before that; None where none is.

    Raises:
        ModelError: answers are graded by a reward model that is not registered, or whose base cannot be had.
    """
    import psutil

    device = known_device()
    lengths, supervised = sorted(plan.sequences), plan.supervised
    tokens = sum(lengths)
    flops = training_flops(model.config, lengths, supervised, settings.method, settings.rank)
    forward = flops / (3 if settings.method == "full" else 2)
    training, sampling = device.rate("training"), device.rate("generation")
    passes = settings.epochs
    if settings.max_steps is not None:
        passes = min(passes, settings.max_steps * settings.batch_size * plan.units / len(lengths))
    work = passes * plan.repeats * flops + plan.once * forward
    asked = passes * plan.forward * forward
    seconds = work / training + asked / sampling
    need = Need(
        model.config,
        settings.method,
        settings.rank,
        lengths[-1],
        min(settings.token_budget, sum(lengths[-settings.batch_size * plan.units :])),
        device.dtype,
        settings.recompute,
        settings.embeddings,
        settings.optimizer,
        plan.sampled,
        packed=packs(device.kind, device.dtype),
        beside=_beside(model, plan, settings, device) + _grader_bytes(model, settings, device),
    )
    price = machine_price(device.kind, price_per_hour, device.name)
    free = psutil.virtual_memory().available
    trained_on = passes * tokens
    minutes = max_minutes or USUAL_MINUTES * max(1.0, tokens / USUAL_TOKENS)
    return {
        "examples": len(lengths) // plan.units,
        "tokens": tokens,
        "supervised_tokens": supervised,
        "longest": lengths[-1],
        "epochs": passes,
        "too_long": sum(n > model.context for n in lengths),
        "minutes": seconds / 60,
        "memory_bytes": peak_bytes(need) + CHECKED,
        "memory_available": free,
        "fitting": [said for said, _ in fitting(need, free - CHECKED)],
        "usd": cost_of(seconds, price),
        "assumption": price.assumption,
        "run": {
            "minutes": minutes,
            "limited": max_minutes is not None,
            "memory_bytes": max(peak_bytes(need), answering_bytes(need)) + CHECKED,
            "usd": cost_of(60 * minutes, price),
        },
        "elsewhere": _rented(need, work + asked),
        **({"reward_model": _reward_model(model, pairs, settings, price_per_hour)} if pairs else {}),
        "hosted": [{"usd": trained_on / 1e6 * p.usd, "price": p.sentence} for p in hosted_training()],
        "rate": _rate(device),
    }


def _beside(model: BaseModel, plan: Cost, settings: TrainingSection, device: KnownDevice) -> int:
    """Bytes of a teacher, and of what is kept of it."""
    options = options_of(settings)
    if options is None or options.way == "text":
        return 0
    other = other_config(settings)
    size = 0 if other is None else model_bytes(other, device.dtype, packs(device.kind, device.dtype))
    width = int(model.config.get("text_config", model.config).get("hidden_size") or 0)
    kept = plan.supervised * width * (2 if device.dtype == "bfloat16" else 4)
    size += 0 if options.way == "on_policy" else min(MOST_BYTES, kept)
    prompt = len(load_renderer(model).encode(options.teacher_prompt or ""))
    return size + reading_bytes(other or model.config, device.dtype, prompt + max(plan.sequences) + ROW)


def _grader_bytes(model: BaseModel, settings: TrainingSection, device: KnownDevice) -> int:
    """Of the reward model that grades answers, beside the model that is trained; 0 where none does."""
    options = settings.options
    if not isinstance(options, RolloutOptions):
        return 0
    config = model.config if needs_reward_model(settings) else None
    if isinstance(options.grader, str) and (name := reward_model_in(options.grader)):
        from postgrad.registry import Catalogue  # here: SQLAlchemy takes a second
        from postgrad.registry.names import Names  # here: as above

        config = find_model(Names(Catalogue()).entry(name).base).config
    return model_bytes(config, device.dtype, packs(device.kind, device.dtype)) if config else 0


def _reward_model(model: BaseModel, pairs: Cost, settings: TrainingSection, price: float | None) -> JsonObject:
    """What its training takes."""
    figures = estimate(model, pairs, reward_settings(settings), price)
    return {name: figures[name] for name in ("examples", "tokens", "epochs", "minutes", "memory_bytes", "usd")}


def _rate(device: KnownDevice) -> str:
    how = "probed on this machine" if device.measured else "assumed; `postgrad doctor` probes it"
    return f"{device.gflops:.0f} GFLOP/s in {device.dtype}, {how}"


def _rented(need: Need, work: float) -> list[JsonObject]:
    """The training, and the whole job, on one rented GPU of each size.

    Args:
        need: Of the training here.
        work: Operations of the training.
    """
    facts = load_facts("devices")["rented"]
    there = replace(need, dtype="bfloat16", packed=False)
    found = []
    for gpu in facts["gpu"]:
        price = machine_price("cuda", None, gpu["name"])
        seconds = work / (gpu["tflops"] * 1e12 * facts["efficiency"])
        whole = seconds / TRAINING_SHARE + 60 * _BEGIN_MINUTES
        room = gpu["memory_gb"] * 1e9
        found.append(
            {
                "gpu": gpu["name"],
                "memory_gb": gpu["memory_gb"],
                "fits": peak_bytes(there) <= room,
                "fitting": [said for said, _ in fitting(there, int(room))],
                "minutes": seconds / 60,
                "run_minutes": whole / 60,
                "usd": cost_of(whole, price),
                "price": price.assumption,
            }
        )
    return found
