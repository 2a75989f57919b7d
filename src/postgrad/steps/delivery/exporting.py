"""An export as a user gets it: a whole folder that passed the gate, or nothing."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from postgrad.blobs import Blobs
from postgrad.errors import GateError, StorageError, UsageError
from postgrad.export.leaving import Leaving, Written
from postgrad.export.parity.gate import Parity
from postgrad.export.parity.probes import Probe
from postgrad.export.table import FORMATS, FormatModule, format_named, tolerance_of
from postgrad.json_types import JsonObject
from postgrad.progress import Stage, Working
from postgrad.registry import Catalogue
from postgrad.registry.catalogue import ModelEntry
from postgrad.registry.exports import Exports
from postgrad.steps.delivery.probing import gate, leaving_model, probes_of
from postgrad.storage import folder_atomic, sha256_file, storing, write_atomic
from postgrad.version import __version__

Measure = Callable[[Path], Working[str]]
PARITY, README, RECORD = "parity.json", "README.md", "export.json"
SIGNATURE, ATTESTATION = "export.sig", "attestation.json"
"""What `postgrad sign` adds."""


@dataclass(frozen=True)
class ExportReport:
    """What left.

    Attributes:
        model: As `name@version`.
        place: The folder.
        precision: Of the weights.
        files: SHA-256 of every file, by its path in the folder.
        bytes: Of all files.
        parity: What the gate found, engine by engine.
        start: For each engine, how to run it.
        cost: What the precision costs on the task, in a sentence; empty where that was not measured.
    """

    model: str
    format: str
    place: Path
    precision: str
    files: dict[str, str]
    bytes: int
    parity: tuple[Parity, ...]
    start: dict[str, str]
    cost: str = ""

    def to_dict(self) -> JsonObject:
        """JSON-safe."""
        return {
            "model": self.model,
            "format": self.format,
            "place": str(self.place),
            "precision": self.precision,
            "files": self.files,
            "bytes": self.bytes,
            "parity": [p.to_dict() for p in self.parity],
            "start": self.start,
            "cost": self.cost,
        }


def refuse_full(place: Path, force: bool) -> None:
    """Refuses a folder that has something in it.

    Raises:
        UsageError: it has, and force is not used; or it is a file.
    """
    if place.exists() and not place.is_dir():
        raise UsageError(f"{str(place)!r} is a file.", "Name a folder: --out FOLDER.")
    if place.is_dir() and any(place.iterdir()) and not force:
        raise UsageError(
            f"The folder {str(place)!r} is not empty.", "Name another one (--out), or write over it with --force."
        )


def export_model(
    entry: ModelEntry,
    catalogue: Catalogue,
    to: str,
    place: Path,
    precision: str | None = None,
    force: bool = False,
    measure: Measure | None = None,
    card: str = "",
    shown: str = "",
) -> Working[ExportReport]:
    """Writes a model in a format and holds it to the gate.

    Args:
        entry: The model.
        catalogue: Where exports are written down.
        to: A name of `FORMATS`.
        place: The folder; made whole or not at all.
        precision: As the format takes it.
        force: Write over what is there.
        measure: Says what the precision costs on the task, or that it costs too much; None: it is not measured.
        card: Stands at the beginning of the README, instead of the usual words.
        shown: The place that commands in the README name, where it is sent elsewhere; whoever sends it writes it down.

    Raises:
        UsageError: there is no such format or precision, or the folder is not empty.
        GateError: the export does not answer as the trained model; nothing is left in place.
    """
    format_, blobs = format_named(to), Blobs()
    refuse_full(place, force)
    yield Stage("model", f"Reading {entry.id}")
    leaving = leaving_model(entry, blobs)
    kind = format_.precision(leaving, precision)
    probes = yield from probes_of(leaving, entry, blobs)
    yield Stage("export", f"Writing {to} ({FORMATS[to].sentence})")
    with storing(place), folder_atomic(place) as work:
        written = format_.write(leaving, work, precision)
        yield Stage("parity", "Holding it to the trained model")
        found = yield from passed(format_, leaving, work, kind, probes)
        cost = (yield from measure(work)) if measure is not None else ""
        report = _complete(entry, leaving, to, kind, work, place, written, found, cost, card, shown)
    if shown:
        return report
    Exports(catalogue).add(
        entry, to, kind, str(place.absolute()), report.files, {"engines": [p.to_dict() for p in found]}
    )
    return report


def passed(
    format_: FormatModule, leaving: Leaving, folder: Path, precision: str, probes: Sequence[Probe]
) -> Working[list[Parity]]:
    """What the gate found, where it lets the export through.

    Raises:
        GateError: it does not.
    """
    checks = format_.checks(leaving, folder)
    found = yield from gate(format_.contestants(leaving, folder), probes, tolerance_of(precision), checks)
    if wrong := [p for p in found if not p.held]:
        raise GateError(
            f"The export of {leaving.name} does not answer as the trained model does, and was not left in place."
            f" {wrong[0].sentence}",
            "Another format or precision may (--to, --quantize); if this looks wrong, tell us with --json.",
        )
    return found


def _complete(
    entry: ModelEntry,
    leaving: Leaving,
    to: str,
    precision: str,
    work: Path,
    place: Path,
    written: Written,
    found: Sequence[Parity],
    cost: str,
    card: str,
    shown: str,
) -> ExportReport:
    """Adds README, instruction and record, and hashes everything."""
    if leaving.instruction:
        (work / "instruction.txt").write_text(leaving.instruction + "\n", "utf-8")
    name = entry.name.replace(":", "-").replace("/", "-").lower()
    start = {k: v.replace("FOLDER", shown or str(place)).replace("NAME", name) for k, v in written.start.items()}
    (work / README).write_text(_readme(entry, leaving, to, precision, start, written, found, cost, card), "utf-8")
    write_atomic(work / PARITY, json.dumps([p.to_dict() for p in found], indent=1, ensure_ascii=False), 0o644)
    files = hashes(work)
    record: JsonObject = {
        "model": entry.id,
        "blob": entry.blob,
        "base": entry.base,
        "base_hash": entry.base_hash,
        "format": to,
        "precision": precision,
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "postgrad": __version__,
        "files": files,
        "cost": cost,
    }
    write_atomic(work / RECORD, json.dumps(record, indent=1, ensure_ascii=False), 0o644)
    size = sum(p.stat().st_size for p in work.rglob("*") if p.is_file())
    return ExportReport(entry.id, to, place, precision, files, size, tuple(found), start, cost)


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file but the record itself."""
    added = {folder / name for name in (RECORD, SIGNATURE, ATTESTATION)}
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p not in added)
    return {p.relative_to(folder).as_posix(): sha256_file(p) for p in files}


