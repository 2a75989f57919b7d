"""The story of `postgrad export`: a registered model out, held to what it was trained to say."""

from __future__ import annotations

from pathlib import Path

from postgrad.progress import Working
from postgrad.registry import Catalogue
from postgrad.registry.names import Names
from postgrad.steps.delivery.exporting import ExportReport, export_model


def export(
    reference: str, to: str, place: Path | None = None, precision: str | None = None, force: bool = False
) -> Working[ExportReport]:
    """Writes a model in a format.

    Args:
        reference: `name`, `name@version` or `name@alias`.
        to: The format.
        place: The folder; named after the model and the format when None.
        precision: As the format takes it.
        force: Write over what is in the folder.

    Raises:
        PostgradError: with one clear message; nothing is left in place.
    """
    catalogue = Catalogue()
    entry = Names(catalogue).entry(reference)
    name = entry.id.replace("/", "-").replace(":", "-").replace("@", "-v")
    return (yield from export_model(entry, catalogue, to, place or Path(f"{name}-{to}"), precision, force))
