"""The short story: examples or raw text in, a registered model out; nothing is compared. `postgrad train`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from postgrad.data.documents.raw_texts import hold_out, load_texts, read_texts
from postgrad.data.load import data_hash
from postgrad.data.sources.in_memory import InMemory
from postgrad.errors import UsageError
from postgrad.json_types import JsonObject
from postgrad.models.adapters.trained_weights import ScoringWeights
from postgrad.models.language_model import LanguageModel
from postgrad.objectives import spec_of
from postgrad.progress import Said, Stage, Working
from postgrad.recipe import DataSection, Recipe, merged
from postgrad.records import Record, Text
from postgrad.registry import Catalogue
from postgrad.registry.catalogue import ModelEntry
from postgrad.steps.arms.registered import REWARDS, model_name
from postgrad.steps.arms.reward_models import reward_figures
from postgrad.steps.base_choice import with_chosen_base
from postgrad.steps.base_files import BaseFiles
from postgrad.steps.context import RunContext
from postgrad.steps.delivery.canaries import keep_canary
from postgrad.steps.delivery.questions import data_files
from postgrad.steps.divide import divide
from postgrad.steps.fitting.lesson import refuse_teacher
from postgrad.steps.fitting.pairs_as_prompts import needs_reward_model, prompts_of, reading_objective
from postgrad.steps.fitting.reward_first import reward_recipe, trained_reward
from postgrad.steps.fitting.training import Result, trained_model, training_work
from postgrad.steps.loading import loaded
from postgrad.steps.named_start import with_named_start
from postgrad.steps.read import checked_records, held_out_files
from postgrad.steps.reporting.result_lines import keep_trace
from postgrad.storage import check_writable, home
from postgrad.training.parallel import World
from postgrad.training_run import RunFolder


@dataclass(frozen=True, repr=False)
class TrainedModel:
    """What `postgrad train` made; only the first of several processes registers it."""

    entry: ModelEntry | None
    result: Result

    @property
    def name(self) -> str:
        """The registered model's name and version, for `pg.load`; empty where another process registers it."""
        return self.entry.id if self.entry else ""

    def __repr__(self) -> str:
        return f"{self.name or 'trained'}: {self.result.part.in_words}"


def train_only(
    recipe: Recipe,
    paths: Sequence[Path | InMemory],
    folder: Path | None = None,
    begin: str = "",
    stopped: Callable[[], bool] = lambda: False,
) -> Working[TrainedModel]:
    """Reads, checks, trains, registers.

    Args:
        recipe: `data`, `training`, `base`, `name`, `seed` and `max_minutes` are read.
        paths: Training data.
        folder: Where checkpoints and the control file lie; named after the training when None.
        begin: `resume` refuses to begin anew, `fresh` throws away what an earlier run kept; "" goes on if it can.

    Raises:
        PostgradError: with one clear message; the same command goes on where it stopped.
    """
    check_writable(home())
    world = World.of_environment()  # before the model is loaded: each process has a device of its own
    recipe = yield from with_chosen_base(recipe)
    base = BaseFiles(recipe.base)
    recipe = yield from with_named_start(recipe, base)
    ctx = RunContext.of(recipe, stopped)
    yield from refuse_teacher(ctx, recipe, base)
    yield Stage("data", "Reading and checking the examples")
    reading = reading_objective(recipe.training, lambda: loaded(recipe.data, paths))
    if spec_of(reading).records is Text:
        train, held = yield from _texts(recipe.data, paths)
    else:
        train, held = yield from _records(base, recipe, reading, paths)
    yield Said(f"{len(train)} training examples, {len(held)} validation examples.")
    run = RunFolder(folder) if folder else None

    yield Stage("model", f"Loading the base model {recipe.base}")
    model = yield from base.load()
    if reading != recipe.training.objective:
        job = _Job(ctx, recipe, model, paths)
        recipe = yield from _with_reward_model(job, train, held, run, begin)
        train, held = prompts_of(train), prompts_of(held)
        yield Said(f"{len(train)} prompts of the pairs are answered, and {len(held)} to validate on.")
        begin = "" if begin == "resume" else begin  # what is resumed may be the reward model alone

    yield Stage("training", "Training")
    work = yield from training_work(ctx, recipe, model, train, held)
    result = yield from trained_model(ctx, model, work, ctx.clock.seconds_left(), run, begin)
    if not world.leads:
        return TrainedModel(None, result)
    name = model_name(recipe.name, Path(paths[0]).stem)
    return TrainedModel(_registered(_Job(ctx, recipe, model, paths), name, result, [*train, *held]), result)


