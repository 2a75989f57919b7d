"""The story of `postgrad migrate`: a model's recipe again on another base, both measured on the same test part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from postgrad.blobs import Blobs
from postgrad.decision.change import judge_change
from postgrad.errors import UsageError
from postgrad.json_types import JsonObject
from postgrad.progress import Said, Stage, Working
from postgrad.recipe import Recipe, make_recipe, merged
from postgrad.registry import Catalogue
from postgrad.registry.catalogue import ModelEntry
from postgrad.registry.names import Names
from postgrad.report.run_report import Report
from postgrad.steps.delivery.kept_scores import paired_with
from postgrad.steps.reporting.kept_report import kept_settings
from postgrad.workflows.run import run


@dataclass(frozen=True)
class Migration:
    """What came of it.

    Attributes:
        old: The model as it is.
        new: As it is on the new base; None where nothing was trained.
        move: Whether the new one is better.
        sentence: For a person.
    """

    old: ModelEntry
    new: str | None
    move: bool
    sentence: str
    report: Report

    def to_dict(self) -> JsonObject:
        """JSON-safe."""
        return {"old": self.old.id, "new": self.new, "move": self.move, "sentence": self.sentence}


def migrate(
    reference: str,
    base: str,
    out: Path,
    files: Sequence[Path] = (),
    stopped: Callable[[], bool] = lambda: False,
) -> Working[Migration]:
    """Trains on the new base as the model was trained, and compares.

    Args:
        reference: The model.
        base: The new base.
        out: Folder of the new report.
        files: The data, where it does not lie any more where it was.
        stopped: Asked often.

    Raises:
        UsageError: it is not known how the model was made, or its data is gone.
    """
    catalogue, blobs = Catalogue(), Blobs()
    entry = Names(catalogue).entry(reference)
    recipe, paths = how_made(blobs, entry, files)
    if base == entry.base:
        raise UsageError(f"{entry.id} is on {base!r} already.", "Name another base: --base NEW.")
    yield Said(f"{entry.id} was made from {', '.join(map(str, paths))} by the recipe that is repeated on {base}.")
    recipe = merged(recipe, {"base": base, "name": entry.name})
    report = yield from run(recipe, paths, out, stopped)
    yield Stage("compare", f"Comparing with {entry.id}")
    if report.model is None:
        told = f"Stay: on {base} nothing was trained. {report.verdict.sentence}"
        return Migration(entry, None, False, told, report)
    new = catalogue.get(f"{report.model.name}@{report.model.version}")
    if (found := paired_with(blobs, new, entry)) is None:
        told = (
            f"{new.id} and {entry.id} share no test example, so it cannot be said which is better: measure both with"
            f" `postgrad compare {entry.id} {new.id} --data FILE`."
        )
        return Migration(entry, new.id, False, told, report)
    change = judge_change(found, 1)
    command = f"`postgrad models promote {new.id}`"
    if change.verdict == "better":
        return Migration(entry, new.id, True, f"Move: {change.sentence} {command} puts it into production.", report)
    return Migration(entry, new.id, False, f"Stay: {change.sentence}", report)


def how_made(blobs: Blobs, entry: ModelEntry, files: Sequence[Path] = ()) -> tuple[Recipe, list[Path]]:
    """The recipe and the data of a model.

    Raises:
        UsageError: they were not kept, or the data does not lie there any more.
    """
    if not (settings := kept_settings(blobs, entry)):
        raise UsageError(f"It was not kept how {entry.id} was made.", "Train anew: postgrad run DATA --base NEW.")
    known = [Path(f) for f in entry.details.get("files") or []]
    paths = list(files) or known
    if not paths:
        raise UsageError(f"It was not kept from which files {entry.id} was made.", "Name them: --data FILE.")
    if missing := [p for p in paths if not p.exists()]:
        raise UsageError(
            f"{str(missing[0])!r}, from which {entry.id} was made, is gone.", "Name it where it is: --data FILE."
        )
    fields = {k: v for k, v in settings.items() if k in Recipe.model_fields}
    return make_recipe({**fields, "max_minutes": None}), paths
