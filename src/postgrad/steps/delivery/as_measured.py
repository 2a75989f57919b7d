"""How a model's own run read and judged its data, for whoever measures it again."""

from __future__ import annotations

from postgrad.blobs import Blobs
from postgrad.recipe import Recipe, merged
from postgrad.registry.catalogue import ModelEntry
from postgrad.steps.reporting.kept_report import kept_settings


def as_measured(blobs: Blobs, entry: ModelEntry) -> Recipe:
    """Columns, accepted checks, metric and smallest gain worth having of a model's run; the usual ones where it had
    none."""
    settings = kept_settings(blobs, entry)
    data, metric = settings.get("data", {}), settings.get("evaluation", {}).get("metric")
    worth = settings.get("decision", {}).get("smallest_worth")
    changes = {f"data.{name}": data.get(name) for name in ("input", "output", "accept")}
    return merged(Recipe(), {**changes, "evaluation.metric": metric, "decision.smallest_worth": worth})
