"""Where a model comes from and where it went: from records and recipe to model, report, exports, promotion, parent and
children."""

from __future__ import annotations

from dataclasses import dataclass

from postgrad.arm_kinds import is_trained
from postgrad.blobs import Blobs
from postgrad.errors import StorageError
from postgrad.json_types import JsonObject
from postgrad.registry import Catalogue
from postgrad.registry.catalogue import ModelEntry
from postgrad.registry.exports import Export, Exports
from postgrad.registry.moves import Move
from postgrad.report.run_report import Report
from postgrad.steps.reporting.kept_report import kept_report


@dataclass(frozen=True)
class Lineage:
    """The story of one version.

    Attributes:
        data: What it was trained on: hash, files, counts, seed.
        recipe: All settings, where they were kept.
        training: In a sentence.
        measured: Metric, score, interval, verdict; None where it was never measured.
        parent: The version that its training went on from; None for a base.
        children: The versions whose training went on from it.
        moves: Of aliases, to this version and away from it.
        exports: What left.
    """

    entry: ModelEntry
    data: JsonObject
    recipe: JsonObject | None
    training: str
    measured: JsonObject | None
    parent: str | None
    children: tuple[str, ...]
    moves: tuple[Move, ...]
    exports: tuple[Export, ...]

    def to_dict(self) -> JsonObject:
        """JSON-safe."""
        entry = self.entry
        return {
            "model": entry.id,
            "made": entry.created.isoformat(),
            "base": {"name": entry.base, "hash": entry.base_hash, "template": entry.template},
            "method": entry.method,
            "weights": entry.blob,
            "data": self.data,
            "recipe": self.recipe,
            "training": self.training,
            "measured": self.measured,
            "report": entry.report,
            "parent": self.parent,
            "children": list(self.children),
            "promotions": [
                {
                    "alias": m.alias,
                    "version": m.version,
                    "moved": m.moved.isoformat(),
                    "undone": m.undone.isoformat() if m.undone else None,
                    "standing": m.standing,
                    "reason": m.reason,
                }
                for m in self.moves
            ],
            "exports": [
                {"format": e.format, "precision": e.quantization, "place": e.place, "made": e.made.isoformat()}
                for e in self.exports
            ],
        }


def lineage_of(catalogue: Catalogue, blobs: Blobs, entry: ModelEntry) -> Lineage:
    """The story of a version, as far as it was kept."""
    report = _report(blobs, entry)
    everything = catalogue.list()
    details = entry.details
    training = details.get("training") or {}
    words = report.training.in_words if report and report.training else str(training.get("in_words") or "")
    return Lineage(
        entry,
        _data(entry, report),
        report.recipe if report else details.get("recipe"),
        words,
        _measured(report),
        _parent(everything, entry, report),
        tuple(sorted(e.id for e in everything if _parent([entry], e, None) == entry.id)),
        tuple(m for m in catalogue.history(entry.name) if m.version == entry.version),
        tuple(Exports(catalogue).of(entry)),
    )


def _report(blobs: Blobs, entry: ModelEntry) -> Report | None:
    try:
        return kept_report(blobs, entry)
    except (StorageError, ValueError):
        return None  # `models verify` says which; a lineage shows what is left


def _data(entry: ModelEntry, report: Report | None) -> JsonObject:
    out: JsonObject = {"hash": entry.data_hash, "files": entry.details.get("files") or []}
    if (seed := entry.details.get("seed")) is not None:
        out["seed"] = seed
    if report is not None:
        data = report.data
        out |= {"read": data.read, "train": data.train, "validation": data.validation, "test": data.test}
    for name in ("job", "imported_from", "organization", "project"):
        if entry.details.get(name):
            out[name] = entry.details[name]
    return out


def _measured(report: Report | None) -> JsonObject | None:
    if report is None:
        return None
    tuned = next((arm for arm in reversed(report.arms) if is_trained(arm.name)), None)
    return {
        "metric": report.task.metric,
        "score": tuned.score if tuned else None,
        "interval": list(tuned.interval) if tuned else None,
        "n": tuned.n if tuned else None,
        "recommendation": report.verdict.recommendation,
        "sentence": report.verdict.sentence,
    }


def _parent(known: list[ModelEntry], entry: ModelEntry, report: Report | None) -> str | None:
    """The version whose weights a training began with: by its name where that was kept, else by the weights."""
    named = entry.details.get("trained_from")
    settings = (entry.details.get("training") or {}).get("settings") or {}
    if report is not None and report.training:
        settings = report.training.settings
    start = settings.get("start")
    for other in known:
        alone = other.details.get("job") and other.name == named
        if other.id != entry.id and (other.id == named or alone or (start and other.blob == start)):
            return other.id
    return str(named or start) if report is not None and (named or start) else None
