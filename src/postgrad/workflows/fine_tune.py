"""The short story of a fine-tuning job: the client's files in, a trained blob out; who asked for it registers it.

Unlike `postgrad train` it trains on every example that the client sent for training: nothing is kept for validation
unless a second file is given. It goes on from its own folder alone, so that an earlier job's result is never taken for
it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from postgrad.data.load import LoadedRecords, data_hash, load
from postgrad.errors import DataError
from postgrad.findings import Checked
from postgrad.progress import Said, Stage, Working
from postgrad.recipe import Recipe
from postgrad.records import Record
from postgrad.steps.base_files import BaseFiles
from postgrad.steps.context import RunContext
from postgrad.steps.delivery.canaries import keep_canary
from postgrad.steps.fitting.trainable_records import Wanted, wanted_by
from postgrad.steps.fitting.training import Result, trained_model, training_work
from postgrad.steps.read import checked_records
from postgrad.steps.reporting.result_lines import keep_trace
from postgrad.training_run import RunFolder


@dataclass(frozen=True)
class Material:
    """What a job read: for its report."""

    loaded: LoadedRecords
    checked: Checked
    train: Sequence[Record]
    validation: Sequence[Record]


@dataclass(frozen=True)
class FineTuned:
    """What the registry needs to know besides the name, and what the report speaks of."""

    result: Result
    base_hash: str
    template: str
    data_hash: str
    dtype: str
    trace: str
    canary: str
    material: Material


class ValidationFileError(DataError):
    """The validation file cannot be used."""


def fine_tune(
    recipe: Recipe, training: Path, validation: Path | None, folder: RunFolder, stopped: Callable[[], bool]
) -> Working[FineTuned]:
    """Reads, checks, trains, stores; begun again with the same folder it goes on.

    Args:
        recipe: `data`, `training`, `base` and `seed` are read.

    Raises:
        PostgradError: with one clear message; `ValidationFileError` where the second file is at fault.
    """
    ctx, base = RunContext.of(recipe, stopped), BaseFiles(recipe.base)
    yield Stage("data", "Reading and checking the examples")
    wanted = wanted_by(recipe.training.objective)
    # as at OpenAI an example is trained on as often as it stands in the file: some repeat what matters more
    data = recipe.data.model_copy(update={"accept": [*recipe.data.accept, "duplicates"]})
    loaded, checked, _ = yield from checked_records(base, data, recipe.training.objective, [training])
    train = wanted.trainable(checked.kept)
    if left_out := len(checked.kept) - len(train):
        yield Said(f"{left_out} examples have no answer to learn and are left out.", warning=True)
    held = _validation(wanted, validation) if validation else []

    yield Stage("model", f"Loading the base model {recipe.base}")
    model = yield from base.load()

    yield Stage("training", "Training")
    work = yield from training_work(ctx, recipe, model, train, held)
    result = yield from trained_model(ctx, model, work, folder=folder, begin="folder")
    return FineTuned(
        result,
        model.base.hash,
        model.renderer.fingerprint,
        data_hash([*train, *held]),
        model.device.dtype,
        keep_trace(ctx.blobs, [*train, *held]),
        keep_canary(ctx.blobs, model, result.trained, result.blob),
        Material(loaded, checked, train, held),
    )


def _validation(wanted: Wanted, path: Path) -> list[Record]:
    try:
        return wanted.trainable(wanted.read(load([path], minimum=1).records))
    except DataError as error:
        raise ValidationFileError(error.message, error.mend) from error
