"""The two sides of a comparison: a report's folder with its answers, and the arm that stands for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import ValidationError

from postgrad.arm_kinds import FINE_TUNED, recommended_arm
from postgrad.errors import DataError, UsageError
from postgrad.json_types import JsonMapping
from postgrad.report.arm_parts import ArmPart
from postgrad.report.comparison import ChangedPart
from postgrad.report.results import ArmAnswer, ResultLine, read_results
from postgrad.report.run_report import SCHEMA_VERSION, Report

Origin = Mapping[str, JsonMapping]
"""What a side was made of: by kind (settings, data, model, program, machine) the names and values."""


@dataclass(frozen=True)
class Side:
    """One side.

    Attributes:
        name: For sentences.
        lines: By content hash; of equal examples the first.
        arm: The one that is compared.
        origin: See `Origin`.
    """

    name: str
    folder: Path
    report: Report
    arm: ArmPart
    lines: Mapping[str, ResultLine] = field(repr=False, default_factory=dict)
    origin: Origin = field(repr=False, default_factory=dict)

    def answer(self, hash: str, arm: str | None = None) -> ArmAnswer:
        return self.lines[hash].arms[arm or self.arm.name]


def is_report(text: str) -> bool:
    """Whether an argument names a report's folder (or a file in it), not a model."""
    path = Path(text)
    return (path / "report.json").exists() or (path.is_file() and path.name in ("report.json", "results.jsonl"))


def read_side(text: str, arm: str | None, name: str | None = None) -> Side:
    """A report's folder with its answers.

    Args:
        text: The folder, or a file in it.
        arm: The arm that stands for it; None for the one that its verdict is about.
        name: For sentences; the folder's name when None.

    Raises:
        DataError: it is no report of this version, or has no answers.
        UsageError: it has no such arm.
    """
    folder = Path(text) if Path(text).is_dir() else Path(text).parent
    report = read_report(folder)
    chosen = _arm(report, arm, folder)
    lines: dict[str, ResultLine] = {}
    for line in read_results(folder):
        if chosen.name in line.arms:
            lines.setdefault(line.hash, line)
    label = name or folder.resolve().name
    return Side(label, folder, report, chosen, lines, origin_of(report))


def read_report(folder: Path) -> Report:
    """The report of a folder.

    Raises:
        DataError: there is none, or it is not of this version.
    """
    path = folder / "report.json"
    try:
        report = Report.model_validate_json(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise DataError(
            f"{str(folder)!r} is not a report: it has no report.json.", "Name the folder that --out made."
        ) from error
    except (ValidationError, UnicodeDecodeError) as error:
        raise DataError(
            f"{str(path)!r} is not a report that this version can read.",
            "Was it created by a newer version? Create it again.",
        ) from error
    if report.schema_version != SCHEMA_VERSION:
        raise DataError(
            f"{str(path)!r} is of schema version {report.schema_version}; this postgrad reads {SCHEMA_VERSION}.",
            "Create it again with this version.",
        )
    return report


def origin_of(report: Report) -> Origin:
    """What a report was made of, flat, for telling two of them apart."""
    settings = dict(_flat(report.recipe))
    data = report.data
    return {
        "settings": settings,
        "data": {
            "hash": data.hash,
            "read": data.read,
            "kept": data.kept,
            "train": data.train,
            "validation": data.validation,
            "test": data.test,
            "findings": {f.check: f.count for f in data.findings if f.severity != "info"},
        },
        "model": {
            "base": report.model.base if report.model else report.recipe.get("base"),
            "weights": report.model.blob if report.model else None,
            "instruction": report.system_prompt,
            "steps": report.training.steps if report.training else None,
        },
        "program": {"postgrad": report.postgrad_version},
        "machine": {name: value for name, value in report.machine.items() if name != "gflops"},
    }


def changes_between(a: Origin, b: Origin) -> list[ChangedPart]:
    """Every name whose value is not the same on both sides, in the order of kinds."""
    out: list[ChangedPart] = []
    for kind in ("settings", "data", "model", "program", "machine"):
        left, right = a.get(kind, {}), b.get(kind, {})
        for name in dict.fromkeys([*left, *right]):
            if left.get(name) != right.get(name):
                out.append(ChangedPart(kind=kind, name=name, a=left.get(name), b=right.get(name)))
    return out


def _flat(values: JsonMapping, prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif f"{prefix}{name}" != "name":
            yield f"{prefix}{name}", value


def _arm(report: Report, wanted: str | None, folder: Path) -> ArmPart:
    arms = {arm.name: arm for arm in report.arms}
    if not arms:
        raise DataError(f"The report in {str(folder)!r} has no arms, so nothing can be compared.")
    if wanted is not None:
        if wanted not in arms:
            raise UsageError(f"The report in {str(folder)!r} has no arm {wanted!r}.", f"Its arms: {', '.join(arms)}.")
        return arms[wanted]
    for name in (recommended_arm(report.verdict.recommendation), FINE_TUNED):
        if name in arms:
            return arms[name]
    return max(arms.values(), key=lambda arm: arm.score)


def apart(left: Side, right: Side) -> tuple[Side, Side]:
    """Two sides under names that tell them apart: the folder, else the arm, else the path."""
    if left.name != right.name:
        return left, right
    if left.folder.resolve() == right.folder.resolve():
        if left.arm.name == right.arm.name:
            raise UsageError(
                f"Both sides are the arm {left.arm.name!r} of the same report.",
                "Name two arms: --arm few_shot,fine_tuned",
            )
        return replace(left, name=left.arm.name), replace(right, name=right.arm.name)
    return replace(left, name=str(left.folder)), replace(right, name=str(right.folder))
