"""Training in a job: what is trained on, for how long, and the kept result."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from postgrad.chapters.forget import General
from postgrad.chapters.job import Job
from postgrad.chapters.read import Data
from postgrad.evaluation.arms import with_passages
from postgrad.measures import ArmResult
from postgrad.models.language_model import LanguageModel
from postgrad.models.lora import Adapter, load_adapter, save_adapter
from postgrad.progress import Said, Working
from postgrad.records import Conversation, Message, Record, content_hash
from postgrad.report import TrainingPart
from postgrad.run import RunFolder
from postgrad.storage import home, sha256_json, storing
from postgrad.training.train import Plan, train


@dataclass(frozen=True)
class Result:
    """The adapter in memory, its blob, and what the report says of the training."""

    adapter: Adapter
    blob: str
    part: TrainingPart
    seconds: float


def train_model(
    job: Job, model: LanguageModel, data: Data, results: Sequence[ArmResult], before: General | None
) -> Working[Result]:
    """Trains, or takes the kept result of the same training."""
    settings = job.recipe.training
    plan = Plan(
        objective=settings.objective, rank=settings.rank, alpha=settings.alpha, learning_rate=settings.learning_rate or 1e-3,
        batch_size=settings.batch_size, epochs=settings.epochs, max_steps=settings.max_steps, max_length=settings.max_length,
        too_long=settings.too_long, warmup=settings.warmup, patience=settings.patience, token_budget=settings.token_budget, seed=job.recipe.seed,
    )  # fmt: skip
    records, validation = _trained_on(data, data.train), _trained_on(data, data.validation)
    if data.retrieve is not None:
        plan = replace(plan, epochs=plan.epochs / 2)
        yield Said("Each example is trained twice, with and without passages of the documents, in half as many epochs.")
    identity = {"model": model.base.hash, "train": _hash(records), "validation": _hash(validation)}
    inputs = {**identity, "plan": asdict(plan), "dtype": model.device.dtype, "minutes": job.recipe.max_minutes}
    key, kept = job.kept("training", inputs, ("training", "models"))
    folder = RunFolder(home() / "runs" / key.removeprefix("sha256:")[:16])
    if kept is None:
        with storing(folder.path):
            folder.path.mkdir(parents=True, exist_ok=True)
        plan = replace(plan, seconds=_seconds_for_training(job, results, before))
        start = time.monotonic()
        trained = yield from train(model, records, validation, plan, folder, identity, job.stopped)
        blob = _stored(job, trained.adapter, data, model.base.name)
        kept = {"blob": blob, "part": trained.part.model_dump(), "seconds": time.monotonic() - start}
        job.store.put("training", key, identity, kept)
    else:
        yield Said("The same training was done before; its result stands.")
    part = TrainingPart.model_validate(kept["part"])
    yield Said(part.in_words)
    return Result(load_adapter(job.blobs.get_folder(kept["blob"])), kept["blob"], part, kept["seconds"])


def _trained_on(data: Data, records: Sequence[Record]) -> list[Conversation]:
    """The conversations as trained: the user's own instruction stays, a rule-written one is left for the weights to learn.

    With documents each example comes in two forms, with and without passages before the request.
    """
    plain = [r for r in records if isinstance(r, Conversation)]
    if data.own_system:
        system = Message("system", data.system_prompt)
        plain = [r if r.messages[0].role == "system" else replace(r, messages=(system, *r.messages)) for r in plain]
    if data.retrieve is None:
        return plain
    grounded = [
        replace(r, messages=(*with_passages(r.prompt, data.retrieve(r.prompt_text)), r.messages[-1])) for r in plain
    ]
    return [form for both in zip(plain, grounded, strict=True) for form in both]


def _seconds_for_training(job: Job, results: Sequence[ArmResult], before: General | None) -> float | None:
    """What `max_minutes` leaves once the measurements after training are put aside."""
    left = job.seconds_left()
    if left is None:
        return None
    slowest = max((job.seconds.get(f"arm {r.name}", 0.0) for r in results), default=30.0)
    return max(20.0, left - slowest - (before.seconds if before else 0.0) - 10)


def _stored(job: Job, adapter: Adapter, data: Data, base_name: str) -> str:
    """The model's blob: adapter, and the documents that it answers from."""
    import json

    with tempfile.TemporaryDirectory(prefix="postgrad-") as scratch:
        folder = Path(scratch)
        save_adapter(adapter, folder, base_name)
        if data.passages:
            lines = [json.dumps({"text": p.text, "origin": p.origin}, ensure_ascii=False) for p in data.passages]
            (folder / "passages.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
        return job.blobs.put_folder(folder)


def _hash(records: Sequence[Record]) -> str:
    return sha256_json([content_hash(r) for r in records])
