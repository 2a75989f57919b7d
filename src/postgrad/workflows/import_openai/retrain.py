"""Training a fetched job again on an open base, with the equivalent recipe, and giving the result the old model's
name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from postgrad.blobs import Blobs
from postgrad.errors import ModelError
from postgrad.json_types import JsonObject
from postgrad.progress import Said, Stage, Working
from postgrad.recipe import Recipe
from postgrad.registry import Catalogue
from postgrad.registry.names import Names
from postgrad.steps.openai_jobs.hyperparameters import chosen, judge_of, recipe_of
from postgrad.steps.openai_jobs.methods import BASICS, METHODS
from postgrad.steps.openai_jobs.training_file import FileFaultError, count_examples
from postgrad.steps.openai_jobs.weights import shape_of
from postgrad.storage import name_from, sha256_json, write_atomic
from postgrad.training_run import RunFolder
from postgrad.workflows.fine_tune import FineTuned, fine_tune
from postgrad.workflows.import_openai.fetch import Fetched


@dataclass(frozen=True)
class Retrained:
    """What stands in an old model's place.

    Attributes:
        model: `name@version` in the registry.
        blob: Digest of its weights.
        names: The old ids that mean it now.
    """

    model: str
    blob: str
    names: tuple[str, ...]


def why_not(one: Fetched) -> str:
    """Why a job is not trained again; empty where it can be."""
    if one.job.get("status") != "succeeded":
        return f"it ended as {one.job.get('status')}"
    kind = kind_of(one.job)
    if kind not in METHODS:
        return f"its method is {kind}, which postgrad does not support"
    if "training" not in one.files:
        return "its training file is not available"
    if kind == "reinforcement":
        grader = (one.job["method"].get("reinforcement") or {}).get("grader")
        if not grader:
            return "its grader is not given"
        if (model := judge_of(grader)) is not None:
            return (
                f"its grader queries the model {model!r}; start a job on your server with a grader whose model it has"
            )
    return ""


def kind_of(job: JsonObject) -> str:
    """The method of a job: `supervised`, `dpo`, `reinforcement`."""
    return (job.get("method") or {}).get("type") or "supervised"


def recipe_for(one: Fetched, base: str) -> Recipe:
    """The equivalent recipe: same method, passes, batch and seed; the multiplier times our usual rate.

    A job that trained a fine-tuned model further begins here with what was trained in that model's place.

    Raises:
        FileFaultError: the training file breaks OpenAI's own rules.
        ModelError: nothing stands in the place of the model that it began with.
    """
    job, kind = one.job, kind_of(one.job)
    examples = count_examples(one.files["training"], str(job.get("training_file")), kind)
    section = (job.get("method") or {}).get(kind) or {}
    given = {**(section.get("hyperparameters") or {}), **(job.get("hyperparameters") or {})}
    numbers = chosen({name: given.get(name) or "auto" for name in (*BASICS, *METHODS[kind].more)}, examples)
    method = {"type": kind, kind: section}
    return recipe_of(
        base,
        name_for(job),
        int(job.get("seed") or 0),
        numbers,
        _beginning(str(job.get("model")), base),
        examples,
        method,
    )


def _beginning(model: str, base: str) -> JsonObject:
    """The settings that make a training begin where the model of a job stands; none for a base model."""
    if not model.startswith("ft:"):
        return {}
    catalogue = Catalogue()
    mend = "Import the job that trained it first (without --job all are imported, oldest first)."
    try:
        entry = Names(catalogue).entry(model)
    except ModelError:
        raise ModelError(f"It started from {model}, which has not been retrained yet.", mend) from None
    if entry.base != base:
        raise ModelError(
            f"It started from {model}, which was retrained as {entry.id} on {entry.base!r}, not {base!r}.", mend
        )
    return {**shape_of(Blobs().get_folder(entry.blob)), "start": entry.blob}


def name_for(job: JsonObject) -> str:
    """The new model's name: the suffix of the old one, else its last part."""
    parts = (job.get("fine_tuned_model") or "").split(":")
    suffix = job.get("user_provided_suffix") or (parts[3] if len(parts) > 4 else "")
    name = suffix or f"openai-{parts[-1] or job['id'][-8:]}"
    return name_from(name, "openai")[:64]


def retrain(one: Fetched, base: str, stopped: Callable[[], bool]) -> Working[Retrained | None]:
    """Trains a job again, or takes what an earlier command trained alike; None, and said why, where it cannot be.

    All examples are trained on, as at OpenAI; the validation file chooses nothing, so that it can judge both models
    alike.

    Raises:
        PostgradError: the training cannot be done.
        Interrupted: `stopped()` turned true; the same command goes on.
    """
    if reason := why_not(one):
        yield Said(f"{one.id} is not retrained: {reason}.", warning=True)
        return None
    yield Stage("retrain", f"Retraining {one.model} on {base}")
    try:
        recipe = recipe_for(one, base)
    except FileFaultError as fault:
        yield Said(f"{one.id} is not retrained: {fault.message}", warning=True)
        return None
    key = sha256_json([recipe.model_dump(), one.job.get("training_file")]).removeprefix("sha256:")[:12]
    kept = _kept(one, key)
    if kept is None:
        run = RunFolder(one.folder / f"run-{key}")
        done = yield from fine_tune(recipe, one.files["training"], None, run, stopped)
        kept = _register(one, recipe, done)
        write_atomic(one.folder / f"retrained-{key}.json", json.dumps({"model": kept[0], "blob": kept[1]}))
        run.clear()  # checkpoints are large, and nothing goes on from them any more
    else:
        yield Said(f"{kept[0]} was already trained from this job; it is kept.")
    names = Names(Catalogue())
    for name in one.names:
        names.point(name, kept[0], {"source": "openai", "job": one.id})
    yield Said(f"{', '.join(one.names)} now point to {kept[0]} on this server.")
    return Retrained(kept[0], kept[1], tuple(one.names))


def _kept(one: Fetched, key: str) -> tuple[str, str] | None:
    """(model, blob) of an earlier training of the same job, if the registry still has it."""
    path = one.folder / f"retrained-{key}.json"
    if not path.exists():
        return None
    raw = json.loads(path.read_text("utf-8"))
    try:
        Catalogue().get(raw["model"])
    except ModelError:
        return None
    return raw["model"], raw["blob"]


def _register(one: Fetched, recipe: Recipe, done: FineTuned) -> tuple[str, str]:
    entry = Catalogue().add(
        name=recipe.name or "openai",
        base=recipe.base,
        base_hash=done.base_hash,
        method=recipe.training.method,
        blob=done.result.blob,
        template=done.template,
        data_hash=done.data_hash,
        report=None,
        details={
            "system_prompt": None,
            "passages": 0,
            "dtype": done.dtype,
            "canary": done.canary,
            "imported_from": {"job": one.id, "model": one.model},
            "training": done.result.part.model_dump(exclude={"train_loss"}),
        },
    )
    return entry.id, entry.blob