def record_of(folder: Path) -> JsonObject:
    """The record of an export.

    Raises:
        StorageError: the folder has none.
    """
    path = folder / RECORD
    if not path.exists():
        raise StorageError(f"{str(folder)!r} is no export: it has no {RECORD}.", "Name the folder that --out made.")
    return json.loads(path.read_text("utf-8"))


def changed_files(folder: Path) -> dict[str, str]:
    """What is not as it was exported: `changed`, `missing` or `new`, by path.

    Raises:
        StorageError: the folder has no record.
    """
    kept: dict[str, str] = record_of(folder)["files"]
    there = hashes(folder)
    out = {name: "missing" for name in kept if name not in there}
    out |= {name: "changed" for name, digest in kept.items() if there.get(name, digest) != digest}
    return out | {name: "new" for name in there if name not in kept}


def _readme(
    entry: ModelEntry,
    leaving: Leaving,
    to: str,
    precision: str,
    start: dict[str, str],
    written: Written,
    found: Sequence[Parity],
    cost: str,
    card: str,
) -> str:
    score = entry.details.get("score")
    lines = [card, ""] if card else _words(entry, to, precision)
    lines += [*written.notes, ""]
    if score is not None and not card:
        advised = entry.details.get("recommendation")
        lines += [f"Measured: {entry.details.get('metric')} {score:.3f}; the verdict was `{advised}`.", ""]
    if cost:
        lines += [f"What the precision costs on the task: {cost}", ""]
    if leaving.instruction:
        lines += [
            "It was trained with this instruction, which its chat template puts first where a conversation brings no",
            "system message of its own (`instruction.txt`):",
            "",
            *(f"> {line}" for line in leaving.instruction.splitlines()),
            "",
        ]
    lines += ["Answers are greedy (temperature 0), as they were measured.", "", "## Start", ""]
    for engine, command in start.items():
        lines += [f"{engine}:", "", "```", command, "```", ""]
    lines += ["## Parity", "", "Held to the trained model before it left (`parity.json`):", ""]
    lines += [f"- {p.sentence}" for p in found]
    lines += ["", "Your own deployment can be held to it too:", "", "```"]
    lines += [f"postgrad parity {entry.id} --url http://localhost:8000/v1#NAME", "```", ""]
    return "\n".join(lines)


def _words(entry: ModelEntry, to: str, precision: str) -> list[str]:
    """The usual beginning of a README."""
    return [
        f"# {entry.id}",
        "",
        f"Trained by postgrad {__version__} on the base `{entry.base}` ({entry.method}).",
        f"Exported as {to}, {precision}.",
    ]
