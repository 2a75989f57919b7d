"""The report of the run that made a registered model, as the registry keeps it."""

from __future__ import annotations

from postgrad.blobs import Blobs
from postgrad.json_types import JsonObject
from postgrad.registry.catalogue import ModelEntry
from postgrad.report.run_report import Report


def kept_report(blobs: Blobs, entry: ModelEntry) -> Report | None:
    """The report; None where a model was made without one.

    Raises:
        StorageError: it is damaged or missing.
    """
    return Report.model_validate_json(blobs.get_bytes(entry.report)) if entry.report else None


def kept_settings(blobs: Blobs, entry: ModelEntry) -> JsonObject:
    """The recipe that a model was made by, as JSON; empty where it was not kept.

    Raises:
        StorageError: its report is damaged or missing.
    """
    report = kept_report(blobs, entry)
    return report.recipe if report is not None else entry.details.get("recipe") or {}