@dataclass(frozen=True)
class _Job:
    """What a model is registered with, besides its training."""

    ctx: RunContext
    recipe: Recipe
    model: LanguageModel
    paths: Sequence[Path | InMemory]


def _with_reward_model(
    job: _Job, train: Sequence[Record], held: Sequence[Record], folder: RunFolder | None, begin: str
) -> Working[Recipe]:
    """The recipe with what grades answers: the reward model that it names, or one that is trained on the pairs and
    registered."""
    if not needs_reward_model(job.recipe.training):
        return job.recipe
    world, own = World.of_environment(), replace(job, recipe=reward_recipe(job.recipe))
    result = yield from trained_reward(job.ctx, own.recipe, job.model, train, held, folder, begin)
    name = f"{model_name(job.recipe.name, Path(job.paths[0]).stem)}-reward"
    entry = _registered(own, name, result, [*train, *held]).id if world.leads else ""
    (entry,) = filter(None, world.gathered([entry]))
    yield Said(f"It is registered as {entry} and grades the answers from here on.")
    return merged(job.recipe, {"training.grader": f"reward:{entry}"})


def _registered(job: _Job, name: str, result: Result, records: Sequence[Record]) -> ModelEntry:
    recipe, ctx, model = job.recipe, job.ctx, job.model
    raw_text = spec_of(recipe.training.objective).records is Text
    return Catalogue().add(
        name=name,
        base=recipe.base,
        base_hash=model.base.hash,
        method=recipe.training.method,
        blob=result.blob,
        template=model.renderer.fingerprint,
        data_hash=data_hash(records),
        report=None,
        details={
            "system_prompt": recipe.data.system_prompt,
            "passages": 0,
            "files": data_files(job.paths),
            "recipe": recipe.model_dump(mode="json"),
            "seed": recipe.seed,
            "dtype": model.device.dtype,
            **_kind(ctx, model, result),
            "trace": None if raw_text else keep_trace(ctx.blobs, records),
            "training": result.part.model_dump(exclude={"train_loss", "metrics"}),
        },
    )


def _kind(ctx: RunContext, model: LanguageModel, result: Result) -> JsonObject:
    """What a model that answers said when it was made, or what is known of one that grades answers."""
    if isinstance(result.trained, ScoringWeights):
        return {REWARDS: reward_figures(result.part)}
    return {"canary": keep_canary(ctx.blobs, model, result.trained, result.blob)}


def _records(
    base: BaseFiles, recipe: Recipe, objective: str, paths: Sequence[Path | InMemory]
) -> Working[tuple[list[Record], list[Record]]]:
    """A part of the training data validates where no file is given for it; a test part is only kept away from
    training."""
    data = recipe.data
    _, _, kept = yield from checked_records(base, data, objective, paths)
    held = yield from held_out_files(base, data, objective)
    parts = yield from divide(data, recipe.seed, kept, held, test=False)
    return list(parts.train), list(parts.validation)


def _texts(data: DataSection, paths: Sequence[Path | InMemory]) -> Working[tuple[list[Record], list[Record]]]:
    if data.test_files:
        raise UsageError("Raw text has no test part.", "Leave --test out.")
    read = read_texts(paths, data.include)
    texts = read.texts
    for note in read.notes:
        yield Said(note)
    yield Said(f"{len(texts)} documents, {sum(len(t.text) for t in texts):,} characters of raw text.")
    if data.validation_files:
        held = load_texts([Path(path) for path in data.validation_files], data.include)
        return list(texts), list(held)
    train, held = hold_out(texts, data.validation)
    yield Said("The end of each document is held out for validation.")
    return list(train), list(held)
