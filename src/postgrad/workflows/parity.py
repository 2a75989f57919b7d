"""The story of `postgrad parity`: a model somewhere else, held to what was trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from postgrad.blobs import Blobs
from postgrad.export.engines.url import UrlModel
from postgrad.export.parity.gate import Check, Parity
from postgrad.export.table import format_named, tolerance_of
from postgrad.json_types import JsonObject
from postgrad.progress import Stage, Working
from postgrad.registry import Catalogue
from postgrad.registry.names import Names
from postgrad.steps.delivery.exporting import changed_files, record_of
from postgrad.steps.delivery.probing import gate, leaving_model, probes_of
from postgrad.workflows.promote import served_as_trained


def parity(
    reference: str,
    urls: Sequence[str] = (),
    folders: Sequence[Path] = (),
    key: str | None = None,
    precision: str = "bfloat16",
) -> Working[list[Parity]]:
    """Holds deployments and exported folders to the trained model; without any, the engine of this house.

    Args:
        reference: The registered model.
        urls: Of OpenAI-compatible servers, each with `#MODEL` behind it.
        folders: That `postgrad export` made.
        key: For the servers.
        precision: Of what the servers compute in: how far they may be off.

    Raises:
        UsageError: nothing answers at an address, or a folder is another model's.
    """
    entry, blobs = Names(Catalogue()).entry(reference), Blobs()
    if not urls and not folders:
        yield Stage("parity", f"Holding {entry.id} as it is served to its own plain code")
        return (yield from served_as_trained(entry, blobs))
    leaving = leaving_model(entry, blobs)
    probes = yield from probes_of(leaving, entry, blobs)
    out: list[Parity] = []
    for folder in folders:
        yield Stage("parity", f"Holding {folder} to {entry.id}")
        record = record_of(folder)
        changed = changed_files(folder)
        checks = [*_files(folder, record, changed, entry.id, entry.blob)]
        format_ = format_named(str(record["format"]))
        if all(c.held for c in checks):
            checks += format_.checks(leaving, folder)
        made = format_.contestants(leaving, folder)
        out += yield from gate(made, probes, tolerance_of(str(record["precision"])), checks)
    for url in urls:
        yield Stage("parity", f"Holding {url} to {entry.id}")
        deployed = UrlModel(url, key)
        out += yield from gate([lambda deployed=deployed: deployed], probes, tolerance_of(precision))
    return out


def _files(folder: Path, record: JsonObject, changed: dict[str, str], model: str, blob: str) -> list[Check]:
    if record["blob"] != blob:
        told = f"The folder holds {record['model']}, not {model}."
        return [Check("files", False, told, "a stale file: it was exported from another version")]
    if changed:
        name, state = next(iter(changed.items()))
        told = f"{name} is {state} since the export ({len(changed)} files in all)."
        return [Check("files", False, told, "a stale or damaged file")]
    return [Check("files", True, "Every file is as it was exported.")]
