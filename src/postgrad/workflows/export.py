"""The story of `postgrad export`: a registered model out, held to what it was trained to say; and what a smaller
precision costs on the task, where examples are given."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from postgrad.blobs import Blobs
from postgrad.errors import GateError, UsageError
from postgrad.export.leaving import as_file_name
from postgrad.export.table import format_named
from postgrad.models.base_models import find_model
from postgrad.progress import Said, Working
from postgrad.recipe import Recipe
from postgrad.registry import Catalogue
from postgrad.registry.catalogue import ModelEntry
from postgrad.registry.names import Names
from postgrad.steps.delivery.as_measured import as_measured
from postgrad.steps.delivery.exporting import ExportReport, export_model, refuse_full
from postgrad.storage import home, remove_folder
from postgrad.workflows.compare_models import compare_models

AUTO = "auto"
SMALLEST_FIRST = ("Q4_0", "Q5_1", "Q8_0", "F16")
"""What `auto` tries, until one is not worse than the trained model by the smallest gain worth having."""


class TooCostlyError(GateError):
    """A precision costs more on the task than is worth having."""


def export(
    reference: str,
    to: str,
    place: Path | None = None,
    precision: str | None = None,
    force: bool = False,
    data: Sequence[Path] = (),
    stopped: Callable[[], bool] = lambda: False,
) -> Working[ExportReport]:
    """Writes a model in a format.

    Args:
        reference: `name`, `name@version` or `name@alias`.
        to: The format.
        place: The folder; named after the model and the format when None.
        precision: As the format takes it, or `auto`: the smallest that is not worse on `data`.
        force: Write over what is in the folder.
        data: Examples on which a GGUF file of a smaller precision is compared with the trained model.
        stopped: Asked often.

    Raises:
        PostgradError: with one clear message; nothing is left in place.
    """
    format_named(to)
    catalogue = Catalogue()
    entry = Names(catalogue).entry(reference)
    place = place or Path(f"{as_file_name(entry.id)}-{to}")
    refuse_full(place, force)
    if (precision == AUTO or data) and to not in ("gguf", "ollama"):
        raise UsageError(
            f"{to!r} has no smaller precisions to choose from.", "--quantize auto and --data are for gguf and ollama."
        )
    recipe = as_measured(Blobs(), entry) if data else Recipe()
    worth = recipe.decision.smallest_worth

    def measure(work: Path, must: bool) -> Working[str]:
        return _cost(entry, next(iter(sorted(work.glob("*.gguf")))), data, recipe, worth, must, stopped)

    if precision != AUTO:
        asked = (lambda work: measure(work, False)) if data else None
        return (yield from export_model(entry, catalogue, to, place, precision, force, asked))
    if not data:
        raise UsageError("Without examples nobody knows which precision is small enough.", "Give some: --data FILE.")
    for kind in SMALLEST_FIRST[:-1]:
        try:
            return (yield from export_model(entry, catalogue, to, place, kind, force, lambda work: measure(work, True)))
        except GateError as error:
            yield Said(f"{kind}: {error.message}")
    return (
        yield from export_model(entry, catalogue, to, place, SMALLEST_FIRST[-1], force, lambda w: measure(w, False))
    )


def _cost(
    entry: ModelEntry,
    path: Path,
    data: Sequence[Path],
    recipe: Recipe,
    worth: float,
    must: bool,
    stopped: Callable[[], bool],
) -> Working[str]:
    """The file beside the trained model on the same examples, paired.

    Raises:
        TooCostlyError: a loss of the smallest worth is not excluded, and that is asked for.
    """
    with tempfile.TemporaryDirectory(prefix="postgrad-") as scratch:
        compared = compare_models(recipe, entry.id, str(path), list(data), Path(scratch), margin=worth, stopped=stopped)
        found = yield from compared
    unpacked = find_model(str(path)).folder
    if home() in unpacked.parents:
        remove_folder(unpacked)  # the file was unpacked for the measurement alone
    if must and not found.passed:
        raise TooCostlyError(found.sentence)
    return found.sentence
